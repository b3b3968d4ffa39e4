#!/usr/bin/env python3
"""hub_compare.py LMM - pulls one repository from the fake hub with lmm and with huggingface_hub, compares the two cache trees entry by
entry (names, links, bytes; not CACHEDIR.TAG, whose comment names its maker, not locks, not trees/, where newer clients keep lists), and lets each use the other's cache offline.
Needs huggingface_hub (tried with 2.4.0). Not part of ./dev test."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

lmm = os.path.abspath(sys.argv[1])
tmp = Path(tempfile.mkdtemp(prefix="hub-compare-"))
main = tmp / "hub/org/model/main"
(main / "sub/deep").mkdir(parents=True)
(main / "config.json").write_text('{"a": 1}')
(main / "empty.txt").write_text("")
(main / "sub/small file.txt").write_text("small")
(main / "sub/deep/big.bin").write_bytes(bytes(i * i % 251 for i in range(300000)))
server = subprocess.Popen([sys.executable, Path(__file__).parent.parent / "hub/fake_hub.py", tmp / "hub"], stdout=subprocess.PIPE, text=True)
endpoint = "http://127.0.0.1:" + server.stdout.readline().split()[0]
base = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and not k.lower().endswith("_proxy")}
theirs_script = "import huggingface_hub as h; print(h.snapshot_download('org/model'))"


def run(command, home, **extra):
    done = subprocess.run(command, env={**base, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **extra},
                          text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed in {home}: {done.stderr[-2000:]}")
    return done.stdout.splitlines()[0]


def entries(home):
    out = {}
    for path in sorted((home / "hub").rglob("*")):
        name = str(path.relative_to(home / "hub"))
        if name == "CACHEDIR.TAG" or name.startswith(".locks") or name.endswith("/trees") or "/trees/" in name:
            continue
        out[name] = ("link", os.readlink(path)) if path.is_symlink() else ("folder",) if path.is_dir() else ("file", path.read_bytes())
    return out


try:
    ours, theirs = tmp / "ours", tmp / "theirs"
    run([lmm, "pull", "org/model"], ours)
    run([sys.executable, "-c", theirs_script], theirs)
    a, b = entries(ours), entries(theirs)
    for name in sorted(set(a) | set(b)):
        if a.get(name) != b.get(name):
            print("differs:", name, str(a.get(name))[:100], str(b.get(name))[:100])
    server.kill()
    run([lmm, "pull", "org/model", "--verify"], theirs, HF_HUB_OFFLINE="1")
    run([sys.executable, "-c", theirs_script], ours, HF_HUB_OFFLINE="1")
    print("same" if a == b else "not the same", len(a), "entries; each reads the other's cache offline")
    sys.exit(a != b)
finally:
    server.kill()

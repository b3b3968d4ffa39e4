#!/bin/sh
# lmm convert and lmm quantize: there and back is the same file; any number of threads writes the same bytes; what fails leaves nothing behind.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mini=$LMM_HOME/models/mini-v0

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
fails_with() { # NAME PATTERN COMMAND...
    name=$1 pattern=$2
    shift 2
    message=$("$@" 2>&1 >/dev/null)
    status=$?
    case $message in
    *$pattern*) [ $status -ne 0 ] && echo "ok $name" || echo "not ok $name: exit 0" ;;
    *) echo "not ok $name: $message" ;;
    esac
}
ids() { printf '{"text": "Is the red circle left of it? 12345", "special": true}\n' | "$LMM" tokenize -m "$1"; }
empty() { [ -z "$(ls -A "$1")" ]; }

# The folder of the second conversion has the first one's name, which the file keeps.
"$LMM" convert "$mini" "$tmp/a.gguf" >/dev/null
mkdir "$tmp/back"
"$LMM" convert "$tmp/a.gguf" "$tmp/back/mini-v0" >/dev/null
"$LMM" convert "$tmp/back/mini-v0" "$tmp/b.gguf" >/dev/null
check "folder to gguf to folder to gguf is the same file" cmp -s "$tmp/a.gguf" "$tmp/b.gguf"
want=$(ids "$mini")
check "the gguf cuts text to the same ids" [ "$(ids "$tmp/a.gguf")" = "${want:-ids}" ]
check "the folder made of it cuts text to the same ids" [ "$(ids "$tmp/back/mini-v0")" = "${want:-ids}" ]

for type in f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q4_K q5_K q6_K q4_K_M; do
    "$LMM" quantize "$tmp/a.gguf" "$tmp/1.gguf" --type $type -t 1 >/dev/null
    "$LMM" quantize "$tmp/a.gguf" "$tmp/2.gguf" --type $type -t 2 >/dev/null
    check "$type: one thread and two write the same bytes" cmp -s "$tmp/1.gguf" "$tmp/2.gguf"
    check "$type: the file opens" "$LMM" info "$tmp/1.gguf" >"$tmp/info"
done
"$LMM" quantize "$mini" "$tmp/3.gguf" --type q4_K_M >/dev/null
check "a folder quantises as its gguf does" cmp -s "$tmp/3.gguf" "$tmp/2.gguf"

"$LMM" quantize "$tmp/a.gguf" "$tmp/q8.gguf" --type q8_0 --text "$LMM_HOME/LICENSE" --json >"$tmp/report"
python3 - "$tmp/report" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
d = r["divergence"]
good = d["tokens"] > 100 and 0 <= d["kl_mean"] < 0.01 and d["kl_max"] >= d["kl_mean"] and r["bytes_after"] < 0.4 * r["bytes_before"]
print("ok" if good else "not ok", "q8_0 stays near the floats:", d)
worst = max(t["relative_error"] for t in r["tensors"])
print("ok" if 0 < worst < 0.01 else "not ok", "q8_0 is within 1 % on every tensor:", worst)
PY

mkdir "$tmp/out"
fails_with "quantised twice is refused" "already" "$LMM" quantize "$tmp/q8.gguf" "$tmp/out/x.gguf" --type q4_0
check "unless it is allowed" "$LMM" quantize "$tmp/q8.gguf" "$tmp/twice.gguf" --type q4_0 --requantize >"$tmp/info"
fails_with "an unknown type is named" "is not known" "$LMM" quantize "$tmp/a.gguf" "$tmp/out/x.gguf" --type q9
fails_with "a full disk is said" "cannot write" sh -c 'ulimit -f 64; exec "$@"' sh "$LMM" quantize "$tmp/a.gguf" "$tmp/out/x.gguf" --type q8_0
fails_with "a missing text is seen before the work" "no text" "$LMM" quantize "$tmp/a.gguf" "$tmp/out/x.gguf" --text "$tmp/nothing"
fails_with "one path is not enough" "name the model" "$LMM" convert "$mini"
head -c 100000 "$tmp/a.gguf" >"$tmp/cut.gguf"
fails_with "a cut file is refused" "download complete" "$LMM" convert "$tmp/cut.gguf" "$tmp/out/x"
check "what failed left nothing behind" empty "$tmp/out"

#!/usr/bin/env python3
"""llama_cpp_compare.py LMM MODEL - llama.cpp reads what lmm wrote and answers the same.

MODEL, a GGUF file or a folder, goes through `lmm convert` to a folder and back and through `lmm quantize`. Both programs get the same questions over
the model's own template and always take the most likely token. Of every type two things must hold:
- weights: llama.cpp's gguf package takes each tensor apart to the same bits as lmm does; llama.cpp with these weights in f32 gives the very tokens of
  lmm with the quantised file (lmm's default products; two tokens within TIE nats, twice what those move a logit, count as one);
- quantised: llama.cpp with the quantised file itself, against `--products fast`. Both round activations to 8 bits there, in blocks of their own choice
  (32 or 256 values), so the ids are followed up to the first place where they part, and they may part only where the two tokens are nearer to each
  other than twice what rounding moved them in llama.cpp (its logits with the quantised file less those with the same weights in f32): once for each.
llama.cpp keeps its KV cache in f32 here, as lmm does. Needs llama-cpp-python and gguf (tried with 0.3.36, 0.19). Not part of ./dev test."""
import json
import os
import subprocess
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np

TYPES = ["q8_0", "q4_0", "q4_K_M"]
QUESTIONS = ["What is the capital of France?", "Count from one to ten."]
TOKENS = 16
TIE = 0.02
lmm, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
failures = 0


def say(good, text):
    global failures
    failures += not good
    print("ok" if good else "not ok", text, flush=True)


def run(*command):
    done = subprocess.run([lmm, *command], text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"lmm {' '.join(command)}: {done.stderr}")
    return done.stdout


def open_model(path):
    return llama_cpp.Llama(path, n_ctx=256, n_threads=2, logits_all=True, verbose=False, type_k=0, type_v=0)


def start(model, path, question):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump([{"role": "user", "content": question}], f)
        f.flush()
        prompt = run("prompt", "-m", path, "--messages", f.name)
    model.reset()
    model.eval(model.tokenize(prompt.encode(), add_bos=False, special=True))


def logits(model):
    return np.array(model.scores[model.n_tokens - 1], np.float64)


def answer(path, question, products):
    return json.loads(run("chat", "-m", path, "-n", str(TOKENS), "--json", "--products", products, question))


def follow(name, path, model, products, exact=None):
    """Feeds lmm's answers to llama.cpp (`model`; `exact` has the same weights in f32) as long as its likeliest token is lmm's."""
    for question in QUESTIONS:
        said = answer(path, question, products)
        both = [m for m in (model, exact) if m]
        for m in both:
            start(m, path, question)
        same, good, why = 0, True, "all"
        for ours in said["ids"]:
            at = logits(model)
            best = int(at.argmax())
            if ours != best:
                moved = at - logits(exact) if exact else None
                may = 2 * (abs(moved[best]) + abs(moved[ours])) if exact else TIE
                good = at[best] - at[ours] <= may
                why = f"then {at[best] - at[ours]:.3f} nats apart, at most {may:.3f} may be"
                break
            same += 1
            for m in both:
                m.eval([ours])
        say(good, f"{name}: {same} of {len(said['ids'])} tokens the same ({why}): {said['text'][:40]!r}")


def their_tensors(path):
    """Every tensor of a GGUF file in f32, by the gguf package."""
    for t in gguf.GGUFReader(path).tensors:
        yield t.name, gguf.dequantize(t.data, t.tensor_type).astype(np.float32)


def same_weights(name, small, wide):
    ours = dict(their_tensors(wide))
    other = [n for n, t in their_tensors(small) if t.tobytes() != ours[n].tobytes()]
    say(not other, f"{name} weights: {len(ours) - len(other)} of {len(ours)} tensors come out with the same bits {other[:3] or ''}")


print("llama-cpp-python", llama_cpp.__version__)
with tempfile.TemporaryDirectory() as tmp:
    folder = source
    if os.path.isfile(source):
        folder = os.path.join(tmp, "folder")
        run("convert", source, folder)
    whole, small, wide = (os.path.join(tmp, n) for n in ("whole.gguf", "small.gguf", "wide.gguf"))
    run("convert", folder, whole)
    follow("convert", whole, open_model(whole), "fine")
    for kind in TYPES:
        run("quantize", whole, small, "--type", kind)
        run("convert", small, os.path.join(tmp, kind))
        run("convert", os.path.join(tmp, kind), wide)
        same_weights(kind, small, wide)
        exact = open_model(wide)
        follow(kind + " weights", small, exact, "fine")
        follow(kind + " quantised", small, open_model(small), "fast", exact)
        os.remove(small)
        os.remove(wide)
sys.exit(1 if failures else 0)

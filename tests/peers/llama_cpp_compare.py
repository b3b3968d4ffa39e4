#!/usr/bin/env python3
"""llama_cpp_compare.py LMM MODEL - llama.cpp reads what lmm wrote and answers the same.

MODEL, a GGUF file or a folder, goes through `lmm convert` to a folder and back and through `lmm quantize`. Both programs get the same questions over
the model's own template and always take the most likely token; the ids must be the same. llama.cpp rounds activations to 8 bits in blocks, which alone
moves a small model's answers, so lmm does too (--products fast). Sums in another order remain: where two tokens are within TIE nats for llama.cpp
either may come, and what follows such a place is not compared.
Needs llama-cpp-python (tried with 0.3.36). Not part of ./dev test."""
import json
import os
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np

TYPES = ["q8_0", "q4_0", "q4_K_M"]
QUESTIONS = ["What is the capital of France?", "Count from one to ten."]
TOKENS = 16
TIE = 0.1
lmm, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def run(*command):
    done = subprocess.run([lmm, *command], text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"lmm {' '.join(command)}: {done.stderr}")
    return done.stdout


def rendered(path, question):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump([{"role": "user", "content": question}], f)
        f.flush()
        return run("prompt", "-m", path, "--messages", f.name)


def same_answer(model, prompt, ids):
    """The number of tokens compared and whether llama.cpp's likeliest token was ours (or a tie) at each of them."""
    at = model.tokenize(prompt.encode(), add_bos=False, special=True)
    model.reset()
    model.eval(at)
    for n, ours in enumerate(ids):
        logits = np.array(model.scores[model.n_tokens - 1], np.float64)
        best = int(logits.argmax())
        if ours != best:
            gap = logits[best] - logits[ours]
            return n, gap < TIE, f"tie of {gap:.3f} nats" if gap < TIE else f"{ours} is {gap:.2f} nats behind {best}"
        model.eval([ours])
    return len(ids), True, "all"


def judge(path, name):
    model = llama_cpp.Llama(path, n_ctx=256, n_threads=2, logits_all=True, verbose=False)
    good = True
    for question in QUESTIONS:
        answer = json.loads(run("chat", "-m", path, "-n", str(TOKENS), "--json", "--products", "fast", question))
        count, same, why = same_answer(model, rendered(path, question), answer["ids"])
        good &= same
        print(f"{'ok' if same else 'not ok'} {name}: {count} of {len(answer['ids'])} tokens the same ({why}): {answer['text'][:50]!r}", flush=True)
    return good


print("llama-cpp-python", llama_cpp.__version__)
with tempfile.TemporaryDirectory() as tmp:
    folder = source
    if os.path.isfile(source):
        folder = os.path.join(tmp, "folder")
        run("convert", source, folder)
    whole = os.path.join(tmp, "whole.gguf")
    run("convert", folder, whole)
    good = judge(whole, "convert")
    for kind in TYPES:
        small = os.path.join(tmp, kind + ".gguf")
        run("quantize", whole, small, "--type", kind)
        good &= judge(small, kind)
        os.remove(small)
sys.exit(0 if good else 1)

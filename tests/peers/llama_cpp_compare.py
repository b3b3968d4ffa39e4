#!/usr/bin/env python3
"""llama_cpp_compare.py LMM MODEL - llama.cpp reads what lmm wrote and answers the same.

MODEL, a GGUF file or a folder, goes through `lmm convert` to a folder and back and through `lmm quantize`. Both programs get the same questions over
the model's own template and always take the most likely token. Two comparisons a file:
- values: the file's weights widened to f32 (`lmm convert` to a folder and back), so that llama.cpp rounds no activations. Every token must be the same.
- file: llama.cpp reads the quantised file itself. It rounds activations to 8 bits in blocks, which alone moves a small model's answers; how many tokens
  stay the same, and how far behind its likeliest ours are where they do not, is printed: at most NOISE nats.
Needs llama-cpp-python (tried with 0.3.36). Not part of ./dev test."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np

TYPES = ["q8_0", "q4_0", "q4_K_M"]
QUESTIONS = ["What is the capital of France?", "Count from one to ten.", "Name three colours.", "Why is the sky blue?", "Write one line about the sea.",
             "What do bees make?", "Translate 'good morning' to French.", "Who wrote Hamlet?"]
TOKENS = 16
NOISE = 0.5
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
    """Walks our answer: how many of its tokens are llama.cpp's likeliest too, and how far behind its likeliest the others are for it."""
    model.reset()
    model.eval(model.tokenize(prompt.encode(), add_bos=False, special=True))
    gaps = []
    for ours in ids:
        logits = np.array(model.scores[model.n_tokens - 1], np.float64)
        if ours != int(logits.argmax()):
            gaps.append(float(logits.max() - logits[ours]))
        model.eval([ours])
    return len(ids) - len(gaps), gaps


def judge(path, ours, products, bound, name):
    """llama.cpp on `path` against lmm on `ours`."""
    model = llama_cpp.Llama(path, n_ctx=256, n_threads=2, logits_all=True, verbose=False, type_k=0, type_v=0)
    tokens = same = whole = 0
    behind = []
    for question in QUESTIONS:
        ids = json.loads(run("chat", "-m", ours, "-n", str(TOKENS), "--json", "--products", products, question))["ids"]
        count, gaps = same_answer(model, rendered(ours, question), ids)
        tokens, same, whole, behind = tokens + len(ids), same + count, whole + (not gaps), behind + gaps
    good = all(gap <= bound for gap in behind)
    print(f"{'ok' if good else 'not ok'} {name}: {whole} of {len(QUESTIONS)} answers and {same} of {tokens} tokens the same"
          + (f"; the others are behind by {', '.join(f'{gap:.3f}' for gap in sorted(behind))} nats" if behind else ""), flush=True)
    return good


def widened(path, tmp):
    folder, wide = os.path.join(tmp, "wide"), os.path.join(tmp, "wide.gguf")
    run("convert", path, folder)
    run("convert", folder, wide)
    shutil.rmtree(folder)
    return wide


print("llama-cpp-python", llama_cpp.__version__)
with tempfile.TemporaryDirectory() as tmp:
    whole = os.path.join(tmp, "whole.gguf")
    if os.path.isfile(source):
        os.rename(widened(source, tmp), whole)
    else:
        run("convert", source, whole)
    good = judge(whole, whole, "exact", 0, "convert")
    for kind in TYPES:
        small = os.path.join(tmp, kind + ".gguf")
        run("quantize", whole, small, "--type", kind)
        good &= judge(widened(small, tmp), small, "exact", 0, f"{kind} values")
        good &= judge(small, small, "fast", NOISE, f"{kind} file")
        os.remove(small)
sys.exit(0 if good else 1)

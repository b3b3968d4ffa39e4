"""transformers as judge of models/mini: the same greedy answers on easy-VQA test questions, and the same logits.

usage: mini_transformers.py [--model DIR] [--count N] [--lmm BINARY] [--data data/easyvqa]
"""
import argparse, json, os, subprocess, sys, tempfile

import torch
import transformers
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
parser = argparse.ArgumentParser()
parser.add_argument("--model", default=os.path.join(root, "models/mini"))
parser.add_argument("--count", type=int, default=200)
parser.add_argument("--lmm", default=os.path.join(root, "build/release/lmm"))
parser.add_argument("--data", default=os.path.join(root, "data/easyvqa/easy_vqa/data/test"))
args = parser.parse_args()

TOKENS = 32
model = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
processor = AutoProcessor.from_pretrained(args.model)

questions = json.load(open(os.path.join(args.data, "questions.json")))
step = max(1, len(questions) // args.count)
chosen = questions[::step][: args.count]


def reference(question, picture):
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(text=text, images=Image.open(picture).convert("RGB"), return_tensors="pt")
    with torch.no_grad():
        out = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        logits = model(**inputs).logits[0, -1]
    return text, out[0, inputs["input_ids"].shape[1]:].tolist(), logits, inputs["input_ids"][0].tolist()


def traced(text, picture):
    from safetensors.torch import load_file
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.safetensors")
        subprocess.run([args.lmm, "trace", "-m", args.model, "--raw", text, "--image", picture, "--generate", str(TOKENS), "-o", path], check=True)
        t = load_file(path)
        return t["generated_ids"].tolist(), t["logits"][-1], t["input_ids"].tolist()


same = same_ids = 0
worst = 0.0
for i, (question, answer, number) in enumerate(chosen):
    picture = os.path.join(args.data, "images", f"{number}.png")
    text, want, want_logits, want_input = reference(question, picture)
    have, have_logits, have_input = traced(text, picture)
    same += have == want
    same_ids += have_input == want_input
    worst = max(worst, (have_logits - want_logits).abs().max().item())
    if have != want:
        print(f"differs: {number}.png {question!r}: {want} by transformers, {have} by lmm", file=sys.stderr)
print(f"transformers {transformers.__version__}, torch {torch.__version__}: {same}/{len(chosen)} equal greedy answers, {same_ids}/{len(chosen)} equal input ids, "
      f"logits differ by at most {worst:.2e}")
sys.exit(same != len(chosen) or same_ids != len(chosen))

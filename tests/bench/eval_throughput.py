"""Questions a second of `lmm eval` and of transformers on the same checkpoint, questions and machine.

usage: eval_throughput.py [--count 2000] [--model models/mini] [--data data] [--lmm build/release/lmm] [--threads 2] [--batches 1,8,32,64] [--skip-transformers]

Three numbers: lmm eval, lmm eval --no-picture-cache, and transformers at its best batch size (the processor's time included, as in lmms-eval; pictures of
a batch are prepared for every question). The answers are compared row by row. Needs the data set easyvqa and, for the third, torch and transformers.
Run it on a quiet machine."""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=2000)
parser.add_argument("--model", default=os.path.join(root, "models/mini"))
parser.add_argument("--data", default=os.path.join(root, "data"))
parser.add_argument("--lmm", default=os.path.join(root, "build/release/lmm"))
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--batches", default="1,8,32,64")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--skip-transformers", action="store_true")
args = parser.parse_args()


def lmm_eval(*options):
    """Best seconds of a whole command, model opening and scoring included, and the answers."""
    best = float("inf")
    with tempfile.TemporaryDirectory() as out:
        for _ in range(args.repeat):
            for old in glob.glob(os.path.join(out, "*.json*")):
                os.remove(old)
            start = time.perf_counter()
            subprocess.run([args.lmm, "eval", "-m", args.model, "-q", "-t", str(args.threads), "--tasks", "easyvqa", "--limit", str(args.count),
                            "--batch_size", "32", "--data", args.data, "--output_path", out, "--log_samples", *options],
                           check=True, stdout=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - start)
        with open(glob.glob(os.path.join(out, "*_samples_easyvqa.jsonl"))[0]) as f:
            return best, [json.loads(line)["filtered_resps"] for line in f]


def transformers_eval(batch):
    """Seconds of preparing and answering, the model being open."""
    import torch
    from PIL import Image
    from transformers import AutoTokenizer, LlavaForConditionalGeneration, LlavaProcessor, SiglipImageProcessor
    torch.set_num_threads(args.threads)
    model = LlavaForConditionalGeneration.from_pretrained(args.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.model, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    images = SiglipImageProcessor.from_pretrained(args.model)
    with open(os.path.join(args.model, "chat_template.jinja")) as f:
        template = f.read()
    processor = LlavaProcessor(image_processor=images, tokenizer=tokenizer, patch_size=8, vision_feature_select_strategy="full",
                               chat_template=template, image_token="<image>", num_additional_image_tokens=0)
    folder = os.path.join(args.data, "easyvqa/easy_vqa/data/test")
    with open(os.path.join(folder, "questions.json")) as f:
        rows = json.load(f)[: args.count]
    answers = []
    start = time.perf_counter()
    with torch.no_grad():
        for at in range(0, len(rows), batch):
            part = rows[at:at + batch]
            texts = [processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": q}]}],
                                                   add_generation_prompt=True) for q, _, _ in part]
            pictures = [Image.open(os.path.join(folder, "images", f"{n}.png")).convert("RGB") for _, _, n in part]
            inputs = processor(text=texts, images=pictures, return_tensors="pt", padding=True)
            ids = model.generate(**inputs, max_new_tokens=8, do_sample=False)
            answers += [a.strip() for a in tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)]
    return time.perf_counter() - start, answers


def line(name, seconds, note=""):
    print(f"| {name:<36} | {seconds:9.2f} | {args.count / seconds:12.1f} | {note}", flush=True)


print(f"| {'who':<36} | {'seconds':>9} | questions/s  |\n|---|---:|---:|---|")
ours, said = lmm_eval()
line("lmm eval", ours)
anew, said_anew = lmm_eval("--no-picture-cache")
line("lmm eval --no-picture-cache", anew, f"{anew / ours:.1f} times the time")
if said != said_anew:
    sys.exit("the picture cache changes answers")
if not args.skip_transformers:
    best = float("inf")
    for size in map(int, args.batches.split(",")):
        seconds, theirs = transformers_eval(size)
        same = sum(a == b for a, b in zip(said, theirs))
        line(f"transformers, batch {size}", seconds, f"{same} of {len(said)} answers the same")
        best = min(best, seconds)
    print(f"\ntransformers at its best takes {best / ours:.1f} times as long as lmm eval")

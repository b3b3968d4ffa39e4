"""Questions a second of `lmm eval` and of transformers on the same checkpoint, questions and machine.

usage: eval_throughput.py [--count 2000] [--model models/mini] [--data data] [--lmm build/release/lmm] [--threads 2] [--batches 1,8,32,64]
                          [--lmms-batches 1] [--skip-transformers]

- lmm eval, and lmm eval --no-picture-cache: the whole command, opening the model included.
- lmms-eval 0.7.3 with its transformers back end (llava_hf, which takes batches of one only) on the same rows as a task: from the open model to the results.
- a bare loop over transformers, no harness around it: from the open model to the answers (the processor's time included, as in lmms-eval; pictures of a
  batch are prepared for every question).

The answers are compared row by row. Needs the data set easyvqa and, for the others, torch, transformers and lmms-eval. Run it on a quiet machine."""
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
parser.add_argument("--lmms-batches", default="1")
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


LMMS_TASK = """
task: easyvqa_here
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.to_visual
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {max_new_tokens: 8, temperature: 0, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
metadata: {version: 1.0}
"""
LMMS_UTILS = """
from PIL import Image
def to_visual(doc):
    return [Image.open(doc["file"]).convert("RGB")]
"""
LMMS_RUN = """
import json, sys, time
import torch
from lmms_eval import evaluator, tasks
from lmms_eval.models.simple.llava_hf import LlavaHf
folder, model, batch, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
lm = LlavaHf(pretrained=model, device="cpu", device_map="cpu", dtype="float32", batch_size=batch, attn_implementation="sdpa", use_cache=True)
manager = tasks.TaskManager("ERROR", include_path=folder, model_name="llava_hf")
start = time.perf_counter()
out = evaluator.simple_evaluate(model=lm, tasks=["easyvqa_here"], task_manager=manager, log_samples=True)
seconds = time.perf_counter() - start
rows = sorted(out["samples"]["easyvqa_here"], key=lambda r: r["doc_id"])
json.dump({"seconds": seconds, "answers": [r["filtered_resps"][0] for r in rows]}, open(folder + "/out.json", "w"))
"""


def lmms_eval(batch):
    """Seconds of lmms-eval's evaluation, the model being open, and the answers."""
    pictures = os.path.abspath(os.path.join(args.data, "easyvqa/easy_vqa/data/test"))
    with open(os.path.join(pictures, "questions.json")) as f:
        rows = json.load(f)[: args.count]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "rows.jsonl"), "w") as f:
            f.writelines(json.dumps({"question": q, "answer": a, "file": f"{pictures}/images/{n}.png"}) + "\n" for q, a, n in rows)
        for name, text in (("easyvqa_here.yaml", LMMS_TASK), ("utils.py", LMMS_UTILS), ("run.py", LMMS_RUN)):
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        done = subprocess.run([sys.executable, os.path.join(folder, "run.py"), folder, os.path.abspath(args.model), str(batch), str(args.threads)],
                              cwd=folder, text=True, capture_output=True)
        if done.returncode:
            return None, (done.stderr.strip().splitlines() or ["no word"])[-1]
        with open(os.path.join(folder, "out.json")) as f:
            out = json.load(f)
    return out["seconds"], [a.strip() for a in out["answers"]]


def line(name, seconds, note=""):
    print(f"| {name:<36} | {seconds:9.2f} | {args.count / seconds:12.1f} | {note}", flush=True)


print(f"| {'who':<36} | {'seconds':>9} | questions/s  |\n|---|---:|---:|---|")
ours, said = lmm_eval()
line("lmm eval", ours)
anew, said_anew = lmm_eval("--no-picture-cache")
line("lmm eval --no-picture-cache", anew, f"{anew / ours:.1f} times the time")
if said != said_anew:
    sys.exit("the picture cache changes answers")


def compare(name, run, sizes):
    best = float("inf")
    for size in map(int, sizes.split(",")):
        seconds, theirs = run(size)
        if seconds is None:
            print(f"| {name}, batch {size}: {theirs}", flush=True)
            continue
        same = sum(a == b for a, b in zip(said, theirs))
        line(f"{name}, batch {size}", seconds, f"{same} of {len(said)} answers the same")
        best = min(best, seconds)
    return best


if not args.skip_transformers:
    bare = compare("transformers, bare loop", transformers_eval, args.batches)
    harness = compare("lmms-eval, llava_hf", lmms_eval, args.lmms_batches)
    print(f"\nlmms-eval at its best takes {harness / ours:.1f} times as long as lmm eval, the bare loop {bare / ours:.1f} times")

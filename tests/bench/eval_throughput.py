"""Questions a second of `lmm eval` and of transformers on the same checkpoint, questions and machine.

usage: eval_throughput.py [--count 2000] [--model models/mini-v0] [--data data] [--lmm build/release/lmm] [--threads 2] [--batches 1,8,32,64]
                          [--lmms-batches 1] [--skip-transformers] [--lectures DIR --films 100]

With --lectures, the questions are those of the three stages about each of so many films of `lmm synth lectures -o DIR`, 5 frames each; a film's questions follow
each other for lmms-eval too. Without, they are easy-VQA's.

- lmm eval, and lmm eval --no-picture-cache: the whole command, opening the model included.
- lmms-eval 0.7.3 with its transformers back end (llava_hf, which takes batches of one only) on the same rows as a task: from the open model to the results.
- of pictures also a bare loop over transformers, no harness around it: from the open model to the answers (the processor's time included, as in lmms-eval; pictures of a
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
parser.add_argument("--model", default=os.path.join(root, "models/mini-v0"))
parser.add_argument("--data", default=os.path.join(root, "data"))
parser.add_argument("--lmm", default=os.path.join(root, "build/release/lmm"))
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--batches", default="1,8,32,64")
parser.add_argument("--lmms-batches", default="1")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--skip-transformers", action="store_true")
parser.add_argument("--lectures")
parser.add_argument("--films", type=int, default=100)
args = parser.parse_args()
FRAMES = 5


def film_rows():
    """One row a question: the three stages of a film after each other."""
    home = os.path.abspath(os.path.join(args.lectures, "lmms-lab/VideoMMMU"))
    stages = []
    for stage in ("Perception", "Comprehension", "Adaptation"):
        with open(f"{home}/{stage}/test.jsonl") as f:
            stages.append([json.loads(line) for line in f][: args.films])
    return [{"question": "\n".join([r["question"]] + [f"{chr(65 + i)}. {o}" for i, o in enumerate(r["options"])]), "answer": r["answer"],
             "file": f"{home}/videos/{r['id']}.mp4"} for film in zip(*stages) for r in film]


def picture_rows():
    pictures = os.path.abspath(os.path.join(args.data, "easyvqa/easy_vqa/data/test"))
    with open(os.path.join(pictures, "questions.json")) as f:
        return [{"question": q, "answer": a, "file": f"{pictures}/images/{n}.png"} for q, a, n in json.load(f)[: args.count]]


rows = film_rows() if args.lectures else picture_rows()
tokens = 96 if args.lectures else 8  # a lecture's answer is written out

OUR_TASK = f"""
task: rows_here
dataset_path: rows.jsonl
doc_to_visual: "{{{{ file }}}}"
doc_to_text: "{{{{ question }}}}"
doc_to_target: "{{{{ answer }}}}"
frames: {{count: {FRAMES}}}
generation_kwargs: {{max_new_tokens: {tokens}, temperature: 0}}
answer: {{kind: exact, ignore_case: true}}
metric_list: [{{metric: exact_match, aggregation: mean}}]
metadata: {{version: 1}}
"""


def write_rows(folder, files):
    files = dict(files)
    files["rows.jsonl"] = "".join(json.dumps(r) + "\n" for r in rows)
    for name, text in files.items():
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)


def lmm_eval(*options):
    """Best seconds of a whole command, model opening and scoring included, and the answers."""
    best = float("inf")
    with tempfile.TemporaryDirectory() as out:
        write_rows(out, {"rows_here.yaml": OUR_TASK})
        for _ in range(args.repeat):
            for old in glob.glob(os.path.join(out, "*_*.json*")):
                os.remove(old)
            start = time.perf_counter()
            subprocess.run([args.lmm, "eval", "-m", args.model, "-q", "-t", str(args.threads), "--tasks", "rows_here", "--include_path", out,
                            "--batch_size", "32", "--data", out, "--output_path", out, "--log_samples", *options],
                           check=True, stdout=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - start)
        with open(glob.glob(os.path.join(out, "*_samples_rows_here.jsonl"))[0]) as f:
            return best, [json.loads(line)["resps"].strip() for line in f]


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
    answers = []
    start = time.perf_counter()
    with torch.no_grad():
        for at in range(0, len(rows), batch):
            part = rows[at:at + batch]
            texts = [processor.apply_chat_template([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": r["question"]}]}],
                                                   add_generation_prompt=True) for r in part]
            pictures = [Image.open(r["file"]).convert("RGB") for r in part]
            inputs = processor(text=texts, images=pictures, return_tensors="pt", padding=True)
            ids = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
            answers += [a.strip() for a in tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)]
    return time.perf_counter() - start, answers


LMMS_TASK = f"""
task: rows_here
dataset_path: json
dataset_kwargs: {{data_files: {{test: rows.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.to_visual
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{max_new_tokens: {tokens}, temperature: 0, do_sample: false}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}}
metadata: {{version: 1.0}}
"""
LMMS_UTILS = """
from PIL import Image
def to_visual(doc):
    return [doc["file"] if doc["file"].endswith(".mp4") else Image.open(doc["file"]).convert("RGB")]
"""
LMMS_RUN = """
import json, sys, time
import torch
from lmms_eval import evaluator, tasks
from lmms_eval.models.simple.llava_hf import LlavaHf
folder, model, batch, threads, frames = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
torch.set_num_threads(threads)
lm = LlavaHf(pretrained=model, device="cpu", device_map="cpu", dtype="float32", batch_size=batch, attn_implementation="sdpa", use_cache=True,
            max_frames_num=frames)
manager = tasks.TaskManager("ERROR", include_path=folder, model_name="llava_hf")
start = time.perf_counter()
out = evaluator.simple_evaluate(model=lm, tasks=["rows_here"], task_manager=manager, log_samples=True)
seconds = time.perf_counter() - start
rows = sorted(out["samples"]["rows_here"], key=lambda r: r["doc_id"])
json.dump({"seconds": seconds, "answers": [r["filtered_resps"][0] for r in rows]}, open(folder + "/out.json", "w"))
"""


def lmms_eval(batch):
    """Seconds of lmms-eval's evaluation, the model being open, and the answers."""
    with tempfile.TemporaryDirectory() as folder:
        write_rows(folder, {"rows_here.yaml": LMMS_TASK, "utils.py": LMMS_UTILS, "run.py": LMMS_RUN})
        done = subprocess.run([sys.executable, os.path.join(folder, "run.py"), folder, os.path.abspath(args.model), str(batch), str(args.threads), str(FRAMES)],
                              cwd=folder, text=True, capture_output=True)
        if done.returncode:
            return None, (done.stderr.strip().splitlines() or ["no word"])[-1]
        with open(os.path.join(folder, "out.json")) as f:
            out = json.load(f)
    return out["seconds"], [a.strip() for a in out["answers"]]


def line(name, seconds, note=""):
    print(f"| {name:<36} | {seconds:9.2f} | {len(rows) / seconds:12.1f} | {note}", flush=True)


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
    bare = None if args.lectures else compare("transformers, bare loop", transformers_eval, args.batches)
    harness = compare("lmms-eval, llava_hf", lmms_eval, args.lmms_batches)
    print(f"\nlmms-eval at its best takes {harness / ours:.1f} times as long as lmm eval" + (f", the bare loop {bare / ours:.1f} times" if bare else ""))

#!/usr/bin/env python3
"""lmms-eval (0.7.3 of PyPI, in an environment of its own) and `lmm eval` on the same rows with the same stored answers; their two results files and
samples are compared key by key. usage: lmms_eval_compare.py LMM [ROWS]   (run by the python that has lmms-eval)

The task is written twice: for lmms-eval with Python functions, for lmm in its own words. The model is a class that reads the answers."""
import glob, json, os, random, subprocess, sys, tempfile

VOLATILE = {"doc_hash_v2", "token_counts"}
UTILS = '''
def to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"] + "\\nAnswer with one word."
def process(doc, results):
    a, b = results[0].strip().lower(), doc["answer"].lower()
    return {"exact": float(a == b), "record": {"group": doc["group"], "score": float(a == b)}}
def agg(items):
    return 100 * sum(i["score"] for i in items) / len(items)
'''
THEIRS = '''
task: peer
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: !function utils.to_text
doc_to_target: "answer"
process_results: !function utils.process
cluster_key: group
generation_kwargs: {max_new_tokens: 8}
metric_list:
  - {metric: exact, aggregation: mean, higher_is_better: true}
  - {metric: record, aggregation: !function utils.agg, higher_is_better: true}
metadata: {version: 1.0}
'''
OURS = '''
task: peer
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
doc_to_text: "{{ question }}\\nAnswer with one word."
doc_to_target: "{{ answer }}"
answer:
  kind: exact
  ignore_case: true
  metrics: [exact, record]
  record: {exact: $score, record: {group: group, score: $score}}
cluster_key: group
metric_list:
  - {metric: exact, aggregation: mean, higher_is_better: true}
  - {metric: record, aggregation: mean, scale: 100, higher_is_better: true}
metadata: {version: 1.0}
'''
RUN = '''
import json, sys
from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model
answers = {l["doc_id"]: l["responses"][0] for l in map(json.loads, open(sys.argv[1]))}
@register_model("stored")
class Stored(lmms):
    def __init__(self, **kw): super().__init__()
    def generate_until(self, requests): return [answers[r.args[3]] for r in requests]
    def loglikelihood(self, requests): raise NotImplementedError
    def generate_until_multi_round(self, requests): raise NotImplementedError
from lmms_eval import evaluator, tasks
from lmms_eval.loggers import EvaluationTracker
tracker = EvaluationTracker(output_path=sys.argv[3])
tracker.general_config_tracker.log_experiment_args(model_source="stored", model_args="", system_instruction="", chat_template="", fewshot_as_multiturn=False)
manager = tasks.TaskManager("ERROR", include_path=sys.argv[2], model_name="stored")
out = evaluator.simple_evaluate(model=Stored(), tasks=["peer"], task_manager=manager, log_samples=True)
samples = out.pop("samples")
tracker.save_results_aggregated(results=out, samples=samples, datetime_str="0")
tracker.save_results_samples(task_name="peer", samples=samples["peer"])
'''


def differences(a, b, where, out):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in a:
            if k in VOLATILE: continue
            if k not in b: out.append("%s.%s is missing" % (where, k))
            else: differences(a[k], b[k], "%s.%s" % (where, k), out)
    elif isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        if abs(a - b) > 1e-9 * max(1, abs(a)): out.append("%s: %r, %r" % (where, a, b))
    elif a != b: out.append("%s: %r, %r" % (where, a, b))


def one(pattern):
    found = glob.glob(pattern, recursive=True)
    if not found: sys.exit("no file '%s' was written" % pattern)
    return found[0]


def main():
    lmm, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as d:
        for sub in ("theirs", "ours"): os.mkdir(os.path.join(d, sub))
        words = "red blue green circle square".split()
        rows = [{"question": "What is row %d?" % i, "answer": rng.choice(words), "group": "g%d" % (i // 5)} for i in range(n)]
        for sub in ("theirs", "ours"):
            with open(os.path.join(d, sub, "rows.jsonl"), "w") as f: f.writelines(json.dumps(r) + "\n" for r in rows)
        answers = os.path.join(d, "answers.jsonl")
        with open(answers, "w") as f:
            for i, r in enumerate(rows): f.write(json.dumps({"doc_id": i, "responses": [rng.choice([r["answer"], r["answer"].title(), " " + rng.choice(words)])]}) + "\n")
        for name, text in (("theirs/peer.yaml", THEIRS), ("theirs/utils.py", UTILS), ("ours/peer.yaml", OURS), ("run.py", RUN)):
            with open(os.path.join(d, name), "w") as f: f.write(text)
        subprocess.run([sys.executable, os.path.join(d, "run.py"), answers, os.path.join(d, "theirs"), os.path.join(d, "out_theirs")], check=True, cwd=os.path.join(d, "theirs"))
        subprocess.run([lmm, "eval", "--tasks", "peer", "--include_path", os.path.join(d, "ours"), "--answers", answers, "--compat", "lmms-eval", "--log_samples", "--reasoning_tags", "none",
                        "--output_path", os.path.join(d, "out_ours")], check=True)
        theirs, ours = (json.load(open(one(os.path.join(d, o, "**", "*_results.json")))) for o in ("out_theirs", "out_ours"))
        out = []
        for key in ("results", "versions", "n-shot", "higher_is_better", "n-samples", "group_subtasks"): differences(theirs[key], ours.get(key), key, out)
        lines = [[json.loads(l) for l in open(one(os.path.join(d, o, "**", "*_samples_peer.jsonl")))] for o in ("out_theirs", "out_ours")]
        if len(lines[0]) != len(lines[1]): out.append("%d samples, %d" % (len(lines[0]), len(lines[1])))
        for a, b in zip(*lines): differences(a, b, "sample %s" % a["doc_id"], out)
    for line in out: print(line)
    print("%d rows: %s" % (n, "%d differences" % len(out) if out else "the same results and samples"))
    return bool(out)


if __name__ == "__main__": sys.exit(main())

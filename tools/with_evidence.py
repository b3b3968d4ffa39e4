#!/usr/bin/env python3
"""Prompts for `lmm pairs` with what a captioner saw, and without the right answers.

usage: with_evidence.py QUESTIONS.jsonl SAMPLES.jsonl OUT.jsonl

QUESTIONS.jsonl is a split of `lmm synth`, SAMPLES.jsonl what `lmm eval --log_samples` kept of the captioner's answers to its rows."""
import json
import sys

with open(sys.argv[2]) as f:
    seen = {row["doc_id"]: row["filtered_resps"] for row in map(json.loads, f)}
with open(sys.argv[1]) as f, open(sys.argv[3], "w") as out:
    for number, line in enumerate(f):
        row = json.loads(line)
        out.write(json.dumps({"id": row["id"], "image": row["image"], "question": row["question"], "evidence": seen[number]}) + "\n")

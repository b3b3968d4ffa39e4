#!/usr/bin/env python3
"""Lessons of a careless teacher: the thoughts are right, but seven answers in ten are those of another picture of which the same was asked.

usage: noisy_answers.py TRAIN.json OUT.json

TRAIN.json holds conversations of `lmm synth --think` with one question each."""
import json
import random
import sys

SHARE = 0.7
with open(sys.argv[1]) as f:
    records = json.load(f)


def answer_of(record):
    return record["conversations"][1]["value"].split("<answer>")[1]


answers = {}
for r in records:
    answers.setdefault(r["conversations"][0]["value"], []).append(answer_of(r))
draw = random.Random(1)
for r in records:
    question, answer = r["conversations"]
    if draw.random() < SHARE:
        answer["value"] = answer["value"].split("<answer>")[0] + "<answer>" + draw.choice(answers[question["value"]])
with open(sys.argv[2], "w") as f:
    json.dump(records, f)

#!/usr/bin/env python3
"""Training records for a judge that reads: what is shown as words, a question about it, the answer. No pictures.

usage: evidence_records.py QUESTIONS.jsonl OUT.jsonl

QUESTIONS.jsonl is a split of `lmm synth scenes --family existence`, whose reasoning lists what is there ("I see: red star, blue circle. ...")."""
import json
import sys

def described(things):
    named = [("an " if t[0] in "aeiou" else "a ") + t for t in things]
    return named[0] if len(named) == 1 else ", ".join(named[:-1]) + " and " + named[-1]

with open(sys.argv[1]) as f, open(sys.argv[2], "w") as out:
    for line in f:
        row = json.loads(line)
        things = row["reasoning"].split("I see: ")[1].split(". ")[0].split(", ")
        turns = [{"from": "human", "value": f"What is shown: {described(things)}\n{row['question']}"}, {"from": "gpt", "value": row["answer"]}]
        out.write(json.dumps({"id": row["id"], "conversations": turns}) + "\n")

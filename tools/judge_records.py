#!/usr/bin/env python3
"""Training records for a model that is to be `lmm pairs`' judge: its question about an answer, word for word, and "Score: 5" or "Score: 1".

usage: judge_records.py QUESTIONS.jsonl OUT.jsonl

QUESTIONS.jsonl is a split of `lmm synth`. Half of the answers to be rated are the right ones; the others are an answer that another question of the same family has, drawn as often as it
is right there."""
import json
import random
import sys

# judge_message of src/eval/pairs.c
QUESTION = ("<image>\nRate how good an answer to a question is. Facts count first: what is said must be true of what is shown.\n"
            "Question: {question}\nAnswer to rate: {answer}\n"
            'Reply with one line, "Score: N", N from 1 (wrong or made up) to 5 (right and helpful).')

with open(sys.argv[1]) as f:
    rows = [json.loads(line) for line in f]
answers = {}
for row in rows:
    answers.setdefault(row["family"], []).append(row["answer"])
draw = random.Random(1)
with open(sys.argv[2], "w") as f:
    for row in rows:
        right, rated = draw.random() < 0.5, row["answer"]
        while not right and rated == row["answer"]:
            rated = draw.choice(answers[row["family"]])
        turns = [{"from": "human", "value": QUESTION.format(question=row["question"], answer=rated)},
                 {"from": "gpt", "value": "Score: 5" if right else "Score: 1"}]
        f.write(json.dumps({"id": row["id"], "image": row["image"], "conversations": turns}) + "\n")

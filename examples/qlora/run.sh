#!/bin/sh
# Teaches a quantised model one fixed form of answer and measures it before and after, on sentences that share no combination with the training data:
#
#   sh examples/qlora/run.sh [THREADS]      from the root of the source tree, after ./dev and ./dev models
#
# 2,000 sentences are made, of which 40 steps of 8 see 320; more steps: edit train.yaml. Seen with one seed: 0 of 200 held-out sentences right before, 200 of 200
# from step 20 on, 256 MB at most while training, 310 MB while measuring. Everything lies in build/qlora; a stopped run goes on with the same command.
set -eu
lmm=${LMM:-build/release/lmm}
model=build/models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
here=examples/qlora out=build/qlora threads=${1:-2}
[ -f "$here/run.sh" ] || { echo "qlora: run this from the root of the source tree" >&2; exit 1; }
[ -x "$lmm" ] || { echo "qlora: no '$lmm'; ./dev builds it" >&2; exit 1; }
[ -f "$model" ] || { echo "qlora: no '$model'; ./dev models fetches it" >&2; exit 1; }
mkdir -p "$out"
awk -f "$here/facts.awk" COUNT=2000 PART=train FORM=train >"$out/train.json"
awk -f "$here/facts.awk" COUNT=200 PART=test FORM=test >"$out/facts.jsonl"

measure() { "$lmm" eval -m "$model" --tasks facts --data "$out" --include_path "$here/tasks" -t "$threads" --batch_size 1 "$@"; }
echo "before:"
measure --output_path "$out/before"
"$lmm" train sft -c "$here/train.yaml" -t "$threads"
echo "after:"
measure --adapter "$out/run/final" --output_path "$out/after"

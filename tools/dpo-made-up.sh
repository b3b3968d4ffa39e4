#!/bin/sh
# Fewer made-up objects by AI feedback: a policy, a judge (another lmm model that saw more lessons and learnt to score), the policy's answers paired by the judge's
# scores, DPO, and docs/alignment.md's table. Run from the project's root; what is there already is not made again. Begins with the first two stages of tools/grpo-think.sh.
set -eu
lmm=${LMM:-build/release/lmm}
seeds="1 2 3"

scenes() { # FOLDER OPTION...: pictures that are not there yet
    folder=data/dpo/$1
    shift
    [ -e "$folder/done" ] || { "$lmm" synth scenes -o "$folder" --things 4 --side 64 "$@" && touch "$folder/done"; }
}
train() { # RUN WAY RECIPE KEY=VALUE...
    run=runs/$1
    way=$2
    recipe=$3
    shift 3
    [ -d "$run/final" ] || "$lmm" train "$way" -c "$recipe" run="$run" "$@"
}

GRPO_STAGES=2 LMM=$lmm tools/grpo-think.sh
scenes families --split train -n 8000 --seed 31
scenes judge --split train -n 12000 --seed 32 --family existence,existence,count,compare,color,position
scenes prompts --split train -n 2000 --seed 33 --family existence
scenes probe --split test -n 2000 --seed 34 --family existence
scenes others --split test -n 4000 --seed 35 --family color,count,position,compare,describe
[ -f data/dpo/judge/score.jsonl ] || python3 tools/judge_records.py data/dpo/judge/train.jsonl data/dpo/judge/score.jsonl

train dpo-policy sft configs/dpo/1-policy.yaml
train dpo-judge sft configs/dpo/2-judge.yaml
for seed in $seeds; do
    # The judge is shown the question and the answer alone, never the right one: `answer` is not among the prompts' keys.
    pairs=data/dpo/pairs-$seed.jsonl
    [ -f data/dpo/prompts.jsonl ] || sed 's/, "answer":.*/}/' data/dpo/prompts/train.jsonl >data/dpo/prompts.jsonl
    [ -f "$pairs" ] || "$lmm" pairs -m runs/dpo-policy/final --judge runs/dpo-judge/final --prompts data/dpo/prompts.jsonl --images data/dpo/prompts --samples 4 \
        --temperature 1 --top_p 1 --max_tokens 16 --seed "$seed" -o "$pairs"
    train "dpo-$seed" dpo configs/dpo/3-dpo.yaml seed="$seed" "data=[{path: $pairs, images: data/dpo/prompts}]"
done

# score MODEL: made-up objects, objects that are missed, and all other questions
score() {
    "$lmm" eval -m "$1" -q --tasks made_up,other_families --include_path configs/dpo/tasks |
        awk -F '|' '/ - no /{no = $5} / - yes /{yes = $5} /other_families/{other = $5} END { printf "%.1f %% | %.1f %% | %.1f %%", 100 * (1 - no), 100 * (1 - yes), 100 * other }'
}
printf '| | made up | missed | the other families right |\n|---|---:|---:|---:|\n'
printf '| policy | %s |\n' "$(score runs/dpo-policy/final)"
printf '| judge, answering itself | %s |\n' "$(score runs/dpo-judge/final)"
for seed in $seeds; do printf '| DPO, seed %s | %s |\n' "$seed" "$(score "runs/dpo-$seed/final")"; done

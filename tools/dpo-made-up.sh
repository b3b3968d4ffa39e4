#!/bin/sh
# Fewer made-up objects by AI feedback: a captioner, a policy that learnt to say yes, a judge that reads what the captioner saw, the policy's own answers paired by the judge, DPO in three
# seeds, and docs/alignment.md's table and plots. Run from the project's root; what is there already is not made again.
set -eu
set=dpo
things=2
. tools/stages.sh
out=${DPO_OUT:-docs}
seeds="1 2 3"

pairs() { # OUT OPTION...: four answers of the policy to every prompt, paired by how likely the judge finds them
    file=data/dpo/$1
    shift
    [ -f "$file" ] || "$lmm" pairs -m runs/dpo-policy/final --judge_by likelihood --samples 4 --temperature 1 --top_p 1 --max_tokens 24 -o "$file" "$@"
}

scenes describe --split train --seed 31 -n 20000 --family describe
for family in existence color position count compare; do scenes "$family" --split train --seed 31 -n 10000 --family "$family"; done
scenes leaning --split train --seed 32 -n 8000 --family existence
scenes judge --split train --seed 33 -n 12000 --family existence
scenes prompts --split train --seed 34 -n 3000 --family existence
scenes kept --split train --seed 37 -n 2400 --family color,count,position,compare,describe
scenes probe --split train --seed 55 -n 2000 --family existence
scenes others --split train --seed 56 -n 4000 --family color,count,position,compare,describe
[ -f data/dpo/leaning/yes.jsonl ] || awk '/"value": "yes"/ { sub(/,$/, ""); print }' data/dpo/leaning/train.json >data/dpo/leaning/yes.jsonl
for folder in judge existence; do
    [ -f data/dpo/$folder/read.jsonl ] || python3 tools/evidence_records.py data/dpo/$folder/train.jsonl data/dpo/$folder/read.jsonl
done

train dpo-names sft 1-names.yaml
train dpo-families sft 2-families.yaml
train dpo-judge sft 3-judge.yaml
train dpo-policy sft 4-policy.yaml

# Prompts without their right answers: nobody is told them. The first ones come with what the captioner saw.
[ -d data/dpo/captions ] ||
    "$lmm" eval -m runs/dpo-names/final --tasks captions --include_path configs/dpo/tasks --predict_only --log_samples --output_path data/dpo/captions >&2
[ -f data/dpo/prompts.jsonl ] || python3 tools/with_evidence.py data/dpo/prompts/train.jsonl data/dpo/captions/*_samples_captions.jsonl data/dpo/prompts.jsonl
[ -f data/dpo/kept.jsonl ] || sed 's/, "answer":.*/}/' data/dpo/kept/train.jsonl >data/dpo/kept.jsonl

for seed in $seeds; do
    pairs "pairs-$seed.jsonl" --judge runs/dpo-judge/final --evidence text --prompts data/dpo/prompts.jsonl --images data/dpo/prompts --seed "$seed"
    pairs "kept-$seed.jsonl" --judge runs/dpo-families/final --prompts data/dpo/kept.jsonl --images data/dpo/kept --seed "$seed"
    train "dpo-$seed" dpo 5-dpo.yaml seed="$seed" \
        "data=[{path: data/dpo/pairs-$seed.jsonl, images: data/dpo/prompts}, {path: data/dpo/kept-$seed.jsonl, images: data/dpo/kept}]"
done

# score MODEL: made-up objects, objects that are missed, and all other questions
score() {
    "$lmm" eval -m "$1" -q --tasks made_up,other_families --include_path configs/dpo/tasks |
        awk -F '|' '/ - no /{no = $5} / - yes /{yes = $5} /other_families/{other = $5} END { printf "%.1f %% | %.1f %% | %.1f %%", 100 * (1 - no), 100 * (1 - yes), 100 * other }'
}
printf '| | made up | missed | the other families right |\n|---|---:|---:|---:|\n'
row() { printf '| %s | %s |\n' "$1" "$(score "$2/final")"; }
row 'stage 2, yes and no alike' runs/dpo-families
row 'stage 3, the policy' runs/dpo-policy
for seed in $seeds; do row "DPO, seed $seed" "runs/dpo-$seed"; done
paired=$(for seed in $seeds; do echo "runs/dpo-$seed"; done)
for key in rewards/margins rewards/accuracies; do
    # shellcheck disable=SC2086
    "$lmm" plot $paired -k "$key" --smooth 0.9 -o "$out/dpo-${key#rewards/}.svg" >&2
done

#!/bin/sh
# From a mini that answers counting and comparing questions directly to one that thinks first, by rewards alone: pictures, the start in three stages, GRPO with three
# seeds, the run without the accuracy reward, and docs/alignment.md's table and plots. Run from the project's root; what is there already is not made again.
set -eu
set=grpo
things=4
. tools/stages.sh
out=${GRPO_OUT:-docs}
seeds="1 2 3"

scenes describe --seed 21 -n 8000 --family describe
scenes count --seed 22 -n 12000 --family count
scenes compare --seed 22 -n 12000 --family compare
scenes think --split train -n 16000 --seed 23 --family count,compare --think
scenes unseen --split train -n 512 --seed 24 --family count,compare --think
[ -f data/grpo/think/noisy.json ] || python3 tools/noisy_answers.py data/grpo/think/train.json data/grpo/think/noisy.json

train grpo-answers sft 1-answers.yaml
train grpo-think sft 2-think.yaml
train grpo-noise sft 3-noise.yaml
for seed in $seeds; do train "grpo-rewards-$seed" grpo 4-rewards.yaml seed="$seed"; done
train grpo-format grpo 4-rewards.yaml 'grpo.rewards=[{name: format, weight: 0.5}]'

# sampled MODEL: accuracy, format reward and length of four answers at temperature 1 to each of 512 questions, as the first rollout of a run that learns
# nothing logs them.
sampled() {
    "$lmm" train grpo -c configs/grpo/4-rewards.yaml --fresh run=runs/grpo-measure model.open="$1" steps=1 seed=99 grpo.group=4 grpo.beta=0 accumulate=32 optimizer.lr=1.0e-30 \
        'data=[{path: data/grpo/unseen/train.json, images: data/grpo/unseen}]' >&2
    value() { sed -n "1s,.*\"$1\": \([0-9.]*\).*,\1,p" runs/grpo-measure/metrics.jsonl; }
    printf '%s %s %s\n' "$(value rewards/accuracy)" "$(value rewards/format)" "$(value completions/mean_length)" | awk '{ printf "%.1f %% | %.3f | %.0f", 100 * $1, $2, $3 }'
}
greedy() { # MODEL
    "$lmm" eval -m "$1" -q --tasks count_compare --include_path configs/grpo/tasks | awk -F '|' '/ count_compare /{ printf "%.1f %%", 100 * $5 }'
}
printf '| | accuracy | format reward | tokens | greedy |\n|---|---:|---:|---:|---:|\n'
row() { printf '| %s | %s | %s |\n' "$1" "$(sampled "$2/final")" "$(greedy "$2/final")"; }
printf '| stage 1, direct answers | | | | %s |\n' "$(greedy runs/grpo-answers/final)"
row 'stage 2, thoughts' runs/grpo-think
row 'stage 3, the start' runs/grpo-noise
for seed in $seeds; do row "stage 4, seed $seed" "runs/grpo-rewards-$seed"; done
row 'stage 4, the format reward alone' runs/grpo-format

rewarded=$(for seed in $seeds; do echo "runs/grpo-rewards-$seed"; done)
plot() { # KEY NAME RUN...
    key=$1
    name=$2
    shift 2
    "$lmm" plot "$@" -k "$key" --smooth 0.9 -o "$out/grpo-$name.svg" >&2
}
# shellcheck disable=SC2086
plot rewards/accuracy accuracy $rewarded
for key in rewards/format kl completions/mean_length; do
    # shellcheck disable=SC2086
    plot "$key" "${key##*/}" $rewarded runs/grpo-format
done

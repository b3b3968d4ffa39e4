#!/bin/sh
# The ablations of the LLaVA-NeXT reports at our scale: tools/ablations.sh [decoders|towers|tokens|strategy|order]... (all without a name) trains every arm with three
# seeds and writes docs/ablations.md's tables to stdout and a plot each to docs/. Run from the project's root; a run takes about a minute on 2 cores, and what is
# there already is not made again.
set -eu
lmm=${LMM:-build/release/lmm}
out=${ABLATIONS_OUT:-docs}
seeds=${ABLATIONS_SEEDS:-1 2 3}
config=configs/ablations/base.yaml

pictures() { # FOLDER OPTION...
    folder=data/ablations/$1
    shift
    [ -e "$folder/done" ] || { "$lmm" synth scenes -o "$folder" --family describe --split train "$@" >&2 && touch "$folder/done"; }
}
pictures train --side 64 --things 4 -n 16000 --seed 51
pictures few --side 64 --things 2 -n 8000 --seed 52
pictures train128 --side 128 --things 4 -n 16000 --seed 51
pictures held --side 64 --things 4 -n 300 --seed 53
pictures held128 --side 128 --things 4 -n 300 --seed 53

train() { # RUN KEY=VALUE...
    [ -d "$1/final" ] || "$lmm" train sft -q -c "$config" run="$@" >&2
}
# exact RUN TASK: share of descriptions that are right word for word, in percent
exact() {
    "$lmm" eval -m "$1/final" -q --json --tasks "$2" --include_path configs/ablations/tasks |
        sed -n 's/.*"exact_match,none": *\([0-9.]*\).*/\1/p' | head -n 1 | awk '{ printf "%.1f\n", 100 * $1 }'
}
last() { sed -n "s/.*\"$2\": \([0-9.e+-]*\).*/\1/p" "$1/metrics.jsonl" | tail -n 1; } # RUN KEY
# spread: mean and half the range of the numbers on stdin
spread() { awk '{ s += $1; if (NR == 1 || $1 < low) low = $1; if (NR == 1 || $1 > high) high = $1 } END { printf "%.3g ± %.2g", s / NR, (high - low) / 2 }'; }

heading() { printf '\n### %s\n\n| | held-out loss | exact, %% | seconds a run |\n|---|---:|---:|---:|\n' "$1"; }
row() { # NAME TASK RUN-PREFIX: measures the runs of every seed
    for seed in $seeds; do
        run=runs/ablations/$3-$seed
        [ -s "$run/exact" ] || exact "$run" "$2" >"$run/exact"
    done
    all() { for seed in $seeds; do "$@" "runs/ablations/$prefix-$seed"; done; }
    prefix=$3
    loss() { last "$1" eval_loss; }
    right() { cat "$1/exact"; }
    took() { last "$1" seconds; }
    printf '| %s | %s | %s | %s |\n' "$1" "$(all loss | spread)" "$(all right | spread)" "$(all took | spread)"
}
arm() { # NAME FOLDER KEY=VALUE...: one row of a table
    name=$1
    folder=$2
    shift 2
    for seed in $seeds; do train "runs/ablations/$folder-$seed" seed="$seed" "$@"; done
    row "$name" "${task:-ablation}" "$folder"
    drawn="${drawn:-} runs/ablations/$folder-$(echo "$seeds" | cut -d' ' -f1)"
}
plot() { # FILE: the first seed's curves
    # shellcheck disable=SC2086 (a list of runs)
    "$lmm" plot $drawn -k eval_loss --smooth 0 --log -o "$out/ablation-$1.svg" >&2
    drawn=
}
new='new: configs/mini-v1, init: fan_in'

decoders() {
    heading 'Larger decoders'
    for size in '64 2 192 2' '128 4 384 4' '192 6 576 6'; do
        # shellcheck disable=SC2086 (four numbers)
        set -- $size
        arm "$4 layers of $1" "decoder-$1" "model={$new, from: models/mini, set: [text_config.hidden_size=$1, text_config.num_attention_heads=$2, text_config.num_key_value_heads=$2, text_config.intermediate_size=$3, text_config.num_hidden_layers=$4]}"
    done
    plot decoders
}

towers() {
    heading 'Larger and better towers'
    tower() { echo "set: [vision_config.hidden_size=$1, vision_config.num_attention_heads=$2, vision_config.intermediate_size=$3, vision_config.num_hidden_layers=$4]"; }
    arm '2 layers of 64, from nothing' tower-64 "model={$new, $(tower 64 2 256 2)}"
    arm '4 layers of 128, from nothing' tower-128 "model={$new}"
    arm '6 layers of 192, from nothing' tower-192 "model={$new, $(tower 192 6 768 6)}"
    arm '4 layers of 128, trained (models/mini)' decoder-128
    arm 'the same, frozen' tower-frozen 'train=[projector, decoder, newline]'
    plot towers
}

tokens() {
    heading 'Resolution and number of tokens'
    wide='data=[{path: data/ablations/train128/train.json, images: data/ablations/train128}]'
    held='evaluate.data=[{path: data/ablations/held128/train.json, images: data/ablations/held128}]'
    arm '64 pixels, patches of 16: 16 rows a tile' tokens-16 "model={$new, set: [vision_config.patch_size=16]}"
    arm '64 pixels, patches of 8: 64 rows a tile' tower-128
    arm '64 pixels, patches of 4: 256 rows a tile' tokens-4 "model={$new, set: [vision_config.patch_size=4]}"
    task=ablation_128
    arm '128 pixels in 2 x 2 tiles, patches of 16: 16 rows a tile' tokens-128-16 "model={$new, set: [vision_config.patch_size=16]}" "$wide" "$held"
    arm '128 pixels in 2 x 2 tiles, patches of 8: 64 rows a tile' tokens-128-8 "model={$new}" "$wide" "$held"
    task=
    plot tokens
}

strategy() {
    heading 'Which parts train, and in which stages'
    arm 'all at once' decoder-128
    arm 'projector and decoder; the tower as it was' tower-frozen 'train=[projector, decoder, newline]'
    arm 'all; the tower at a fifth of the rate' strategy-slow optimizer.lr_vision=2.0e-4
    for seed in $seeds; do train "runs/ablations/strategy-align-$seed" seed="$seed" steps=100 'train=[projector]'; done
    for seed in $seeds; do
        train "runs/ablations/strategy-aligned-$seed" seed="$seed" steps=300 "model={open: runs/ablations/strategy-align-$seed/final}"
    done
    row 'projector for 100 steps, then all for 300' ablation strategy-aligned
    drawn="$drawn runs/ablations/strategy-aligned-1"
    plot strategy
}

order() {
    heading 'Order of the data: 200 steps, then 200 more'
    few='data=[{path: data/ablations/few/train.json, images: data/ablations/few}]'
    both='data=[{path: data/ablations/few/train.json, images: data/ablations/few}, {path: data/ablations/train/train.json, images: data/ablations/train, repeat: 0.5}]'
    arm 'mixed' order-mixed "$both"
    for seed in $seeds; do
        train "runs/ablations/order-few-$seed" seed="$seed" steps=200 "$few" schedule.kind=constant
        train "runs/ablations/order-easy-$seed" seed="$seed" steps=200 "model={open: runs/ablations/order-few-$seed/final}"
        train "runs/ablations/order-many-$seed" seed="$seed" steps=200 schedule.kind=constant
        train "runs/ablations/order-hard-$seed" seed="$seed" steps=200 "$few" "model={open: runs/ablations/order-many-$seed/final}"
    done
    row 'up to two things, then up to four' ablation order-easy
    row 'up to four things, then up to two' ablation order-hard
    drawn="$drawn runs/ablations/order-easy-1 runs/ablations/order-hard-1"
    plot order
}

[ $# -gt 0 ] || set -- decoders towers tokens strategy order
for one in "$@"; do
    case $one in
    decoders | towers | tokens | strategy | order) "$one" ;;
    *) echo "ablations.sh: no ablation '$one' (decoders, towers, tokens, strategy, order)" >&2 && exit 2 ;;
    esac
done

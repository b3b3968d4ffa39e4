#!/bin/sh
# The ablations of the LLaVA-NeXT reports at our scale: tools/ablations.sh [decoders|towers|tokens|resolution|strategy|order]... (all without a name) trains every arm
# with three seeds and writes docs/ablations.md's tables to stdout and a plot each to docs/. Run from the project's root; a run takes one to six minutes on 2 cores
# with AVX2, and what is there already is not made again.
set -eu
set=ablations
things=4
. tools/stages.sh
out=${ABLATIONS_OUT:-docs}
seeds=${ABLATIONS_SEEDS:-1 2 3}
drawn= # runs of the plot to come

pictures() { scenes "$@" --family describe --split train >&2; } # FOLDER OPTION...
pictures train -n 16000 --seed 51
pictures few -n 8000 --seed 52 --things 2
pictures train128 -n 16000 --seed 51 --side 128
pictures held -n 300 --seed 53
pictures held128 -n 300 --seed 53 --side 128

run_of() { echo "ablations/$1-$2"; } # ARM SEED: below runs
one() { # ARM SEED KEY=VALUE...: one run
    name=$(run_of "$1" "$2")
    seed=$2
    shift 2
    train "$name" sft base.yaml -q seed="$seed" "$@" >&2
}
last() { sed -n "s/.*\"$2\": \([0-9.e+-]*\).*/\1/p" "$1/metrics.jsonl" | tail -n 1; } # RUN KEY
loss() { last "$1" eval_loss; }
took() { last "$1" seconds; }
right() { # RUN: measured once
    [ -s "$1/exact" ] || exact "$1/final" "$measured" >"$1/exact"
    cat "$1/exact"
}
# spread ARM COMMAND: mean and half the range over the seeds
spread() {
    for seed in $seeds; do "$2" "runs/$(run_of "$1" "$seed")"; done |
        awk '{ s += $1; if (NR == 1 || $1 < low) low = $1; if (NR == 1 || $1 > high) high = $1 } END { printf "%.3g ± %.2g", s / NR, (high - low) / 2 }'
}

fastest() { # ARM...: the stages of one run
    for seed in $seeds; do
        for stage in "$@"; do took "runs/$(run_of "$stage" "$seed")"; done | awk '{ s += $1 } END { print s }'
    done | sort -n | awk 'NR == 1 { printf "%.0f", $1 }'
}

heading() { printf '\n### %s\n\n| | held-out loss | exact, %% | seconds, fastest run |\n|---|---:|---:|---:|\n' "$1"; }
row() { # TITLE ARM [EARLIER]: what its runs came to, after those of an earlier stage
    title=$1
    shift
    printf '| %s | %s | %s | %s |\n' "$title" "$(spread "$1" loss)" "$(spread "$1" right)" "$(fastest "$@")"
    drawn="$drawn runs/$(run_of "$1" "${seeds%% *}")"
}
arm() { # TITLE ARM KEY=VALUE...: trained, and a row
    title=$1
    arm=$2
    shift 2
    for each in $seeds; do one "$arm" "$each" "$@"; done
    row "$title" "$arm"
}
measured=ablation
plot() { # FILE: the first seed's curves
    # shellcheck disable=SC2086 (a list of runs)
    "$lmm" plot $drawn -k eval_loss --smooth 0 --log -o "$out/ablation-$1.svg" >&2
    drawn=
}
# A LLaVA-1.5 as models/mini-v0 (one tile of 64 rows a picture), with nothing of it but its tower, or with nothing at all.
tower='new: models/mini-v0, from: models/mini-v0, parts: [vision], init: fan_in'
new='new: models/mini-v0, init: fan_in'

decoders() {
    heading 'Larger decoders'
    for size in '64 2 192 2' '128 4 384 3' '192 6 576 4'; do
        # shellcheck disable=SC2086 (four numbers)
        set -- $size
        arm "$4 layers of $1" "decoder-$1" "model={$tower, set: [text_config.hidden_size=$1, text_config.num_attention_heads=$2, text_config.num_key_value_heads=$2, text_config.intermediate_size=$3, text_config.num_hidden_layers=$4]}"
    done
    plot decoders
}

towers() {
    heading 'Larger and better towers'
    size() { echo "set: [vision_config.hidden_size=$1, vision_config.num_attention_heads=$2, vision_config.intermediate_size=$3, vision_config.num_hidden_layers=$4]"; }
    arm '2 layers of 64, from nothing' tower-64 "model={$new, $(size 64 2 256 2)}"
    arm '4 layers of 128, from nothing' tower-128 "model={$new}"
    arm '6 layers of 192, from nothing' tower-192 "model={$new, $(size 192 6 768 6)}"
    arm '4 layers of 128, trained (models/mini-v0)' decoder-128
    arm 'the same, frozen' tower-frozen 'train=[projector, decoder, newline]'
    plot towers
}

tokens() {
    heading 'Number of tokens: 64 pixels in one tile, towers from nothing'
    patches() { echo "set: [image_seq_length=$2, vision_config.patch_size=$1]"; }
    arm 'patches of 16: 16 rows' tokens-16 "model={$new, $(patches 16 16)}"
    arm 'patches of 8: 64 rows' tower-128
    arm 'patches of 4: 256 rows' tokens-4 "model={$new, $(patches 4 256)}"
    plot tokens
}

resolution() {
    heading 'Resolution and number of tokens: overview and tiles as OneVision, 200 steps'
    onevision='new: configs/mini-v1, from: models/mini-v0, parts: [vision], init: fan_in'
    wide='data=[{path: data/ablations/train128/train.json, images: data/ablations/train128}]'
    held='evaluate.data=[{path: data/ablations/held128/train.json, images: data/ablations/held128}]'
    arm '64 pixels, one tile: 136 rows' resolution-64 steps=200 "model={$onevision}"
    measured=ablation_128
    arm '128 pixels, 2 x 2 tiles shrunk to the rows of one (anyres_max_1): 136 rows' resolution-pooled steps=200 "model={$onevision, set: [vision_aspect_ratio=anyres_max_1]}" "$wide" "$held"
    arm '128 pixels, 2 x 2 tiles: 336 rows' resolution-128 steps=200 "model={$onevision}" "$wide" "$held"
    measured=ablation
    plot resolution
}

strategy() {
    heading 'Which parts train, and in which stages'
    arm 'all at once' decoder-128
    arm 'projector and decoder; the tower as it was' tower-frozen 'train=[projector, decoder, newline]'
    arm 'all; the tower at a fifth of the rate' strategy-slow optimizer.lr_vision=2.0e-4
    for each in $seeds; do
        one align "$each" steps=100 'train=[projector]'
        one aligned "$each" steps=300 "model={open: runs/$(run_of align "$each")/final}"
    done
    row 'projector for 100 steps, then all for 300' aligned align
    plot strategy
}

order() {
    heading 'Order of the data: 200 steps, then 200 more'
    few='data=[{path: data/ablations/few/train.json, images: data/ablations/few}]'
    both='data=[{path: data/ablations/few/train.json, images: data/ablations/few}, {path: data/ablations/train/train.json, images: data/ablations/train, repeat: 0.5}]'
    arm 'mixed' order-mixed "$both"
    for each in $seeds; do
        one few "$each" steps=200 "$few" schedule.kind=constant
        one easy-first "$each" steps=200 "model={open: runs/$(run_of few "$each")/final}"
        one many "$each" steps=200 schedule.kind=constant
        one hard-first "$each" steps=200 "$few" "model={open: runs/$(run_of many "$each")/final}"
    done
    row 'up to two things, then up to four' easy-first few
    row 'up to four things, then up to two' hard-first many
    plot order
}

[ $# -gt 0 ] || set -- strategy decoders order resolution towers tokens
for name in "$@"; do
    case $name in
    decoders | towers | tokens | resolution | strategy | order) "$name" ;;
    *) echo "ablations.sh: no ablation '$name' (decoders, towers, tokens, resolution, strategy, order)" >&2 && exit 2 ;;
    esac
done

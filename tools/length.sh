#!/bin/sh
# Length generalization, from nothing to docs/length.md's table and plot: clips, two stages of training at 8 frames, tests at 8, 16 and 32 frames with and
# without scaling of positions. Run from the project's root; about 20 minutes on 2 cores; what is there already is not made again.
set -eu
set=length
. tools/stages.sh
out=runs/length
train=8
lengths="8 16 32"
ways="none linear dynamic yarn"

clips() { # FOLDER OPTION...: clips that are not there yet
    folder=data/length/$1
    shift
    [ -e "$folder/done" ] || { "$lmm" synth clips -o "$folder" --side 64 --questions 1 --family order "$@" && touch "$folder/done"; }
}
clips think$train -n 6000 --split train --frames $train --seed 11 --think
clips answers$train -n 6000 --split train --frames $train --seed 11
for n in $lengths; do clips "test$n" -n 400 --split test --frames "$n" --seed 12; done

for stage in think answers; do
    [ -d "runs/length-$stage/final" ] || "$lmm" train sft -c configs/length/?-$stage.yaml
done

# accuracy LENGTH WAY: in percent; a factor of length / trained length, which at the trained length is no scaling at all.
accuracy() {
    factor=$(($1 / train))
    exact runs/length-answers/final "order_$1" --rope-scaling "$2:$factor"
}
printf '| positions |'
for n in $lengths; do printf ' %d frames |' "$n"; done
printf '\n|---|'
for n in $lengths; do printf -- '---:|'; done
echo
for way in $ways; do
    mkdir -p "$out/$way"
    : >"$out/$way/metrics.jsonl"
    printf '| %s |' "$way"
    for n in $lengths; do
        percent=$(accuracy "$n" "$way")
        printf ' %s |' "$percent"
        echo "{\"frames\": $n, \"accuracy\": $percent}" >>"$out/$way/metrics.jsonl"
    done
    echo
done
plot=$(pwd)/${LENGTH_PLOT:-docs/length.svg}
lmm=$(command -v "$lmm")
case $lmm in /*) ;; *) lmm=$(pwd)/$lmm ;; esac
# shellcheck disable=SC2086 (a list of words)
(cd "$out" && "$lmm" plot $ways --key accuracy --over frames --smooth 0 -o "$plot") >&2

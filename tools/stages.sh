# stages.sh - sourced by tools that train on scenes stage by stage; what is there already is not made again. They say $set, the folder below data and configs, and $things, at most so many
# in a picture.
# shellcheck shell=sh disable=SC2154

lmm=${LMM:-build/release/lmm}

scenes() { # FOLDER OPTION...: pictures
    folder=data/$set/$1
    shift
    [ -e "$folder/done" ] || { "$lmm" synth scenes -o "$folder" --things "$things" --side 64 "$@" && touch "$folder/done"; }
}
train() { # RUN WAY RECIPE KEY=VALUE...
    run=runs/$1
    way=$2
    recipe=configs/$set/$3
    shift 3
    [ -d "$run/final" ] || "$lmm" train "$way" -c "$recipe" run="$run" "$@"
}

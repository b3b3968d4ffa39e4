# stages.sh - sourced by tools that train stage by stage; what is there already is not made again. They say $set, the folder below data and configs, and $things, at most so many
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
# exact MODEL TASK OPTION...: accuracy of one of configs/$set/tasks in percent
exact() {
    model=$1
    task=$2
    shift 2
    "$lmm" eval -m "$model" -q --json --tasks "$task" --include_path "configs/$set/tasks" "$@" |
        sed -n 's/.*"exact_match,none": *\([0-9.]*\).*/\1/p' | head -n 1 | awk '{ printf "%.1f\n", 100 * $1 }'
}

#!/bin/sh
# Video-MMMU's whole procedure on lectures made from nothing (docs/lectures.md): data, two stages of training, the three stages of the test, the questions
# alone before them, the gain of knowledge and its page. Run from the project's root; about 30 minutes on 2 cores; what is there already is not made again.
set -eu
lmm=${LMM:-build/release/lmm}
tasks=configs/lectures/tasks
out=runs/lectures-eval

lectures() { # FOLDER SPLIT OPTION...: that are not there yet
    folder=data/$1 split=$2
    shift 2
    [ -e "$folder/$split-done" ] || { "$lmm" synth lectures -o "$folder" --split "$split" --side 64 "$@" && touch "$folder/$split-done"; }
}
questions() { # TASK FOLDER FILE ANSWER: as the task asks them, the notes before the answer
    [ -f "data/$2/$3.json" ] || "$lmm" data task "$1" --include_path $tasks --data "data/$2" --answer "$4" -o "data/$2/$3.json"
}
lectures slides train -n 16000 --seed 2
lectures lectures train -n 6000 --seed 1
lectures lectures test -n 300 --seed 1 --mp4
questions lectures_slide slides train "{{ reasoning.split(',')[0] }}"
for track in perception comprehension adaptation; do
    questions lectures_train_$track lectures train_$track '<think>{{ reasoning }}</think>{{ answer }}'
done
questions lectures_train_adaptation_question_only lectures train_question_only '<think>not seen.</think>{{ answer }}'

for stage in slides notes; do
    [ -d "runs/lectures-$stage/final" ] || "$lmm" train sft -c configs/lectures/?-$stage.yaml
done

measure() { # FOLDER OPTION...
    folder=$out/$1
    shift
    rm -rf "$folder"
    "$lmm" eval -m runs/lectures-notes/final --data data/lectures --output_path "$folder" --log_samples "$@"
}
measure before --tasks video_mmmu_adaptation_question_only
measure after --tasks video_mmmu --frames 5
"$lmm" eval delta --before $out/before/*_samples_*.jsonl --after $out/after/*_samples_video_mmmu_adaptation.jsonl
"$lmm" eval report $out/after/*_results.json --against $out/before/*_results.json -o $out/page.html

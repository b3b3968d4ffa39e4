#!/bin/sh
# Video-MMMU's procedure on lectures made from nothing: three stages, question only, transcripts, training data in the tasks' words, the gain of knowledge, its
# page; and the same on several ranks.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # MPI keeps what it allocated

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
home=$tmp/lmms-lab/VideoMMMU
"$LMM" synth lectures -o "$tmp" -n 24 --split test --side 64 --mp4 >/dev/null 2>&1 || echo "not ok lectures"
check a_film_a_lecture test "$(find "$home/videos" -name '*.mp4' | wc -l)" -eq 24

# answers WORD TRACK FILE: the right answer of every row, or WORD where it is given.
answers() {
    sed -n 's/.*"answer": "\([^"]*\)".*/\1/p' "$home/$2/test.jsonl" |
        awk -v word="$1" '{ printf "{\"doc_id\": %d, \"response\": \"%s\"}\n", NR - 1, word == "" ? $0 : word }' >"$3"
}
score() { # OUT TASK ANSWERS
    "$LMM" eval --tasks "$2" --data "$tmp" --answers "$3" --output_path "$tmp/$1" --log_samples >"$tmp/out" 2>&1 || cat "$tmp/out"
}
for track in Perception Comprehension Adaptation; do
    answers "" $track "$tmp/right.jsonl"
    task=video_mmmu_$(echo $track | tr 'PCA' 'pca')
    score right "$task" "$tmp/right.jsonl"
    check "right_${track}" grep -q "| $task .* 1.0000 |" "$tmp/out"
done
answers A Adaptation "$tmp/guess.jsonl"
score guess video_mmmu_adaptation_question_only "$tmp/guess.jsonl"
before=$(ls "$tmp"/guess/*_samples_*.jsonl) after=$(ls "$tmp"/right/*_samples_video_mmmu_adaptation.jsonl)
"$LMM" eval delta --before "$before" --after "$after" >"$tmp/delta"
check all_is_learnt sh -c "grep -q '\"delta_knowledge\": 100.0' $tmp/delta && grep -q '\"Tech and Engineering\"' $tmp/delta"

# Training data: the question as the task asks it, an answer of one's own; the transcript is in the prompt of the tasks that have it.
"$LMM" data task video_mmmu_adaptation_with_transcript --data "$tmp" --answer '<think>{{ reasoning }}</think>{{ answer }}' --limit 3 -o "$tmp/train.json" >/dev/null
check transcript_in_the_prompt grep -q 'Transcript for the Video:\\nThe .* is worth .*How much are the things' "$tmp/train.json"
check own_answer grep -q '"<think>.*</think>' "$tmp/train.json"
check film_is_named grep -q "\"video\": \"$home/videos/test_Music_1.mp4\"" "$tmp/train.json"

model=$LMM_SOURCE/models/mini-v0
[ -f "$model/model.safetensors" ] || { echo "skip ranks: no models/mini-v0"; exit 0; }
ask() { # OUT COMMAND...: both tasks with the films, from the store's answers on
    out=$1
    shift
    "$@" eval -m "$model" --tasks video_mmmu_perception,video_mmmu_adaptation --data "$tmp" --frames 2 --output_path "$tmp/$out" --log_samples --resume -q \
        --gen_kwargs max_new_tokens=4 >"$tmp/out" 2>&1 || echo "not ok $out: $(cat "$tmp/out")"
}
same() { # NAME OUT: results and samples have the bytes of one process
    for file in "$tmp"/one/*.json*; do
        case $file in *_times.json) continue ;; esac
        other=$(ls "$tmp/$2"/*"${file##*/2*_[0-9]*_}")
        cmp -s "$file" "$other" || { echo "not ok $1: $other"; return; }
    done
    echo "ok $1"
}
ask one "$LMM"
rm "$home/transcripts/test_Music_1.txt"
"$LMM" eval -m "$model" --tasks video_mmmu_adaptation_with_transcript --data "$tmp" --limit 2 --frames 1 -q --output_path "$tmp/spoken" >"$tmp/out" 2>"$tmp/err"
check missing_transcript_is_counted sh -c "grep -q '\"without_transcript\": 1' $tmp/spoken/*_results.json"
"$LMM" eval report "$(ls "$tmp"/right/*_adaptation.jsonl | sed 's/samples_.*/results.json/')" --against "$(ls "$tmp"/guess/*_results.json)" -o "$tmp/page.html" >/dev/null
check page_shows_the_gain sh -c "grep -q 'gain of knowledge' $tmp/page.html && grep -q 'Tech and Engineering' $tmp/page.html"

# Subtitles: the lines shown at the frames; frames with the lines between them.
mkdir -p "$tmp/lmms-eval/Video-MME/subtitle" "$tmp/longvideobench/LongVideoBench/subtitles"
ln -s "$home/videos/test_Music_1.mp4" "$tmp/lmms-eval/Video-MME/film.mp4"
ln -s "$home/videos/test_Music_1.mp4" "$tmp/longvideobench/LongVideoBench/film.mp4"
printf '{"videoID": "film", "question_id": "1", "question": "What?", "options": ["A. a", "B. b"], "answer": "A", "duration": "short", "domain": "d", "sub_category": "s", "task_type": "t"}\n' \
    >"$tmp/lmms-eval/Video-MME/test.jsonl"
printf '1\n00:00:00,000 --> 00:00:01,500\n<font color="white" size=".72c">first</font>\n\n2\n00:00:03,200 --> 00:00:03,400\n<font color="white" size=".72c">between frames</font>\n\n3\n00:00:08,500 --> 00:00:20,000\n<font color="white" size=".72c">last</font>\n' \
    >"$tmp/lmms-eval/Video-MME/subtitle/film.srt"
printf '{"id": "1", "video_path": "film.mp4", "subtitle_path": "film.json", "question": "What?", "correct_choice": 0, "option0": "a", "option1": "b", "option2": "N/A", "option3": "N/A", "option4": "N/A", "duration": 10.0, "duration_group": 15, "question_category": "S2E", "starting_timestamp_for_subtitles": 0}\n' \
    >"$tmp/longvideobench/LongVideoBench/validation.jsonl"
printf '[{"start": "00:00:00.5", "end": "00:00:02.5", "line": "hello"}, {"start": "00:00:06.1", "end": "00:00:09.9", "line": "bye"}]\n' >"$tmp/longvideobench/LongVideoBench/subtitles/film.json"
"$LMM" eval -m "$model" --tasks videomme_w_subtitle,longvideobench_val_i --data "$tmp" -q --output_path "$tmp/lines" --log_samples >"$tmp/out" 2>&1 || cat "$tmp/out"
check lines_of_the_frames grep -q 'listed below: \\nfirst\\nlast\\nSelect' "$tmp"/lines/*_samples_videomme_w_subtitle.jsonl
check frames_between_lines grep -q '"input": "<image>\\n<image>\\nhello\\n<image>' "$tmp"/lines/*_samples_longvideobench_val_i.jsonl
check ten_frames test "$(find "$tmp/longvideobench/LongVideoBench/unpacked" -name '*.png' | wc -l)" -eq 10

command -v mpirun >/dev/null 2>&1 || { echo "skip ranks: no mpirun"; exit 0; }
for n in 2 4; do
    ask "ranks$n" timeout 120 mpirun --oversubscribe --bind-to none -n $n "$LMM"
    same "same_on_${n}_ranks" "ranks$n"
done

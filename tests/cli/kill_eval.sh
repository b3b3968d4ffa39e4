#!/bin/sh
# An evaluation killed at random moments and resumed writes the bytes of one that never stopped, and asks nothing twice.
# KILLS (default 6) says how often; 50 was seen to hold.
set -u
. "$LMM_SOURCE/tests/util/kill.sh"
kills=${KILLS:-6}
model=$LMM_SOURCE/models/mini-v0
[ -f "$model/model.safetensors" ] || { echo "skipped: $model is not here"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$LMM" synth scenes -o "$tmp/data" -n 24 --side 64 >/dev/null 2>&1
mkdir "$tmp/tasks"
i=0
while [ $i -lt 60 ]; do
    picture=$(find "$tmp/data" -name '*.png' | sort | sed -n "$((i % 12 + 1))p")
    printf '{"q": "What is number %d?", "a": "red", "image": "%s", "options": ["red", "green", "blue"]}\n' $i "$picture"
    i=$((i + 1))
done >"$tmp/rows.jsonl"
cat >"$tmp/tasks/say.yaml" <<'Y'
task: say
dataset_path: rows.jsonl
doc_to_visual: "{{ image }}"
doc_to_text: "{{ q }}"
doc_to_target: "{{ a }}"
generation_kwargs: {max_new_tokens: 12, temperature: 0.7, do_sample: true}
answer: {kind: exact, gold: a}
metric_list: [{metric: exact_match, aggregation: mean}]
Y
cat >"$tmp/tasks/choose.yaml" <<'Y'
task: choose
dataset_path: rows.jsonl
doc_to_visual: "{{ image }}"
doc_to_text: "{{ q }}"
doc_to_target: "{{ a }}"
output_type: multiple_choice
options: {column: options}
answer: {kind: likelihood, gold: a, metrics: [acc], record: $metric}
metric_list: [{metric: acc, aggregation: mean}]
Y
eval="$LMM eval -m $model -q -t 1 --tasks say,choose --include_path $tmp/tasks --data $tmp --log_samples --resume --batch_size 3"
# Every answer kept by a run, its place and when it was given (one put anew has others); of a copy, so that the store stays as the kill left it.
answers_of() {
    rm -rf "$tmp/copy" && mkdir "$tmp/copy"
    [ -f "$1/resume.db" ] || return 0
    cp "$1"/resume.db* "$tmp/copy"
    sqlite3 "$tmp/copy/resume.db" 'SELECT cache_key, rowid, created_at FROM responses ORDER BY cache_key' 2>/dev/null
}
# Adds to $anew the answers of "$tmp/before" that a later run gave once more.
count_anew() {
    answers_of "$tmp/killed" >"$tmp/after"
    anew=$((anew + $(LC_ALL=C comm -23 "$tmp/before" "$tmp/after" | wc -l)))
    seen=$((seen + $(wc -l <"$tmp/before")))
    mv "$tmp/after" "$tmp/before"
}
bytes() { cat "$1"/*_results.json "$1"/*_samples_*.jsonl | sha256sum; }

start=$(now_ms)
$eval --output_path "$tmp/whole" >"$tmp/out" 2>&1 || echo "not ok whole_run: $(cat "$tmp/out")"
took=$(($(now_ms) - start))
want=$(bytes "$tmp/whole")

different=0 runs=0 i=0 anew=0 seen=0
while [ $i -lt "$kills" ]; do
    rm -rf "$tmp/killed"
    : >"$tmp/before"
    while [ $i -lt "$kills" ] && ! ls "$tmp"/killed/*_results.json >/dev/null 2>&1; do
        kill_within "$took" $eval --output_path "$tmp/killed"
        count_anew
        i=$((i + 1))
    done
    $eval --output_path "$tmp/killed" >"$tmp/out" 2>&1 || echo "not ok resume: $(cat "$tmp/out")"
    count_anew
    runs=$((runs + 1))
    [ "$(bytes "$tmp/killed")" = "$want" ] || different=$((different + 1))
done
[ $different = 0 ] && echo "ok killed_runs_end_alike" || echo "not ok killed_runs_end_alike: $different of $runs differ"
if command -v sqlite3 >/dev/null; then
    [ $anew = 0 ] && [ $seen -gt 0 ] && echo "ok kept_answers_are_not_given_again" || echo "not ok kept_answers_are_not_given_again: $anew of $seen"
fi

$eval --output_path "$tmp/killed" >"$tmp/out" 2>&1
grep -q '"answers_from_store": 120' "$tmp"/killed/*_times.json && [ "$(bytes "$tmp/killed")" = "$want" ] &&
    echo "ok nothing_is_asked_twice" || echo "not ok nothing_is_asked_twice: $(cat "$tmp"/killed/*_times.json)"

# The same answers, by way of a store of another run, in other company and on another number of threads.
"$LMM" eval -m "$model" -q -t 2 --tasks say,choose --include_path "$tmp/tasks" --data "$tmp" --log_samples --use_cache "$tmp/cache" \
    --batch_size 7 --output_path "$tmp/other" >/dev/null 2>&1
samples() { cat "$1"/*_samples_*.jsonl | sha256sum; }
[ "$(samples "$tmp/other")" = "$(samples "$tmp/whole")" ] && echo "ok batch_and_threads_change_nothing" || echo "not ok batch_and_threads_change_nothing"
"$LMM" eval -m "$model" -q --tasks say,choose --include_path "$tmp/tasks" --data "$tmp" --log_samples --no-picture-cache --output_path "$tmp/anew" >/dev/null 2>&1
[ "$(samples "$tmp/anew")" = "$(samples "$tmp/whole")" ] && echo "ok picture_cache_changes_nothing" || echo "not ok picture_cache_changes_nothing"
# A damaged store is refused by name and not touched.
head -c 3000 /dev/urandom >"$tmp/cache/cache.db"
rm -f "$tmp/cache/cache.db-wal" "$tmp/cache/cache.db-shm"
before=$(sha256sum <"$tmp/cache/cache.db")
"$LMM" eval -m "$model" -q --tasks say --include_path "$tmp/tasks" --data "$tmp" --use_cache "$tmp/cache" >"$tmp/out" 2>&1 &&
    echo "not ok damaged_store: it should fail" ||
    { grep -q 'cache.db' "$tmp/out" && [ "$(sha256sum <"$tmp/cache/cache.db")" = "$before" ] && echo "ok damaged_store" || echo "not ok damaged_store: $(cat "$tmp/out")"; }

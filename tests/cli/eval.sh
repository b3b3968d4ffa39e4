#!/bin/sh
# lmm eval and its tools on answers that exist: tables, files, pages, comparisons, and what they refuse.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
refuses() { # NAME WORD COMMAND...
    name=$1 word=$2
    shift 2
    if "$@" >"$tmp/out" 2>&1; then echo "not ok $name: it should fail"
    elif grep -q -- "$word" "$tmp/out"; then echo "ok $name"
    else echo "not ok $name: $(cat "$tmp/out")"; fi
}

mkdir "$tmp/tasks"
cat >"$tmp/tasks/tiny.yaml" <<'Y'
task: tiny_choice
dataset_path: rows.tsv
doc_to_text: "{{ q }}"
doc_to_target: "{{ a }}"
answer: {kind: choice, letters: ABCD, gold: a}
metric_list: [{metric: acc, aggregation: mean}]
Y
printf 'q\ta\none?\tA\ntwo?\tB\nthree <b>?\tC\n' >"$tmp/rows.tsv"
printf '{"doc_id": 0, "response": "A"}\n{"doc_id": 1, "response": "The answer is B."}\n{"doc_id": 2, "response": "D"}\n' >"$tmp/first.jsonl"
printf '{"doc_id": 0, "response": "B"}\n{"doc_id": 1, "response": "B"}\n{"doc_id": 2, "response": "C"}\n' >"$tmp/second.jsonl"
run() { # ANSWERS OUT
    "$LMM" eval --tasks tiny_choice --include_path "$tmp/tasks" --data "$tmp" --answers "$1" --output_path "$2" --log_samples
}
run "$tmp/first.jsonl" "$tmp/a" >"$tmp/table" && run "$tmp/second.jsonl" "$tmp/b" >/dev/null || echo "not ok runs: $(cat "$tmp/table")"
check table grep -q '| tiny_choice .* 0.6667 |' "$tmp/table"
first=$(ls "$tmp"/a/*_results.json) second=$(ls "$tmp"/b/*_results.json) samples=$(ls "$tmp"/a/*_samples_tiny_choice.jsonl)
check sample_lines test "$(wc -l <"$samples")" = 3
check sample_keys grep -q '"doc_id": 0, "target": "A", "filtered_resps": "A"' "$samples"

sed 's/tiny_choice/tiny_filtered/; s/^answer:/filter_list: [{name: picked, filter: [{function: take_first}]}]\n&/' "$tmp/tasks/tiny.yaml" >"$tmp/tasks/filtered.yaml"
"$LMM" eval --tasks tiny_filtered --include_path "$tmp/tasks" --data "$tmp" --answers "$tmp/first.jsonl" >"$tmp/filtered"
check filter_with_a_name grep -q '| tiny_filtered .* 0.6667 | ± 0.3333' "$tmp/filtered"
"$LMM" eval rescore --tasks tiny_choice --include_path "$tmp/tasks" --data "$tmp" "$samples" >"$tmp/again"
check rescore_gives_the_same grep -q '| tiny_choice .* 0.6667 |' "$tmp/again"
"$LMM" eval --tasks tiny_choice --include_path "$tmp/tasks" --data "$tmp" --answers "$tmp/second.jsonl" --baseline "$first" >"$tmp/base"
check baseline grep -q 'against .*_results.json: .* p = 1' "$tmp/base"
"$LMM" eval diff "$first" "$second" >"$tmp/diff"
check diff_counts grep -q '1 better, 1 worse' "$tmp/diff"
"$LMM" eval report "$first" --against "$second" -o "$tmp/page.html" >/dev/null
check page_is_whole sh -c "grep -q 'three &lt;b&gt;' '$tmp/page.html' && grep -q '1 better, 1 worse' '$tmp/page.html' && ! grep -q 'src=.http' '$tmp/page.html'"
for kind in md csv; do "$LMM" eval report "$first" -o "$tmp/scores.$kind" >/dev/null; done
check scores_as_tables sh -c "grep -q '| tiny_choice | 3 | acc | none | 0.6667 | ± 0.3333 |' '$tmp/scores.md' && grep -q '^tiny_choice,3,acc,none,0.66666' '$tmp/scores.csv'"
check power sh -c "'$LMM' eval power --effect-size 0.1 --alpha 0.1 --correlation 0.3 --std-a 0.4 --std-b 0.5 | grep -q '\"min_n\": 180'"
check models_listed sh -c "'$LMM' eval models | grep -q '| llava_onevision .*videos.*LlavaOnevisionForConditionalGeneration'"
check tasks_listed sh -c "'$LMM' eval tasks mmmu_val | grep -q '| mmmu_val'"

# Open answers by WUPS: other words for the same, a second reference, numbers exactly.
if [ -f /usr/share/wordnet/data.noun ]; then
    mkdir -p "$tmp/lmms-eval/NExTQA/OE"
    printf '{"video": "a.mp4", "question": "why?", "answer": "to play", "additional_ref_answer": "catching dogs", "type": "CW"}\n{"video": "a.mp4", "question": "how many?", "answer": "two", "additional_ref_answer": null, "type": "DC"}\n' >"$tmp/lmms-eval/NExTQA/OE/test.jsonl"
    printf '{"doc_id": 0, "response": "He was catching the dog."}\n{"doc_id": 1, "response": "three"}\n' >"$tmp/open.jsonl"
    check open_answers sh -c "'$LMM' eval --tasks nextqa_oe_test --data '$tmp' --answers '$tmp/open.jsonl' | grep -q '| nextqa_oe_test .* 50.0000 |'"
else
    echo "skip open_answers: no WordNet"
fi

printf 'task: x\ndataset_path: d\ntest_split: test\ndoc_to_text: question\ndoc_to_target: answers\nmetric_list:\n  - metric: anls\n    aggregation: mean\n    higher_is_better: true\nmetadata:\n  - version: 1.0\n' >"$tmp/theirs.yaml"
"$LMM" eval tasks import "$tmp/theirs.yaml" -o "$tmp/tasks/x.yaml"
check imported_task_is_read sh -c "'$LMM' eval tasks --include_path '$tmp/tasks' --json | grep -q '\"name\": \"x\"'"
printf 'task: y\ndoc_to_text: !function utils.f\nprocess_results: !function utils.g\n' >"$tmp/code.yaml"
refuses code_is_named "doc_to_text, process_results are Python code" "$LMM" eval tasks import "$tmp/code.yaml"
refuses unknown_task "did you mean 'mmstar'" "$LMM" eval --tasks mmstr --answers "$tmp/first.jsonl"
sed 's/tiny_choice/tiny_unfed/; s/metric: acc/metric: ac/; s/letters: ABCD,/letters: ABCD, metrics: [acc],/' "$tmp/tasks/tiny.yaml" >"$tmp/tasks/unfed.yaml"
refuses unknown_metric "unknown metric 'ac' (did you mean 'acc'?)" "$LMM" eval --tasks tiny_unfed --include_path "$tmp/tasks" --data "$tmp" --answers "$tmp/first.jsonl"
rm "$tmp/tasks/unfed.yaml"
refuses data_of_the_hub "get it with: lmm pull datasets/lmms-lab-encoder/MME --local-dir" "$LMM" eval --tasks mme --answers "$tmp/first.jsonl" --data "$tmp"
refuses missing_data "its data is not here" "$LMM" eval --tasks mme --answers "$tmp/first.jsonl" --data "$tmp"
refuses few_shots "asked without examples" "$LMM" eval --tasks mme --answers "$tmp/first.jsonl" --num_fewshot 3
refuses bad_verbosity "WARNING, ERROR or CRITICAL, not 'LOUD'" "$LMM" eval --tasks mme --answers "$tmp/first.jsonl" --verbosity LOUD
"$LMM" eval --tasks tiny_choice --include_path "$tmp/tasks" --data "$tmp" --answers "$tmp/first.jsonl" --num_fewshot 0 --verbosity ERROR >"$tmp/out" 2>&1
check words_of_lmms_eval_are_taken grep -q '| tiny_choice .* 0.6667 |' "$tmp/out"
refuses bad_compat "lmms-eval or fixed" "$LMM" eval --tasks mme --answers "$tmp/first.jsonl" --compat both
echo '{}' >"$tmp/empty.json"
refuses no_results "no file of results" "$LMM" eval report "$tmp/empty.json"

# Rows that cannot be asked are counted by kind, kept out of the scores, and a failure only with --strict.
model=$LMM_SOURCE/models/mini-v0
if [ -f "$model/model.safetensors" ]; then
    "$LMM" synth scenes -o "$tmp/pictures" -n 4 --side 64 >/dev/null 2>&1
    picture=$(find "$tmp/pictures" -name '*.png' | head -1)
    printf '{"q": "what color?", "a": "x", "i": "%s"}\n{"q": "b?", "a": "x", "i": "nowhere.png"}\n{"q": "c?", "a": "x", "i": 3.5}\n{"q": "d?", "a": "x", "i": "%s"}\n' \
        "$picture" "$tmp/rows.tsv" >"$tmp/mixed.jsonl"
    printf 'task: mixed\ndataset_path: mixed.jsonl\ndoc_to_visual: "{{ i }}"\ndoc_to_text: "{{ q }}"\ndoc_to_target: "{{ a }}"\nanswer: {kind: exact, gold: a}\nmetric_list: [{metric: exact_match, aggregation: mean}]\n' >"$tmp/tasks/mixed.yaml"
    mixed="$LMM eval -m $model -q --tasks mixed --include_path $tmp/tasks --data $tmp --output_path $tmp/mixed --log_samples"
    $mixed >"$tmp/out" 2>"$tmp/err" || echo "not ok faults_are_no_failure: $(cat "$tmp/err")"
    check faults_are_told grep -q "missing_media 1.*; the first:" "$tmp/err"
    check faults_are_counted sh -c "grep -q '\"missing_media\": 1' $tmp/mixed/*_results.json && grep -q '\"broken_rows\": 2' $tmp/mixed/*_results.json"
    check faulty_samples_say_why sh -c "test \$(grep -c '\"fault\": ' $tmp/mixed/*_samples_mixed.jsonl) = 3"
    refuses strict_fails "3 rows have no score" $mixed --strict
    sed -i 2,4d "$tmp/mixed.jsonl"
    sed -i 's/"i"/"j"/' "$tmp/mixed.jsonl"
    rm -r "$tmp/mixed"
    $mixed >"$tmp/out" 2>"$tmp/err" || echo "not ok wrong_column_is_no_failure: $(cat "$tmp/err")"
    check wrong_column sh -c "grep -q 'it has: q, a, j' $tmp/err && grep -q '| mixed .* N/A' $tmp/out && grep -q '\"exact_match,none\": null' $tmp/mixed/*_results.json"
    refuses wrong_column_with_strict "1 rows have no score" $mixed --strict

    # A page of a Parquet file, a line of a JSONL file, a model whose logits are not numbers.
    cp "$LMM_SOURCE/tests/golden/data/parquet/snappy.parquet" "$tmp/pages.parquet" # groups of 25, 25 and 10 rows
    dd if=/dev/zero of="$tmp/pages.parquet" bs=1 seek=2769 count=300 conv=notrunc 2>/dev/null
    printf '{"id": 1}\n{"id": \n{"id": 3}\n' >"$tmp/lines.jsonl"
    for kind in pages.parquet lines.jsonl; do
        printf 'task: damaged_%s\ndataset_path: %s\ndoc_to_text: "{{ id }}"\ndoc_to_target: x\nanswer: {kind: exact, gold: id}\ngeneration_kwargs: {max_new_tokens: 2}\nmetric_list: [{metric: exact_match, aggregation: mean}]\n' \
            "${kind%.*}" "$kind" >"$tmp/tasks/${kind%.*}.yaml"
    done
    damaged() { "$LMM" eval -m "$1" -q --tasks "damaged_$2" --include_path "$tmp/tasks" --data "$tmp" --output_path "$tmp/$3" >"$tmp/out" 2>"$tmp/err" || echo "not ok $3: $(cat "$tmp/err")"; }
    damaged "$model" pages p1
    check broken_page sh -c "grep -q '\"broken_rows\": 25' $tmp/p1/*_results.json && grep -q 'pages.parquet' $tmp/err"
    damaged "$model" lines p2
    check broken_line sh -c "grep -q '\"broken_rows\": 1' $tmp/p2/*_results.json && grep -q 'line 2' $tmp/err"
    cp -r "$model" "$tmp/nan"
    size=$(wc -c <"$tmp/nan/model.safetensors")
    yes "$(printf '\377')" | tr -d '\n' | head -c 400 | dd of="$tmp/nan/model.safetensors" bs=1 seek=$((size - 400)) conv=notrunc 2>/dev/null
    damaged "$tmp/nan" lines p3
    check logits_are_no_numbers sh -c "grep -q '\"not_a_number\": 2' $tmp/p3/*_results.json && grep -q 'N/A' $tmp/out"
fi

# Several drawn answers a question; a run said in a file; choices imported from lmms-eval.
if [ -f "$model/model.safetensors" ]; then
    printf 'task: drawn\ndataset_path: rows.tsv\ndoc_to_text: "{{ q }}"\ndoc_to_target: "{{ a }}"\nanswer: {kind: exact, gold: a}\nmetric_list: [{metric: exact_match, aggregation: mean}]\n' >"$tmp/tasks/drawn.yaml"
    drawn="$LMM eval -m $model -q --tasks drawn --include_path $tmp/tasks --data $tmp --repeats 4"
    refuses repeats_need_chance "answers are not drawn" $drawn
    $drawn --gen_kwargs temperature=1.5,max_new_tokens=4 --json >"$tmp/one" && $drawn --gen_kwargs temperature=1.5,max_new_tokens=4 --batch_size 2 --json >"$tmp/two"
    check pass_at_k sh -c "grep -q '\"exact_match_pass_at_4,none\"' $tmp/one && grep -q '\"exact_match_consistency_rate,none\"' $tmp/one"
    check repeats_do_not_depend_on_the_batch sh -c "grep '_accuracy,\|pass_at' $tmp/one | cmp -s - $tmp/acc || { grep '_accuracy,\|pass_at' $tmp/one >$tmp/acc; grep '_accuracy,\|pass_at' $tmp/two | cmp -s - $tmp/acc; }"

    cat >"$tmp/run.yaml" <<Y
- {tasks: [drawn], include_path: $tmp/tasks, data: $tmp, gen_kwargs: {max_new_tokens: 2}, quiet: true, limit: 1}
- {tasks: drawn, include_path: $tmp/tasks, data: $tmp, quiet: true}
Y
    "$LMM" eval -m "$model" --config "$tmp/run.yaml" >"$tmp/out" 2>&1 || echo "not ok config: $(cat "$tmp/out")"
    check config_runs_each sh -c "grep -q '| drawn .* 1 |' $tmp/out && grep -q '| drawn .* 3 |' $tmp/out"
    "$LMM" eval -m "$model" --config "$tmp/run.yaml" --limit 2 >"$tmp/out" 2>&1
    check command_line_wins sh -c "test \$(grep -c '| drawn .* 2 |' $tmp/out) = 2"
    printf 'tasks: drawn\nlimmit: 2\n' >"$tmp/bad.yaml"
    refuses config_key "run.*limmit\|limmit" "$LMM" eval --config "$tmp/bad.yaml"

    printf '{"q": "which?", "options": ["red", "blue"], "a": 1}\n' >"$tmp/pick.jsonl"
    printf 'task: pick\ndataset_path: pick.jsonl\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: options\n' >"$tmp/pick.yaml"
    "$LMM" eval tasks import "$tmp/pick.yaml" -o "$tmp/tasks/pick.yaml" >/dev/null
    "$LMM" eval -m "$model" -q --tasks pick --include_path "$tmp/tasks" --data "$tmp" >"$tmp/out" 2>&1
    check imported_choices_are_asked grep -q '| pick .* acc_norm ' "$tmp/out"
fi

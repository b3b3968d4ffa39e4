#!/bin/sh
# lmm eval against a server with OpenAI's interface (tests/hub/fake_chat.py) that is busy, breaks off, talks prose or says nothing: what can be had
# is had once, what cannot is counted; and a judge behind the same interface.
set -u
if ! command -v python3 >/dev/null; then echo "skip eval_server: no python3 here for the fake server"; exit 0; fi
tmp=$(mktemp -d)
. "$LMM_TESTS/util/chat_server.sh"
trap 'end_server; rm -rf "$tmp"' EXIT

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}
requests() { wc -l <"$tmp/server/log" | tr -d ' '; }

"$LMM" synth scenes -o "$tmp/pictures" -n 4 --side 64 >/dev/null 2>&1
picture=$(find "$tmp/pictures" -name '*.png' | head -1)
i=0
while [ $i -lt 40 ]; do
    printf '{"q": "number %d is colour%d?", "a": "colour%d", "i": "%s"}\n' $i $i $((i - i % 10 / 9)) "$picture"
    i=$((i + 1))
done >"$tmp/rows.jsonl"
mkdir "$tmp/tasks"
cat >"$tmp/tasks/far.yaml" <<'Y'
task: far
dataset_path: rows.jsonl
doc_to_visual: "{{ i }}"
doc_to_text: "{{ q }}"
doc_to_target: "{{ a }}"
generation_kwargs: {max_new_tokens: 5}
answer: {kind: exact, gold: a}
metric_list: [{metric: exact_match, aggregation: mean}]
Y
ask() { # OUT OPTIONS...
    out=$1
    shift
    "$LMM" eval --model openai --model_args "model=m,base_url=$url,concurrency=4,backoff=0.01,${args:-retries=5}" -q --tasks far --include_path "$tmp/tasks" \
        --data "$tmp" --output_path "$tmp/$out" --log_samples "$@" >"$tmp/out" 2>"$tmp/err"
}

serve
OPENAI_API_KEY=secret ask plain || echo "not ok plain: $(cat "$tmp/err")"
check scores grep -q '| far .* 40 .* 0.9000 |' "$tmp/out"
check pictures_arrive sh -c "test \$(grep -c '\"pictures\": 1' $tmp/server/log) = 40"
check key_model_path sh -c "test \$(grep -c '\"path\": \"/v1/chat/completions\", \"key\": \"Bearer secret\", \"model\": \"m\"' $tmp/server/log) = 40"
check several_at_a_time grep -q '"together": [234]' "$tmp/server/log"
check never_more_than_allowed sh -c "! grep -q '\"together\": [5-9]' $tmp/server/log"
check usage_is_counted grep -q '"input_tokens": 7, "output_tokens": 2' "$tmp"/plain/*/*_samples_far.jsonl

serve busy down cut
ask faulty --use_cache "$tmp/cache" || echo "not ok faulty: $(cat "$tmp/err")"
check faults_that_pass_cost_nothing sh -c "grep -q '| far .* 40 .* 0.9000 |' $tmp/out && grep -q '\"try\": 3' $tmp/server/log"
check same_samples sh -c "cat $tmp/faulty/*/*_samples_far.jsonl | cmp -s - $tmp/plain/*/*_samples_far.jsonl"
asked=$(requests)
ask again --use_cache "$tmp/cache"
check kept_answers_are_not_asked_again test "$(requests)" = "$asked"

serve prose
ask prose && echo "not ok prose: it should end" || { grep -q "20 questions in a row failed" "$tmp/err" && echo "ok prose" || echo "not ok prose: $(cat "$tmp/err")"; }
check prose_is_given_up_soon test "$(requests)" -le 24
serve refuse
ask refused && echo "not ok refused: it should end" || { grep -q "refuses (401): no such key" "$tmp/err" && echo "ok refused" || echo "not ok refused: $(cat "$tmp/err")"; }
serve slow
args=timeout=0.1,retries=1 ask slow --limit 3 && echo "not ok slow: it should end" || { grep -q "(2 tries)" "$tmp/err" && echo "ok slow" || echo "not ok slow: $(cat "$tmp/err")"; }
end_server
args=retries=1 ask nobody --limit 3 && echo "not ok nobody: it should end" || { grep -q "cannot be asked" "$tmp/err" && echo "ok nobody" || echo "not ok nobody: $(cat "$tmp/err")"; }
OPENAI_API_KEY=secret "$LMM" eval --model openai --model_args model=m,base_url=http://example.org/v1 --tasks far --include_path "$tmp/tasks" --data "$tmp" 2>"$tmp/err"
check no_key_in_clear_text grep -q "plain http" "$tmp/err"

# A judge: right, wrong, prose, and what it costs.
cat >"$tmp/tasks/judged.yaml" <<'Y'
task: judged
dataset_path: judged.jsonl
doc_to_text: "{{ q }}"
doc_to_target: "{{ a }}"
answer: {kind: binary, gold: a, judge_prompt: "Is {{ response }} the same as {{ a }}? 1 or 0", metrics: [acc]}
metric_list: [{metric: acc, aggregation: mean}]
Y
printf '{"q": "1", "a": "a"}\n{"q": "2", "a": "b"}\n{"q": "3", "a": "c"}\n{"q": "4", "a": "d"}\n' >"$tmp/judged.jsonl"
printf '{"doc_id": 0, "response": "right"}\n{"doc_id": 1, "response": "wrong"}\n{"doc_id": 2, "response": "odd"}\n{"doc_id": 3, "response": "so right"}\n' >"$tmp/answers.jsonl"
judge() { # OUT OPTIONS...
    out=$1
    shift
    "$LMM" eval --answers "$tmp/answers.jsonl" -q --tasks judged --include_path "$tmp/tasks" --data "$tmp" --output_path "$tmp/$out" "$@" >"$tmp/out" 2>"$tmp/err"
}
serve judge
judge j0 || echo "not ok unjudged: $(cat "$tmp/err")"
check without_a_judge_nothing_is_counted_as_wrong grep -q '"without_verdict": 4' "$tmp"/j0/*_results.json
judge j1 --judge "$url" --judge_args model=judge,backoff=0.01 --use_cache "$tmp/verdicts" || echo "not ok judged: $(cat "$tmp/err")"
check judged grep -q '| judged .* 0.6667 |' "$tmp/out"
check prose_is_no_verdict sh -c "grep -q '\"without_verdict\": 1' $tmp/j1/*_results.json && grep -q '\"questions\": 4' $tmp/j1/*_results.json"
asked=$(requests)
judge j2 --judge "$url" --judge_args model=judge --use_cache "$tmp/verdicts"
check verdicts_are_kept test "$(requests)" = "$asked"
judge j3 --judge "$url" --judge_args model=judge --judge_calls 2
check cost_is_bounded sh -c "test $(requests) = $((asked + 2)) && grep -q '\"bound_reached\": true' $tmp/j3/*_results.json && grep -q '\"without_verdict\": 2' $tmp/j3/*_results.json"
serve refuse
judge j4 --judge "$url" --judge_args model=judge || echo "not ok judge_refuses: $(cat "$tmp/err")"
check a_judge_that_refuses_takes_no_answers sh -c "grep -q 'no such key' $tmp/j4/*_results.json && grep -q '\"without_verdict\": 4' $tmp/j4/*_results.json"
judge j5 --judge "$url" --judge_args model=judge --strict && echo "not ok strict_judge: it should fail" || echo "ok strict_judge"
serve slow
judge j6 --judge "$url" --judge_args model=judge,timeout=0.1,retries=0 || echo "not ok judge_is_slow: $(cat "$tmp/err")"
check a_slow_judge_is_counted sh -c "grep -q '\"failed\": 4' $tmp/j6/*_results.json && grep -q '\"without_verdict\": 4' $tmp/j6/*_results.json"

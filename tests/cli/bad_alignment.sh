#!/bin/sh
# Bad data on its way into alignment: a missing picture, an empty answer, a reference that cannot be read, a prompt longer than the context, rewards that are all alike, a judge that is
# down or talks nonsense. Each stops the run with a sentence that says where it is, or is named, counted and survived.
set -u
tmp=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill $pid 2>/dev/null; rm -rf "$tmp"' EXIT
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY OPENAI_API_BASE OPENAI_BASE_URL

"$LMM" synth scenes -o "$tmp/data" -n 4 --side 64 >/dev/null 2>&1
picture=$(cd "$tmp/data" && find . -name '*.png' | sort | head -1)
prompt() { printf '{"image": "%s", "problem": "%s", "solution": "%s"}\n' "$1" "$2" "$3"; }
pair() { printf '{"image": "%s", "prompt": "%s", "chosen": "%s", "rejected": "%s"}\n' "$1" "$2" "$3" "$4"; }
long=$(awk 'BEGIN { for (i = 0; i < 2000; i++) printf "why " }')
for _ in 1 2 3; do prompt "$picture" "Is there a cross?" yes; done >"$tmp/prompts"
for _ in 1 2 3; do pair "$picture" "Is there a cross?" yes "no idea"; done >"$tmp/pairs"

cat >"$tmp/grpo.yaml" <<YAML
run: $tmp/run
model: {open: $LMM_SOURCE/models/mini-v0}
data: [{path: $tmp/rows.jsonl, images: $tmp/data}]
batch: 2
accumulate: 2
steps: 2
log_every: 1
grpo: {group: 2, max_tokens: 2, rewards: [{name: exact}]}
optimizer: {lr: 1.0e-4}
YAML
sed '/^grpo/d' "$tmp/grpo.yaml" >"$tmp/dpo.yaml"
train() { # HOW OPTIONS...
    how=$1
    shift
    rm -rf "$tmp/run"
    "$LMM" train "$how" -c "$tmp/$how.yaml" -q -t 1 "$@" >"$tmp/out" 2>&1
}
says() { # NAME TEXT...: every text stands in the output
    name=$1
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$tmp/out" || {
            echo "not ok $name: no '$text' in: $(head -c 300 "$tmp/out")"
            return
        }
    done
    echo "ok $name"
}
# Stops by itself, naming the row; with broken_max the rest is learnt from.
stops_and_survives() { # NAME HOW TEXT
    if train "$2"; then echo "not ok $1_stops"; else says "$1_stops" "$3"; fi
    if train "$2" broken_max=1; then says "$1_is_survived" "lmm: skipped: " "$3"; else echo "not ok $1_is_survived: $(cat "$tmp/out")"; fi
}

{ cat "$tmp/prompts"; prompt none.png "Is there a cross?" yes; } >"$tmp/rows.jsonl"
stops_and_survives missing_picture_of_a_prompt grpo "none.png"
grep -q '"rewards/unscored": 0.5' "$tmp/run/metrics.jsonl" && echo "ok its_completions_are_counted" || echo "not ok its_completions_are_counted"
{ cat "$tmp/prompts"; prompt "$picture" "Is there a cross?" " "; } >"$tmp/rows.jsonl"
stops_and_survives empty_reference grpo "record 4: the reference answer is empty"
cp "$tmp/prompts" "$tmp/rows.jsonl"
if train grpo model.open="$LMM_SOURCE/models/mini" "data=[{path: $tmp/rows.jsonl, images: $tmp/data, one_tile: true}]"; then echo "not ok one_tile_of_a_rollout"
else says one_tile_of_a_rollout "'one_tile' cannot be used with grpo"; fi
{ cat "$tmp/prompts"; prompt "$picture" "$long" yes; } >"$tmp/rows.jsonl"
stops_and_survives prompt_over_the_context grpo "the model was trained for"
{ cat "$tmp/prompts"; prompt "$picture" "How much?" '\\frac{'; } >"$tmp/rows.jsonl"
train grpo || echo "not ok unreadable_reference: $(cat "$tmp/out")"
says unreadable_reference "is not understood as mathematics" "1 reference answers are not understood"

cp "$tmp/prompts" "$tmp/rows.jsonl"
train grpo 'grpo.rewards=[{name: tags}]' || echo "not ok equal_rewards: $(cat "$tmp/out")"
says equal_rewards "the rewards of every group are equal"
grep -q '"frac_reward_zero_std": 1' "$tmp/run/metrics.jsonl" && echo "ok equal_rewards_are_counted" || echo "not ok equal_rewards_are_counted"
train grpo 'grpo.rewards=[{name: acuracy}]' && echo "not ok wrong_reward"
says wrong_reward "no reward 'acuracy'; there are accuracy, " "accuracy_lmms_eval" "command"
train grpo 'grpo.rewards=[{name: command, command: "echo nonsense"}]' || echo "not ok nonsense_from_a_command: $(cat "$tmp/out")"
says nonsense_from_a_command "command"
grep -q '"rewards/unscored": 1' "$tmp/run/metrics.jsonl" && echo "ok unscored_is_counted" || echo "not ok unscored_is_counted"

{ cat "$tmp/pairs"; pair none.png "Is there a cross?" yes no; } >"$tmp/rows.jsonl"
stops_and_survives missing_picture_of_a_pair dpo "none.png"
{ cat "$tmp/pairs"; pair "$picture" "Is there a cross?" "" no; } >"$tmp/rows.jsonl"
stops_and_survives empty_chosen_answer dpo "record 4: chosen: the answer is empty"
{ cat "$tmp/pairs"; pair "$picture" "Is there a cross?" yes "  "; } >"$tmp/rows.jsonl"
stops_and_survives empty_rejected_answer dpo "record 4: rejected: the answer is empty"
{ cat "$tmp/pairs"; pair "$picture" "$long" yes no; } >"$tmp/rows.jsonl"
stops_and_survives pair_over_the_context dpo "the model was trained for"
train dpo max_length=300 || echo "not ok long_pairs_are_left_out: $(cat "$tmp/out")"
says long_pairs_are_left_out "samples are left out: longer than max_length"

# ---- judges ----
judged() { # NAME ARGS: pairs of three prompts, two answers each
    rm -f "$tmp/judged.jsonl" "$tmp/judged.jsonl.journal"
    "$LMM" pairs -m "$LMM_SOURCE/models/mini-v0" --prompts "$tmp/rows.jsonl" --images "$tmp/data" -o "$tmp/judged.jsonl" --samples 2 --max_tokens 3 \
        --retries 1 -q "$@" >"$tmp/out" 2>&1
}
{ cat "$tmp/prompts"; prompt none.png "Is there a cross?" yes; } >"$tmp/rows.jsonl"
judged --judge http://127.0.0.1:9/v1 --judge_args model=m,retries=0,backoff=0.01 || echo "not ok judge_down: $(cat "$tmp/out")"
says judge_down "0 pairs of 6 answers" "6 answers without a score" "requests failed"
judged --judge self || echo "not ok judge_talks_nonsense: $(cat "$tmp/out")"
says judge_talks_nonsense "0 pairs of 6 answers" "6 answers without a score"
says prompt_without_its_picture "none.png"

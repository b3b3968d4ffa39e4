#!/bin/sh
# A run from rewards, killed in a rollout, in an update or while it saves, and resumed, ends in the weights of one that never stopped.
# KILLS (default 6) says how often; 90 were seen to hold.
set -u
. "$LMM_SOURCE/tests/util/kill.sh"
. "$LMM_SOURCE/tests/util/wait.sh"
kills=${KILLS:-6}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$LMM" synth scenes -o "$tmp/data" -n 12 --side 64 >/dev/null 2>&1
cat >"$tmp/recipe.yaml" <<YAML
run: $tmp/whole
seed: 3
model: {open: $LMM_SOURCE/models/mini-v0}
data: [{path: $tmp/data/train.json, images: $tmp/data}]
batch: 8
accumulate: 2
steps: 6
grpo: {loss: dapo, group: 4, updates: 3, max_tokens: 8, temperature: 4, beta: 0.02, rewards: [{name: exact}, {name: finished, weight: 0.5}]}
optimizer: {lr: 1.0e-3}
schedule: {kind: constant, warmup: 0}
save_every: 1
keep: 3
YAML
train="$LMM train grpo -c $tmp/recipe.yaml -q -t 1"
weights() { sha256sum <"$1/final/model.safetensors"; }

start=$(now_ms)
$train >"$tmp/out" 2>&1 || echo "not ok whole_run: $(cat "$tmp/out")"
took=$(($(now_ms) - start))
want=$(weights "$tmp/whole")

same=0 different=0 i=0 inside=0
while [ $i -lt "$kills" ]; do
    rm -rf "$tmp/killed"
    while [ $i -lt "$kills" ] && [ ! -d "$tmp/killed/final" ]; do
        kill_within "$took" $train run="$tmp/killed"
        i=$((i + 1))
        newest=$(ls -d "$tmp"/killed/step-* 2>/dev/null | tail -1)
        [ -n "$newest" ] && [ -f "$newest/rollout-00001-of-00001.json" ] && inside=$((inside + 1))
    done
    $train run="$tmp/killed" >"$tmp/out" 2>&1 || echo "not ok resume: $(cat "$tmp/out")"
    [ "$(weights "$tmp/killed")" = "$want" ] && same=$((same + 1)) || different=$((different + 1))
done
[ $different = 0 ] && echo "ok killed_runs_end_alike" || echo "not ok killed_runs_end_alike: $different of $((same + different)) differ ($inside inside a rollout's updates)"

# Told to stop in the middle, as soon as it has saved a step: what is through is kept, and the end is the same. A try in which it was through sooner is made again.
stopped=0
for _ in 1 2 3 4 5; do
    rm -rf "$tmp/killed"
    $train run="$tmp/killed" >"$tmp/out" 2>&1 &
    job=$!
    wait_for $job test -s "$tmp/killed/LATEST" && kill -INT $job
    wait $job 2>/dev/null
    grep -q "the same command resumes" "$tmp/out" && stopped=1 && break
done
$train run="$tmp/killed" >"$tmp/out" 2>&1 || stopped=0
[ $stopped = 1 ] && [ "$(weights "$tmp/killed")" = "$want" ] && echo "ok a_stopped_rollout_goes_on" || echo "not ok a_stopped_rollout_goes_on: $(cat "$tmp/out")"

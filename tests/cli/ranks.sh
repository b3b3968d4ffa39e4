#!/bin/sh
# Training on several ranks: the same weights as on one, resumed on another number, and nobody waits for a dead one.
set -u
. "$LMM_SOURCE/tests/util/wait.sh"
command -v mpirun >/dev/null 2>&1 || { echo "skip ranks: no mpirun"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"       # MPI keeps what it allocated
ranks() { # N COMMAND...
    n=$1
    shift
    timeout 120 mpirun --oversubscribe --bind-to none -n "$n" "$@"
}
same() { # NAME WANT HAVE
    if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: want '$2', have '$3'"; fi
}

"$LMM" synth scenes -o "$tmp/data" -n 40 --side 64 >/dev/null 2>&1
cat >"$tmp/recipe.yaml" <<YAML
run: $tmp/one
seed: 3
model: {new: $LMM_SOURCE/configs/mini-v0, init: fan_in}
data: [{path: $tmp/data/train.json, images: $tmp/data, turns: independent}]
batch: 2
accumulate: 4
steps: 3
optimizer: {lr: 1.0e-3, weight_decay: 0.1, clip: 1.0}
schedule: {warmup: 1}
save_every: 2
keep: 5
YAML
train="$LMM train sft -c $tmp/recipe.yaml -q -t 1"
weights() { sha256sum <"$tmp/$1/final/model.safetensors"; }

$train >"$tmp/out" 2>&1 || echo "not ok one_rank: $(cat "$tmp/out")"
for n in 2 4; do
    ranks $n $train run="$tmp/r$n" >"$tmp/out" 2>&1 || echo "not ok ranks_$n: $(cat "$tmp/out")"
    same weights_of_${n}_ranks "$(weights one)" "$(weights r$n)"
done

# Two steps on four ranks, the third on two, then on one.
ranks 4 $train run="$tmp/again" >"$tmp/out" 2>&1
rm -rf "$tmp/again/final" "$tmp/again/step-00000003"
cp -r "$tmp/again" "$tmp/alone"
ranks 2 $train run="$tmp/again" >"$tmp/out" 2>&1 || echo "not ok resume_2: $(cat "$tmp/out")"
same resumed_on_2_ranks "$(weights one)" "$(weights again)"
$train run="$tmp/alone" >"$tmp/out" 2>&1 || echo "not ok resume_1: $(cat "$tmp/out")"
same resumed_on_1_rank "$(weights one)" "$(weights alone)"

# With other states, resumed on another number.
for kind in bf16 8bit; do
    other="optimizer.kind=adamw_$kind"
    $train run="$tmp/$kind" "$other" >"$tmp/out" 2>&1 || echo "not ok $kind: $(cat "$tmp/out")"
    ranks 2 $train run="$tmp/$kind-2" "$other" >"$tmp/out" 2>&1 || echo "not ok ${kind}_ranks_2: $(cat "$tmp/out")"
    same "${kind}_weights_of_2_ranks" "$(weights $kind)" "$(weights $kind-2)"
    rm -rf "$tmp/$kind-2/final" "$tmp/$kind-2/step-00000003"
    ranks 4 $train run="$tmp/$kind-2" "$other" >"$tmp/out" 2>&1 || echo "not ok ${kind}_resume_4: $(cat "$tmp/out")"
    same "${kind}_resumed_on_4_ranks" "$(weights $kind)" "$(weights $kind-2)"
done

ranks 2 $train run="$tmp/x" accumulate=3 >"$tmp/out" 2>&1 && echo "not ok accumulate_3" || echo "ok accumulate_3_is_refused"
grep -q "power of two" "$tmp/out" && echo "ok accumulate_3_says_why" || echo "not ok accumulate_3_says_why: $(cat "$tmp/out")"

# One rank is killed in the middle: the whole job ends, with an error.
ranks 2 $train run="$tmp/killed" steps=100000 >"$tmp/out" 2>&1 &
job=$!
wait_for $job test -s "$tmp/killed/LATEST"
pkill -KILL -n -f "run=$tmp/killed"
wait $job && echo "not ok killed_rank_ends_all" || echo "ok killed_rank_ends_all"

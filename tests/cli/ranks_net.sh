#!/bin/sh
# Two ranks in two network namespaces, joined by a virtual cable (root, iproute2 and Open MPI are needed):
#   ranks_net.sh check   the weights are the single process's bits; a cable pulled in the middle ends both ranks within 30 s
#   ranks_net.sh speed   tokens/s of two ranks of one thread each against one rank of one thread, and against two such runs that know nothing of each other
set -eu
for tool in mpirun ip; do
    command -v $tool >/dev/null 2>&1 || { echo "skip two_namespaces: no $tool"; exit 0; }
done
ip netns add lmm-a 2>/dev/null || { echo "skip two_namespaces: network namespaces are not to be had (root?)"; exit 0; }
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/tests/util/wait.sh"
lmm=${LMM:-$here/build/release/lmm}
tmp=$(mktemp -d)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"       # MPI keeps what it allocated

cleanup() {
    ip netns del lmm-a 2>/dev/null || true
    ip netns del lmm-b 2>/dev/null || true
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

ip netns add lmm-b
ip link add lmm-va netns lmm-a type veth peer name lmm-vb netns lmm-b
ip -n lmm-a addr add 10.99.77.1/24 dev lmm-va
ip -n lmm-b addr add 10.99.77.2/24 dev lmm-vb
for side in a b; do
    ip -n lmm-$side link set lo up
    ip -n lmm-$side link set lmm-v$side up
done

# mpirun has to notice the cut before the ranks do (15 s): once it has sent its other half an order to stop, it waits for minutes for an answer.
# It starts that half with an ssh-like command: ours enters the other namespace.
cat >"$tmp/enter" <<'SH'
#!/bin/sh
shift
exec ip netns exec lmm-b sh -c "$*"
SH
chmod +x "$tmp/enter"
two_ranks() {
    ip netns exec lmm-a timeout -k 1 90 mpirun --host 10.99.77.1:1,10.99.77.2:1 -n 2 --bind-to none --mca plm_rsh_agent "$tmp/enter" \
        --mca btl tcp,self --mca btl_tcp_if_include 10.99.77.0/24 --mca oob_tcp_if_include 10.99.77.0/24 \
        --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 "$@"
}

"$lmm" synth scenes -o "$tmp/data" -n "${COUNT:-200}" --side 64 >/dev/null 2>&1
cat >"$tmp/recipe.yaml" <<YAML
run: $tmp/one
seed: 3
model: {new: $here/configs/mini-v0, init: fan_in}
data: [{path: $tmp/data/train.json, images: $tmp/data, turns: independent}]
batch: ${BATCH:-16}
accumulate: 2
steps: 20
optimizer: {lr: 1.0e-3, weight_decay: 0.1, clip: 1.0}
schedule: {warmup: 1}
save_every: 1000
log_every: 1
YAML
train="$lmm train sft -c $tmp/recipe.yaml -q -t 1"
weights() { sha256sum "$tmp/$1/final/model.safetensors" | cut -c1-64; }
rate() { tail -n 1 "$tmp/$1/metrics.jsonl" | sed 's/.*"tokens_per_s": \([0-9]*\).*/\1/'; }

check() {
    $train steps=3
    two_ranks $train run="$tmp/two" steps=3
    [ "$(weights one)" = "$(weights two)" ] && echo "ok same_weights" || { echo "not ok same_weights"; exit 1; }
    two_ranks $train run="$tmp/cut" steps=100000 save_every=5 >"$tmp/out" 2>&1 &
    job=$!
    wait_for $job test -s "$tmp/cut/LATEST" || { echo "not ok cut_begins: $(cat "$tmp/out")"; exit 1; }
    ip -n lmm-a link set lmm-va down
    start=$(date +%s)
    wait $job && { echo "not ok the_job_ended_well_without_its_cable"; exit 1; }
    while pgrep -f "run=$tmp/cut" >/dev/null && [ $(($(date +%s) - start)) -lt 60 ]; do sleep 0.2; done
    seconds=$(($(date +%s) - start))
    grep -q "lost rank\|lost communication" "$tmp/out" && echo "ok it_says_why" || echo "not ok it_says_why: $(cat "$tmp/out")"
    [ $seconds -le 30 ] && { echo "ok both_ranks_ended"; echo "after $seconds s"; } || { echo "not ok both_ranks_ended: after $seconds s"; exit 1; }
}

# One rank alone may run faster than one of two that share caches, clock or even a core: two runs side by side say what the machine gives two threads at all.
speed() {
    for turn in 1 2 3; do
        rm -rf "$tmp/one" "$tmp/left" "$tmp/right" "$tmp/two"
        $train
        $train run="$tmp/left" &
        $train run="$tmp/right"
        wait
        two_ranks $train run="$tmp/two"
        echo "$(rate one) $(rate left) $(rate right) $(rate two)" | awk '{
            printf "tokens/s: one rank %d, two runs side by side %d + %d, two ranks %d: %.2f of twice one, %.2f of two side by side\n", $1, $2, $3, $4, $4 / $1 / 2, $4 / ($2 + $3) }'
    done
}

${1:-check}

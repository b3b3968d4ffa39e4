# kill.sh - sourced by the tests that kill at random moments.

now_ms() { echo $(($(date +%s%N) / 1000000)); } # since some moment

# $drawn becomes a number below N, another one at every call; runs differ only by SEED. Not in a $(...), where the next one would be lost.
seed=${SEED:-1}
draw() { seed=$(((seed * 1103515245 + 12345) % 2147483648)); drawn=$((seed / 65536 % $1)); }

# Runs a command, its output in $tmp/out, and kills it somewhere in the first MS milliseconds. usage: kill_within MS COMMAND...
kill_within() {
    draw "$1"
    shift
    "$@" >"$tmp/out" 2>&1 &
    job=$!
    sleep "$(awk -v ms=$drawn 'BEGIN { printf "%.3f", ms / 1000 }')"
    kill -KILL $job 2>/dev/null
    wait $job 2>/dev/null
}

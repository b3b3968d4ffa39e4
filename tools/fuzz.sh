# fuzz.sh - sourced by dev: runs libFuzzer targets. Seeds are in tests/fuzz/corpus/NAME; what is found stays in $build/fuzz/found/NAME.

# fuzz_all TARGET SECONDS: one target, or all of them when TARGET is empty.
fuzz_all() {
    case $2 in ''|*[!0-9]*) die "fuzz: '$2' is no number of seconds" ;; esac
    [ -z "$1" ] || [ -f "tests/fuzz/fuzz_$1.c" ] || die "fuzz: no target '$1'; there are: $(fuzz_names | tr '\n' ' ')"
    [ -n "$(fuzz_names)" ] || die "fuzz: tests/fuzz has no target yet"
    build_preset fuzz
    failed=
    for name in ${1:-$(fuzz_names)}; do
        fuzz_one "$name" "$2" || failed="$failed $name"
    done
    [ -z "$failed" ] || die "fuzz: failed:$failed"
}

fuzz_names() { find tests/fuzz -name 'fuzz_*.c' | sed 's/.*fuzz_//; s/\.c$//' | sort; }

# An input that ends a target is kept beside the log; it belongs into the corpus with the fix.
fuzz_one() {
    found=$build/fuzz/found/$1
    log=$found.log
    mkdir -p "$found"
    if ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        "$build/fuzz/tests/fuzz_$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="$found." "$found" "tests/fuzz/corpus/$1" >"$log" 2>&1 </dev/null; then
        echo "ok $1: $(awk '/^Done/ { print $2 " inputs in " $5 " s" }' "$log"), $(find "$found" -type f | wc -l) found"
    else
        tail -n 40 "$log"
        echo "not ok $1: see $log"
        return 1
    fi
}

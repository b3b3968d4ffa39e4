# test.sh - sourced by dev: runs the tests of one or more builds and adds up their cases (the case lines of run_test.sh).

test_begin() {
    # The default would stop at the first report of another kind; these make every finding end its test with a stack.
    # A huge allocation asked for by a lying file must come back as NULL, as it does without a sanitizer, and a crash is the sanitizer's
    # to report, not cmocka's.
    export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1:handle_segv=2:handle_sigbus=2:handle_sigfpe=2
    export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
    test_results=
}

# test_run PRESET [PATTERN]: the tests of one build whose name matches PATTERN.
test_run() {
    results=$build/$1/results
    rm -rf "$results"
    mkdir -p "$results"
    test_results="$test_results $results"
    echo "== build and test: $1"
    build_preset "$1" -DLMM_BUILD_TESTS=ON || {
        printf 'fail\tbuild: %s\n' "$1" >"$results/build.cases"   # and on with the tests that did build
    }
    # What counts are the case lines; a test that CTest had to stop leaves none, so that is added here.
    ctest --test-dir "$build/$1" -j "$(nproc)" --output-on-failure --no-label-summary ${2:+-R "$2"} || test_lost "$build/$1"
}

# The tests that CTest counts as failed and that wrote no failed case themselves (stopped after their time, or not found).
test_lost() {
    log=$1/Testing/Temporary/LastTestsFailed.log
    [ -f "$log" ] || return 0
    cut -d: -f2 "$log" | while read -r name; do
        cases=$1/results/$(printf %s "$name" | tr / .).cases
        grep -q '^fail' "$cases" 2>/dev/null || printf 'fail\t%s: stopped by CTest (time limit?)\n' "$name" >>"$cases"
    done
}

# The golden comparison prints a line a group and closes with a count of its own, which joins ours.
test_golden() {
    results=$build/release/results
    shared=${LMM_SHARED:-../shared}
    if [ ! -d "$shared" ]; then
        echo "golden: skipped, $shared is not here"
        return 0
    fi
    if [ ! -x "$build/release/lmm-golden" ]; then
        echo "golden: tests/golden has no program yet"
        return 0
    fi
    LMM=$build/release/lmm LMM_BUILD=$build sh tools/get-models.sh
    echo "== golden: $shared"
    { status=0; LMM_MODELS=$build/models timeout 3000 "$build/release/lmm-golden" "$shared" </dev/null || status=$?; echo $status >"$results/golden.status"; } |
        tee "$results/golden.out" | sed '$d'
    tail -n 1 "$results/golden.out" | awk -v status="$(cat "$results/golden.status")" '
        /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { print "count\t" $1 "\t" $3 "\t" $5 + 0; failed = $3 + 0; counted = 1 }
        END { if (!counted || (status != 0) != (failed > 0)) print "fail\tgolden: ended with status " status ", which its count does not explain" }
    ' >"$results/golden.cases"
}

# Names the failed cases and ends with the count, over all builds that ran.
test_sum() {
    # shellcheck disable=SC2086 (a list of words)
    find $test_results -name '*.cases' -exec cat {} + | awk -f tools/sum_cases.awk
}

# count.sh - run_test.sh and sum_cases.awk: every way a test program can end is counted for what it was.
tools=$LMM_SOURCE/tools
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# expect CLAIM WANTED SCRIPT: the count of a test program that is this shell script.
expect() {
    rm -rf "$folder/results"
    printf '%s\n' "$3" >"$folder/program"
    sh "$tools/run_test.sh" "$folder/results" "dir/program" sh "$folder/program" >/dev/null
    got=$(cat "$folder"/results/*.cases | awk -f "$tools/sum_cases.awk" | tail -n 1)
    if [ "$got" = "$2" ]; then echo "ok $1"; else echo "not ok $1: '$got' instead of '$2'"; fi
}

expect tap_lines_are_counted '1 passed, 1 failed, 1 skipped' 'printf "1..3\nok 1 - a\nnot ok 2 - b\n# why\nnot ok 3 # SKIP c\n# not ok - group\n"; exit 1'
expect plain_lines_are_counted '2 passed, 1 failed, 1 skipped' 'printf "ok a\nok b\nnot ok c: why\nskip d: why\n"'
expect other_output_is_no_case '1 passed, 0 failed' 'printf "okay\nskipped: no files\nok a\nsome text, not ok\n"'
expect a_crash_fails '1 passed, 1 failed' 'echo "ok a"; kill -SEGV $$'
expect a_bad_status_fails '1 passed, 1 failed' 'echo "ok a"; exit 3'
expect fewer_cases_than_planned_fail '1 passed, 1 failed' 'printf "1..2\nok 1 - a\n"'
expect two_groups_plan_together '2 passed, 0 failed' 'printf "1..1\nok 1 - a\n1..1\nok 1 - b\n"'
expect no_case_at_all_fails '0 passed, 1 failed' 'echo hello'
expect a_missing_program_fails '0 passed, 1 failed' 'exec /nowhere/program'
expect errors_do_not_hide_cases '2 passed, 0 failed' 'printf "ok a\n"; printf "half a line" >&2; printf "ok b\n"'

sum=$(printf 'pass\ta\nfail\ta\npass\tb\npass\tb\nskip\tc\ncount\t10\t2\t3\n' | awk -f "$tools/sum_cases.awk")
if [ "$sum" = "failed: a
11 passed, 3 failed, 4 skipped" ]; then echo "ok a_case_of_two_builds_counts_once"; else echo "not ok a_case_of_two_builds_counts_once: $sum"; fi

if awk -f "$tools/sum_cases.awk" </dev/null >"$folder/out"; then echo "not ok nothing_ran_is_a_failure: status 0"; else echo "ok nothing_ran_is_a_failure"; fi

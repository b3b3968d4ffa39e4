#!/bin/sh
# run_test.sh RESULTS NAME COMMAND... - runs one test program or script for CTest and keeps what became of each case.
#
# Writes RESULTS/<NAME with . for />.cases, one line a case: "pass|fail|skip <tab> NAME: case". The program prints the TAP form that
# cmocka writes, or the plain form of tests/cli: "ok NAME", "not ok NAME: why", "skip NAME: why". A program that dies, prints no case
# or fewer than it planned has failed, whatever it printed before.
set -u
results=$1 name=$2
shift 2
mkdir -p "$results"
file=$results/$(printf %s "$name" | tr / .)
rm -f "$file.cases"

# Errors go to their own stream, so that a half line there cannot swallow a result.
CMOCKA_MESSAGE_OUTPUT=TAP "$@" >"$file.out" 2>"$file.err" </dev/null
status=$?

awk -v name="$name" -v status="$status" '
    function put(state, what) { printf "%s\t%s: %s\n", state, name, what; seen++; if (state == "fail") failed++ }
    function rest(pattern) { sub(pattern, ""); return $0 }
    /^1\.\.[0-9]+$/                     { planned += substr($0, 4); next }
    /^not ok [0-9]+ # SKIP /            { put("skip", rest("^not ok [0-9]+ # SKIP ")); next }
    /^ok [0-9]+ .*# SKIP/               { put("skip", rest("^ok [0-9]+ (- )?")); next }
    /^(not )?ok -/                      { next }
    /^not ok /                          { put("fail", rest("^not ok ([0-9]+ )?(- )?")); next }
    /^ok /                              { put("pass", rest("^ok ([0-9]+ )?(- )?")); next }
    /^skip /                            { put("skip", rest("^skip ")); next }
    END {
        if (status > 128 && !failed)    put("fail", "killed by signal " (status - 128))
        else if (status != 0 && !failed) put("fail", "ended with status " status)
        else if (seen == 0)             put("fail", "printed no test case")
        else if (seen < planned && !failed) put("fail", "ran " seen " of " planned " cases")
        exit failed > 0
    }' "$file.out" >"$file.cases.part"
verdict=$?
mv "$file.cases.part" "$file.cases"
if [ $verdict -ne 0 ]; then
    cat "$file.out" "$file.err"
fi
exit $verdict

#!/bin/sh
# golden.sh - the reference numbers kept in this repository (tests/golden/data): every group of checkpoints, one case each.
set -u
golden=$(dirname "$LMM")/lmm-golden
"$golden" "$LMM_TESTS/golden/data" golden/checkpoints | awk '
    /^  FAIL/ { why = why $0 ";" }
    /^golden\// { if ($4 == 0 && $2 > 0) print "ok " $1; else print "not ok " $1 ": " why; why = "" }'

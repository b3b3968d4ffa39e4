# sum_cases.awk - adds up the case lines of run_test.sh ("state <tab> name"), names the failed ones, prints the closing count.
#
# A case that ran in several builds counts once: failed if it failed in any, else passed if it passed in any, else skipped.
# A line "count <tab> passed <tab> failed <tab> skipped" adds cases that were counted elsewhere.
BEGIN { FS = "\t"; rank["fail"] = 3; rank["pass"] = 2; rank["skip"] = 1 }
$1 == "count" { count["pass"] += $2; count["fail"] += $3; count["skip"] += $4; next }
rank[$1] > rank[state[$2]] { state[$2] = $1 }
END {
    for (name in state) {
        count[state[name]]++
        if (state[name] == "fail") print "failed: " name | "sort"
    }
    close("sort")
    printf "%d passed, %d failed%s\n", count["pass"], count["fail"], count["skip"] ? ", " count["skip"] " skipped" : ""
    exit count["fail"] > 0 || count["pass"] == 0
}

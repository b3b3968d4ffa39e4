#!/bin/sh
# A memory killed at random moments of import, build and forget: what was acknowledged is there, a file is in whole or not at all, a repeated command ends
# where one that never stopped does, and what was forgotten does not come back. KILLS (default 4) of each; 200 by hand.
set -u
. "$LMM_SOURCE/tests/util/kill.sh"
kills=${KILLS:-4}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# 24 files of 60 rows; every seventh row names somebody who will be forgotten.
files=24 rows=60
dir=$tmp/EgoLifeCap/DenseCaption/A1_JAKE
i=0
while [ $i -lt $files ]; do
    mkdir -p "$dir/DAY$((i / 8 + 1))"
    awk -v n=$rows -v f=$i 'BEGIN { for (k = 0; k < n; k++) { printf "%d\n00:%02d:00,000 --> 00:%02d:05,000\n", k + 1, k % 60, k % 60
        printf "%s the cup number %d of file %d in the kitchen.\n\n", k % 7 ? "I put down" : "Quetzalina hides", k, f } }' \
        >"$dir/DAY$((i / 8 + 1))/A1_JAKE_DAY$((i / 8 + 1))_$(printf %02d $((8 + i % 8)))000000.srt"
    i=$((i + 1))
done

ego() { verb=$1; shift; "$LMM" ego "$verb" "$@" 2>"$tmp/err"; }
# Runs a command in the background and kills it somewhere in its usual time; $took holds that.
killed() { kill_within $((took + 1)) "$LMM" ego "$@"; }
timed() { start=$(now_ms); "$@" >/dev/null; took=$(($(now_ms) - start)); }
rows_of() { ego export "$1" "$tmp/rows.jsonl" >/dev/null && cat "$tmp/rows.jsonl"; }
reading() { ego search "$1" "Quetzalina cup of file 7" -w JAKE -n 30 --json; ego timeline "$1" -w JAKE -n 2000 --json; }
verdict() { if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1: $2 of $kills"; fi; }

ego init "$tmp/whole" >/dev/null
timed ego import "$tmp/whole" "$tmp/EgoLifeCap" -q
import_took=$took
timed ego build "$tmp/whole" -q
build_took=$took
[ "$(rows_of "$tmp/whole" | wc -l)" = $((files * rows)) ] && [ -n "$(reading "$tmp/whole")" ] && echo "ok whole_run" || echo "not ok whole_run: $(cat "$tmp/err")"
want_rows=$(rows_of "$tmp/whole" | sha256sum) want=$(reading "$tmp/whole" | sha256sum)
cp -r "$tmp/whole" "$tmp/forgotten"
timed ego forget "$tmp/forgotten" --mention Quetzalina --yes
forget_took=$took
want_left=$(rows_of "$tmp/forgotten" | sha256sum)

torn=0 other=0 i=0
while [ $i -lt "$kills" ]; do
    rm -rf "$tmp/m" && ego init "$tmp/m" >/dev/null
    took=$import_took
    killed import "$tmp/m" "$tmp/EgoLifeCap" -q
    count=$(rows_of "$tmp/m" | wc -l)
    [ $((count % rows)) = 0 ] || torn=$((torn + 1))
    ego import "$tmp/m" "$tmp/EgoLifeCap" -q >/dev/null
    [ "$(rows_of "$tmp/m" | sha256sum)" = "$want_rows" ] || other=$((other + 1))
    i=$((i + 1))
done
verdict files_are_in_whole_or_not_at_all $torn
verdict a_killed_import_goes_on $other

other=0 i=0
while [ $i -lt "$kills" ]; do
    rm -rf "$tmp/m" && ego init "$tmp/m" >/dev/null && ego import "$tmp/m" "$tmp/EgoLifeCap" -q >/dev/null
    took=$build_took
    killed build "$tmp/m" -q
    [ "$(rows_of "$tmp/m" | sha256sum)" = "$want_rows" ] || other=$((other + 1))
    ego build "$tmp/m" -q >/dev/null
    [ "$(reading "$tmp/m" | sha256sum)" = "$want" ] || other=$((other + 1))
    i=$((i + 1))
done
verdict a_killed_build_goes_on $other

half=0 back=0 i=0
while [ $i -lt "$kills" ]; do
    rm -rf "$tmp/m" && cp -r "$tmp/whole" "$tmp/m"
    took=$forget_took
    killed forget "$tmp/m" --mention Quetzalina --yes
    left=$(rows_of "$tmp/m" | sha256sum)
    [ "$left" = "$want_rows" ] || [ "$left" = "$want_left" ] || half=$((half + 1))
    # Gone from the rows is gone from every file: the next command cleaned up.
    [ "$left" = "$want_left" ] && grep -rq uetzalina "$tmp/m" && back=$((back + 1))
    ego forget "$tmp/m" --mention Quetzalina --yes >/dev/null
    ego build "$tmp/m" -q >/dev/null
    [ "$(rows_of "$tmp/m" | sha256sum)" = "$want_left" ] || back=$((back + 1))
    grep -rq uetzalina "$tmp/m" && back=$((back + 1))
    i=$((i + 1))
done
verdict forgetting_is_all_or_nothing $half
verdict the_forgotten_does_not_come_back $back

#!/bin/sh
# lmm synth: what it writes is whole, repeats, and trains.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

same() { # NAME WANT HAVE
    if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: want '$2', have '$3'"; fi
}

for kind in scenes charts numbers clips; do
    "$LMM" synth $kind -o "$tmp/$kind" -n 12 --side 64 >"$tmp/out" 2>&1 || { echo "not ok $kind: $(cat "$tmp/out")"; continue; }
    same ${kind}_records 12 "$(python3 -c "import json; print(len(json.load(open('$tmp/$kind/train.json'))))")"
    same ${kind}_test_is_not_empty 2 "$(python3 -c "import json; print(len(json.load(open('$tmp/$kind/test.json'))))")"
    same ${kind}_media_exist "" "$(python3 -c "
import json, os
for line in open('$tmp/$kind/train.jsonl'):
    r = json.loads(line)
    p = '$tmp/$kind/' + r.get('image', r.get('video'))
    if not os.path.exists(p): print(p)")"
done
"$LMM" synth scenes -o "$tmp/again" -n 12 --side 64 >/dev/null 2>&1
same repeats "" "$(diff -r "$tmp/scenes" "$tmp/again" 2>&1)"
"$LMM" synth scenes -o "$tmp/other" -n 12 --side 64 --seed 2 >/dev/null 2>&1
cmp -s "$tmp/scenes/train.json" "$tmp/other/train.json" && echo "not ok another_seed" || echo "ok another_seed"
"$LMM" synth clips -o "$tmp/mp4" -n 2 --mp4 >/dev/null 2>&1
same mp4_is_iso_media isom "$(dd if="$tmp/mp4/train/000000.mp4" bs=1 skip=8 count=4 2>/dev/null)"
"$LMM" synth sceens -o "$tmp/x" 2>"$tmp/err"
same unknown_kind_exits 2 $?
grep -q "did you mean 'scenes'" "$tmp/err" && echo "ok unknown_kind_teaches" || echo "not ok unknown_kind_teaches: $(cat "$tmp/err")"
"$LMM" synth scenes -o "$tmp/scenes/train.json/x" 2>"$tmp/err"
same unwritable_exits 3 $?

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
"$LMM" synth scenes -o "$tmp/alone" -n 2 --split test --side 64 >/dev/null 2>&1
same one_split_alone "" "$(diff "$tmp/scenes/test.json" "$tmp/alone/test.json" 2>&1)$(ls "$tmp/alone" | grep -v '^test')"
"$LMM" synth scenes -o "$tmp/words" -n 3 --split words --cells --think >/dev/null 2>&1
same words_have_no_pictures "words.json words.jsonl 0" "$(ls "$tmp/words" | tr '\n' ' ')$(grep -c '<image>\|"image"' "$tmp/words/words.json")"
"$LMM" synth lectures -o "$tmp/x" --split words 2>"$tmp/err"
same lectures_without_pictures_exit 2 $?
"$LMM" synth scenes -o "$tmp/x" --split tests 2>"$tmp/err"
same unknown_split_exits 2 $?
"$LMM" synth scenes -o "$tmp/other" -n 12 --side 64 --seed 2 >/dev/null 2>&1
cmp -s "$tmp/scenes/train.json" "$tmp/other/train.json" && echo "not ok another_seed" || echo "ok another_seed"
"$LMM" synth clips -o "$tmp/mp4" -n 2 --mp4 >/dev/null 2>&1
same mp4_is_iso_media isom "$(dd if="$tmp/mp4/train/000000.mp4" bs=1 skip=8 count=4 2>/dev/null)"
"$LMM" synth sceens -o "$tmp/x" 2>"$tmp/err"
same unknown_kind_exits 2 $?
grep -q "did you mean 'scenes'" "$tmp/err" && echo "ok unknown_kind_teaches" || echo "not ok unknown_kind_teaches: $(cat "$tmp/err")"
"$LMM" synth scenes -o "$tmp/scenes/train.json/x" 2>"$tmp/err"
same unwritable_exits 3 $?

# Checkpoints of a known shape with random weights.
for type in f32 bf16 q4_0 q4_K_M; do
    "$LMM" synth checkpoint --shape tiny --type $type -o "$tmp/$type.gguf" >"$tmp/out" 2>&1 || echo "not ok checkpoint_$type: $(cat "$tmp/out")"
    "$LMM" chat -m "$tmp/$type.gguf" -n 4 hello >"$tmp/out" 2>&1 && echo "ok checkpoint_${type}_answers" || echo "not ok checkpoint_${type}_answers: $(cat "$tmp/out")"
done
"$LMM" synth checkpoint --shape tiny -t 1 --quiet -o "$tmp/again.gguf" >/dev/null
same checkpoint_repeats_with_other_threads "" "$(cmp "$tmp/q4_0.gguf" "$tmp/again.gguf")"
"$LMM" synth checkpoint --shape tiny --seed 2 -o "$tmp/again.gguf" >/dev/null
cmp -s "$tmp/q4_0.gguf" "$tmp/again.gguf" && echo "not ok checkpoint_other_seed" || echo "ok checkpoint_other_seed"
"$LMM" synth checkpoint --shape tiny --layers 3 --hidden 96 --heads 3 --kv-heads 1 --vocab 300 --type f16 -o "$tmp/other.gguf" >/dev/null
same checkpoint_shape "3 96 300" "$("$LMM" info --json "$tmp/other.gguf" | python3 -c "import json, sys; i = json.load(sys.stdin); print(i['layers'], i['hidden'], i['vocab'])")"
teaches() { # NAME PATTERN ARGUMENT...
    name=$1 want=$2
    shift 2
    if "$LMM" synth checkpoint -o "$tmp/x.gguf" "$@" 2>"$tmp/err" || ! grep -q -- "$want" "$tmp/err" || ls "$tmp" | grep -q 'x.gguf'; then echo "not ok $name: $(cat "$tmp/err")"
    else echo "ok $name"; fi
}
teaches checkpoint_unknown_shape "did you mean 'smollm2'" --shape smollm
teaches checkpoint_unknown_type "the type 'q9' is not known" --type q9
teaches checkpoint_odd_heads "head" --shape tiny --heads 5
(ulimit -f 8 && exec "$LMM" synth checkpoint --shape tiny --type f32 -o "$tmp/full.gguf") 2>"$tmp/err" && echo "not ok checkpoint_disk_full" ||
    { grep -q "cannot write" "$tmp/err" && ! ls "$tmp" | grep -q full && echo "ok checkpoint_disk_full"; } || echo "not ok checkpoint_disk_full: $(cat "$tmp/err") $(ls "$tmp")"

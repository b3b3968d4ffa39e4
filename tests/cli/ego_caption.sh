#!/bin/sh
# lmm ego caption: films of a folder become rows of a memory, once each; what cannot be read is named and left; and the drawn track of lmm ego sim.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

says() { # NAME WORDS COMMAND...: fails with these words
    name=$1 words=$2
    shift 2
    if "$@" >"$tmp/out" 2>"$tmp/err"; then echo "not ok $name: it succeeded"; return; fi
    if grep -qF -- "$words" "$tmp/err"; then echo "ok $name"; else echo "not ok $name: $(cat "$tmp/err")"; fi
}

# Films as a camera leaves them, one of them cut off.
"$LMM" synth clips -o "$tmp/clips" -n 2 --split train --frames 6 --side 64 --family direction --mp4 >/dev/null 2>&1
if [ -f "$tmp/clips/train/000000.mp4" ]; then
    mkdir "$tmp/day"
    mv "$tmp/clips/train/000000.mp4" "$tmp/day/DAY1_A1_JAKE_09000000.mp4"
    mv "$tmp/clips/train/000001.mp4" "$tmp/day/DAY1_A1_JAKE_09010000.mp4"
    head -c 100 "$tmp/day/DAY1_A1_JAKE_09000000.mp4" >"$tmp/day/DAY1_A1_JAKE_09020000.mp4"
    "$LMM" ego init "$tmp/memory" >/dev/null && "$LMM" ego import "$tmp/memory" -q "$tmp/day" >/dev/null
    says needs_a_model "nothing to caption with" "$LMM" ego caption "$tmp/memory"
    says names_are_pairs "write WORD=NAME" "$LMM" ego caption "$tmp/memory" -m "$LMM_SOURCE/models/mini" --name P3
    "$LMM" ego caption "$tmp/memory" -m "$LMM_SOURCE/models/mini" -f 1 -q --name a=one >"$tmp/out" 2>"$tmp/err"
    grep -q "^3 clips: 2 captions, 0 utterances; .* 1 failed" "$tmp/out" && grep -q "09020000.mp4: " "$tmp/err" && echo "ok broken_clip_is_named" ||
        echo "not ok broken_clip_is_named: $(cat "$tmp/out" "$tmp/err")"
    "$LMM" ego caption "$tmp/memory" -m "$LMM_SOURCE/models/mini" -f 1 -q >"$tmp/out" 2>/dev/null
    grep -q "^1 clips: 0 captions" "$tmp/out" && echo "ok captioned_once" || echo "not ok captioned_once: $(cat "$tmp/out")"
    "$LMM" ego build "$tmp/memory" -q >/dev/null
    [ "$("$LMM" ego timeline "$tmp/memory" -w JAKE --json | grep -c '"kind": "caption"')" = 2 ] && echo "ok rows_are_there" || echo "not ok rows_are_there"
else
    echo "skip no MP4 encoder here"
fi

# The same seed draws the same pictures, and clips.jsonl has a line for each.
for n in 1 2; do "$LMM" ego sim render "$tmp/drawn$n" --seed 5 --split dev --wearer 2 --day 3; done
diff -r "$tmp/drawn1" "$tmp/drawn2" >/dev/null && [ "$(ls "$tmp/drawn1" | grep -c bmp)" = "$(wc -l <"$tmp/drawn1/clips.jsonl")" ] && [ -s "$tmp/drawn1/people.json" ] &&
    echo "ok drawn_track_is_a_function" || echo "not ok drawn_track_is_a_function"

#!/bin/sh
# lmm ego sim check: without a media track it says so; with one, gate G5 passes what was drawn and said, and fails what was not.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
world=$tmp/world track=$tmp/world/media/A2_DAY3

g5() { "$LMM" ego sim check "$world" >"$tmp/out" 2>"$tmp/err"; grep "^G5" "$tmp/out"; }
expect() { # NAME PATTERN: of what check says of G5
    if g5 | grep -q -- "$2"; then echo "ok $1"; else echo "not ok $1: $(cat "$tmp/out" "$tmp/err")"; fi
}
refuses() { # NAME WORDS
    if g5 >/dev/null; then :; fi
    if grep -qF -- "$2" "$tmp/err"; then echo "ok $1"; else echo "not ok $1: $(cat "$tmp/err")"; fi
}

"$LMM" ego sim "$world" --seed 5 --split dev --questions 32 >/dev/null
expect no_track_is_said "there is no media track; not checked"
"$LMM" ego sim render "$track" --seed 5 --split dev --wearer 2 --day 3
expect silent_track_is_said "without heard.json; what is said in them is not checked"
expect drawn_track_passes "gives back, %  *100.00 .*passed"

# What a perfect recogniser hears, then one that hears the same everywhere.
heard() { sed -n "s/.*\"clip\": \(\"[^\"]*\"\).*\"speech\": \(\".*\"\)}/$1/p" "$track/clips.jsonl" | paste -sd, | sed 's/.*/{&}/' >"$track/heard.json"; }
heard '\1: \2'
g5 | grep -q "; \([1-9][0-9]*\) of \1 captions shown, \([1-9][0-9]*\) of \2 sayings heard" && echo "ok said_is_heard" || echo "not ok said_is_heard: $(cat "$tmp/out")"
heard '\1: "Hm?"'
expect noise_is_not_heard "captions shown, 0 of [1-9][0-9]* sayings heard"

# Every picture under another's name shows something else.
cp -r "$track" "$tmp/kept"
ls "$track" | grep bmp >"$tmp/names"
sed -n '2,$p' "$tmp/names" | paste "$tmp/names" - | while read -r to from; do [ -z "$from" ] || cp "$tmp/kept/$from" "$track/$to"; done
expect exchanged_pictures_fail "gives back.*FAILED"

for name in $(cat "$tmp/names"); do head -c 100 "$tmp/kept/$name" >"$track/$name"; done
refuses cut_picture_is_named "is no picture of"
mv "$track" "$world/media/tuesday"
refuses odd_track_is_named "tracks are called A<wearer>_DAY<day>"

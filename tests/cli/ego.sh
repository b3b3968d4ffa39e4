#!/bin/sh
# lmm ego from an empty folder: what a person reads in a terminal, what a program reads, the picture of a habit, and what is said when there is nothing.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
m=$tmp/memory

ego() { verb=$1; shift; "$LMM" ego "$verb" "$m" "$@" 2>"$tmp/err"; }
has() { # NAME PATTERN COMMAND...: succeeds and prints a line like this
    name=$1 pattern=$2
    shift 2
    if "$@" >"$tmp/out" && grep -q -- "$pattern" "$tmp/out"; then echo "ok $name"; else echo "not ok $name: $(cat "$tmp/out" "$tmp/err")"; fi
}
fails() { # NAME WORDS COMMAND...
    name=$1 words=$2
    shift 2
    if "$@" >"$tmp/out"; then echo "not ok $name: it succeeded"; return; fi
    if grep -qF -- "$words" "$tmp/err"; then echo "ok $name"; else echo "not ok $name: $(cat "$tmp/err")"; fi
}

for day in 1 2 3; do
    for minute in 00 01 02 03; do
        echo "{\"wearer\": \"A1_JAKE\", \"date\": \"DAY$day\", \"start\": \"09${minute}0000\", \"end\": \"09${minute}0400\", \"text\": \"I drink coffee in the kitchen.\"}"
    done
    echo "{\"wearer\": \"A1_JAKE\", \"date\": \"DAY$day\", \"start\": \"15000000\", \"end\": \"15000500\", \"text\": \"Alice places the red mug in the attic.\"}"
done >"$tmp/rows.jsonl"
echo '{"wearer": "A1_JAKE", "date": "DAY3", "start": "16000000", "end": "16000300", "speaker": "Alice", "text": "I promise to water the plants."}' >>"$tmp/rows.jsonl"
ego init >/dev/null
fails nobody_yet "nobody yet (import first)" ego timeline -w JAKE --plot "$tmp/none.svg"
ego import "$tmp/rows.jsonl" -q >/dev/null
ego build -q >/dev/null

has hours_are_headings "^DAY1 09:00  A1_JAKE$" ego timeline -w JAKE
has moments_stand_below "^  03:00  I drink coffee in the kitchen.$" ego timeline -w JAKE
has speech_is_quoted '^  00:00  Alice: "I promise to water the plants."$' ego timeline -w JAKE --from DAY3_16000000
has lines_for_programs '^{"t0": 32400000, "t1": 32404000, .*"from": "DAY1 09:00:00", "wearer": "A1_JAKE", "speaker": null' ego timeline -w JAKE --json
ego timeline -w JAKE -n 4 >"$tmp/out"
[ "$(grep -c coffee "$tmp/out")" = 4 ] && grep -q "the first 4 rows" "$tmp/err" && echo "ok a_cut_is_said" || echo "not ok a_cut_is_said: $(cat "$tmp/err")"
ego timeline -w JAKE -n 16 >"$tmp/out"
[ ! -s "$tmp/err" ] && echo "ok whole_is_no_cut" || echo "not ok whole_is_no_cut: $(cat "$tmp/err")"

has answers_cite "^DAY3 15:00:00-15:00:05  A1_JAKE  Alice places the red mug in the attic.$" ego ask -w JAKE "where is the red mug?"
has answers_choose "^B. In the attic" ego ask -w JAKE "where is the red mug?" -o "In the kitchen" -o "In the attic"
has answers_for_programs '"found": true, "answer": "In the attic"' ego ask -w JAKE "where is the red mug?" -o "In the kitchen" -o "In the attic" --json
has unknown_is_said "^not in your recordings$" ego ask -w JAKE "who repaired the submarine?"
has the_past_is_asked "^DAY1 15:00:00" ego ask -w JAKE "where is the red mug?" --as-of DAY2
fails an_empty_question "the question is empty" ego ask -w JAKE ""
fails an_empty_query "the query is empty" ego search -w JAKE ""
fails nobody "nobody called 'BOB'" ego ask -w BOB "where is the red mug?"

# Four rows in four minutes are one time of coffee; without words every row counts.
ego timeline -w JAKE --plot "$tmp/coffee.svg" --about coffee
ego timeline -w JAKE --plot "$tmp/all.svg"
grep -q ">DAY1 09:00: 1<" "$tmp/coffee.svg" && grep -q ">DAY1 15:00: 0<" "$tmp/coffee.svg" && grep -q "coffee (darkest: 1 in an hour)" "$tmp/coffee.svg" &&
    grep -q ">DAY1 09:00: 4<" "$tmp/all.svg" && grep -q ">DAY3 16:00: 1<" "$tmp/all.svg" && [ "$(tail -n 1 "$tmp/all.svg")" = "</svg>" ] &&
    echo "ok habits_are_drawn" || echo "not ok habits_are_drawn"
fails nothing_to_draw_yet "nothing to draw yet" ego timeline -w JAKE --plot "$tmp/none.svg" --as-of DAY1
fails nothing_of_it_to_draw "no row of this memory holds 'submarine'" ego timeline -w JAKE --plot "$tmp/none.svg" --about submarine
fails no_word_to_draw "holds no word to look for" ego timeline -w JAKE --plot "$tmp/none.svg" --about the
[ ! -e "$tmp/none.svg" ] && echo "ok no_empty_picture" || echo "not ok no_empty_picture"

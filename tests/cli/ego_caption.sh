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
    says names_are_pairs "write WORD=NAME" "$LMM" ego caption "$tmp/memory" -m "$LMM_SOURCE/models/mini-v0" --name P3
    "$LMM" ego caption "$tmp/memory" -m "$LMM_SOURCE/models/mini-v0" -f 1 -q --name a=one >"$tmp/out" 2>"$tmp/err"
    grep -q "^3 clips: 2 captions, 0 utterances; .* 1 failed" "$tmp/out" && grep -q "09020000.mp4: " "$tmp/err" && echo "ok broken_clip_is_named" ||
        echo "not ok broken_clip_is_named: $(cat "$tmp/out" "$tmp/err")"
    "$LMM" ego caption "$tmp/memory" -m "$LMM_SOURCE/models/mini-v0" -f 1 -q >"$tmp/out" 2>/dev/null
    grep -q "^1 clips: 0 captions" "$tmp/out" && echo "ok captioned_once" || echo "not ok captioned_once: $(cat "$tmp/out")"
    "$LMM" ego build "$tmp/memory" -q >/dev/null
    [ "$("$LMM" ego timeline "$tmp/memory" -w JAKE --json | grep -c '"kind": "caption"')" = 2 ] && echo "ok rows_are_there" || echo "not ok rows_are_there"

    # Servers that refuse, never answer, say nothing, and are busy at first: what can be had is had once, the rest is left for the next time.
    if command -v python3 >/dev/null; then
        . "$LMM_TESTS/util/chat_server.sh"
        trap 'end_server; rm -rf "$tmp"' EXIT
        "$LMM" ego init "$tmp/far" >/dev/null && "$LMM" ego import "$tmp/far" -q "$tmp/day" >/dev/null
        ask_server() { # FAULT [interrupt]: its captions, the report in $tmp/out; interrupted when the server has been asked
            serve "$1"
            "$LMM" ego caption "$tmp/far" -m "$url" --model_args model=eyes,backoff=0.01 -f 3 -p "Say walking" -q \
                --name walking=Jake >"$tmp/out" 2>"$tmp/err" &
            job=$!
            [ $# = 1 ] || { wait_for $job test -s "$tmp/server/log" && kill -INT $job; }
            wait $job
            end_server
        }
        ask_server refuse
        grep -q "no such key" "$tmp/err" && echo "ok a_refusal_ends_it" || echo "not ok a_refusal_ends_it: $(cat "$tmp/out" "$tmp/err")"
        ask_server slow interrupt
        grep -q "stopped while a server was asked" "$tmp/err" && echo "ok an_interrupt_ends_it" || echo "not ok an_interrupt_ends_it: $(cat "$tmp/out" "$tmp/err")"
        ask_server empty
        grep -q "^3 clips: 0 captions, .* 3 failed" "$tmp/out" && echo "ok no_answer_is_no_caption" || echo "not ok no_answer_is_no_caption: $(cat "$tmp/out" "$tmp/err")"
        ask_server busy
        grep -q "^3 clips: 2 captions, .* 1 failed" "$tmp/out" && grep -q '"pictures": 3' "$tmp/server/log" && echo "ok a_server_captions" ||
            echo "not ok a_server_captions: $(cat "$tmp/out" "$tmp/err" "$tmp/server/log")"
        "$LMM" ego build "$tmp/far" -q >/dev/null
        "$LMM" ego timeline "$tmp/far" -w JAKE --json | grep '"kind": "caption"' | grep -q Jake && echo "ok its_words_are_rows" || echo "not ok its_words_are_rows"
        says a_server_has_a_model "model=NAME" "$LMM" ego caption "$tmp/far" -m http://127.0.0.1:1/v1
    else
        echo "skip server: no python3 here for the fake one"
    fi
else
    echo "skip no MP4 encoder here"
fi

# The same seed draws the same pictures, and clips.jsonl has a line for each.
for n in 1 2; do "$LMM" ego sim render "$tmp/drawn$n" --seed 5 --split dev --wearer 2 --day 3; done
diff -r "$tmp/drawn1" "$tmp/drawn2" >/dev/null && [ "$(ls "$tmp/drawn1" | grep -c bmp)" = "$(wc -l <"$tmp/drawn1/clips.jsonl")" ] && [ -s "$tmp/drawn1/people.json" ] &&
    echo "ok drawn_track_is_a_function" || echo "not ok drawn_track_is_a_function"

#!/bin/sh
# lmm chat with videos and sounds: several of each, the prompt loop, the sheet of taken frames, and sentences where there is nothing to see or hear.
set -u
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

same() { # NAME WANT HAVE
    if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: want '$2', have '$3'"; fi
}
says() { # NAME WORDS COMMAND...: fails with these words in one line
    name=$1 words=$2
    shift 2
    if "$@" >"$tmp/out" 2>"$tmp/err"; then echo "not ok $name: it succeeded"; return; fi
    if [ "$(wc -l <"$tmp/err")" = 1 ] && grep -qF -- "$words" "$tmp/err"; then echo "ok $name"; else echo "not ok $name: $(cat "$tmp/err")"; fi
}
tones() { # FILE: a second of silence as a WAV file
    { printf 'RIFF\244\076\000\000WAVEfmt \020\000\000\000\001\000\001\000\100\037\000\000\200\076\000\000\002\000\020\000data\200\076\000\000'
        head -c 16000 /dev/zero; } >"$1"
}

"$LMM" synth clips -o "$tmp/clips" -n 2 --frames 6 --side 64 --family direction >/dev/null 2>&1
a=$tmp/clips/train/000000 b=$tmp/clips/train/000001
tones "$tmp/sound.wav"

one=$("$LMM" chat --video "$a" -n 8 --json "What?") && two=$("$LMM" chat --video "$a" --video "$b" -n 8 --json "What?") && [ -n "$one" ] && [ -n "$two" ] &&
    echo "ok several_videos" || echo "not ok several_videos"
same threads_change_nothing "$two" "$("$LMM" chat -t 1 --video "$a" --video "$b" -n 8 --json "What?")"

# A clip of six frames gives six, whatever was asked for.
for n in 3 6 32; do "$LMM" chat --video "$a" --frames $n --show-frames "$tmp/$n.png" "What?" >/dev/null 2>&1; done
cmp -s "$tmp/6.png" "$tmp/32.png" && ! cmp -s "$tmp/6.png" "$tmp/3.png" && echo "ok sheet_of_what_there_is" || echo "not ok sheet_of_what_there_is"
says sheet_needs_a_video "--show-frames needs a --video" "$LMM" chat --show-frames "$tmp/no.png" "What?"

says no_such_video "no such file or folder" "$LMM" chat --video "$tmp/none" "What?"
says a_deaf_model "hears nothing" "$LMM" chat --audio "$tmp/sound.wav" "What?"
says sound_is_no_video "no video" "$LMM" chat --video "$tmp/sound.wav" "What?"

# The loop takes what one question takes; what fails is taken back, /new forgets what waits.
first=$("$LMM" chat --video "$a" -n 8 "What?")
loop=$(printf '/video %s\nWhat?\n/quit\n' "$a" | "$LMM" chat -n 8 2>/dev/null)
same loop_is_one_question "$first" "$loop"
blind=$(printf 'What?\n/quit\n' | "$LMM" chat -n 8 2>/dev/null)
same new_forgets "$blind" "$(printf '/video %s\n/new\nWhat?\n/quit\n' "$a" | "$LMM" chat -n 8 2>/dev/null)"
same failure_is_taken_back "$first" "$(printf '/audio %s\nWhat?\n/video %s\nWhat?\n/quit\n' "$tmp/sound.wav" "$a" | "$LMM" chat -n 8 2>"$tmp/err")"
grep -q "hears nothing" "$tmp/err" && echo "ok loop_says_why" || echo "not ok loop_says_why: $(cat "$tmp/err")"
same loop_wants_files 3 "$(printf '/video %s\n/audio %s\n/image %s\n/quit\n' "$tmp/x" "$tmp/x" "$tmp/x" | "$LMM" chat 2>&1 | grep -c "no such file")"
system=$(printf 'What?\n/new\nWhat?\n/quit\n' | "$LMM" chat --system "Say less." -n 8 2>/dev/null)
same new_keeps_the_system_message "$(echo "$system" | head -n 1)" "$(echo "$system" | tail -n 1)"

#!/bin/sh
# Draws the pictures and clips that mini v1 learns from and is measured on (`lmm synth`, seeded: the same files everywhere) to data/synth. Run from the
# project's root. About five minutes and 700 MB.
set -eu
lmm=${LMM:-build/release/lmm}
# make KIND FOLDER OPTION...: unless it is there already
make() {
    kind=$1 folder=data/synth/$2
    shift 2
    [ -f "$folder/test.jsonl" ] || "$lmm" synth "$kind" -o "$folder" --think --side 64 "$@"
}
make scenes describe -n 40000 --things 9 --cells --family describe --seed 11
make scenes scenes -n 20000 --things 9 --cells --questions 6
make charts charts -n 20000
make numbers numbers -n 40000
make clips clips -n 8000

#!/bin/sh
# Draws the pictures and clips that mini v1 learns from and is measured on (`lmm synth`, seeded: the same files everywhere) to data/synth. Run from the
# project's root. About ten minutes and 1.2 GB.
set -eu
lmm=${LMM:-build/release/lmm}
# make KIND FOLDER OPTION...: unless it is there already
make() {
    kind=$1 folder=data/synth/$2
    shift 2
    [ -f "$folder/train.jsonl" ] || "$lmm" synth "$kind" -o "$folder" --think --side 64 "$@"
}
# Shapes without a colour's name and colours without a shape's, large ones in four cells and smaller ones in nine; then both named.
make shapes shapes4 -n 24000 --things 4 --cells --seed 13
make shapes shapes9 -n 30000 --things 9 --cells --seed 14
make colors colors9 -n 30000 --things 9 --cells --seed 15
make scenes describe -n 40000 --things 9 --cells --family describe --seed 11
make scenes scenes -n 20000 --things 9 --cells --questions 6
make charts charts -n 20000
make numbers digits -n 24000 --digits 1 --split train --seed 21
make numbers numbers -n 40000
make clips clips -n 8000

#!/bin/sh
# Draws the pictures and clips that mini v1 learns from and is measured on (`lmm synth`, seeded: the same files everywhere) to data/synth. Run from the
# project's root. About six minutes on 2 cores, 2.9 GB on disk.
set -eu
lmm=${LMM:-build/release/lmm}
# make KIND FOLDER OPTION...: unless it is there already
make() {
    kind=$1 folder=data/synth/$2
    shift 2
    [ -f "$folder/train.jsonl" ] || [ -f "$folder/words.jsonl" ] || "$lmm" synth "$kind" -o "$folder" --think --cells --side 64 "$@"
}
# Shapes without a colour's name and colours without a shape's, large ones in four cells and smaller ones in nine; then both named.
make shapes shapes4 -n 24000 --things 4 --family describe --seed 13
make shapes shapes9 -n 60000 --things 9 --seed 14
make colors colors9 -n 30000 --things 9 --seed 15
make scenes describe -n 40000 --things 9 --family describe --seed 11
make scenes scenes -n 20000 --things 9 --questions 6
make scenes compare -n 20000 --things 9 --family compare --seed 16
make charts charts -n 24000
make charts extremes -n 24000 --family extreme --split train --seed 17
make numbers digits1 -n 24000 --digits 1 --split train --seed 21
make numbers digits2 -n 40000 --digits 2 --split train --seed 22
make numbers numbers -n 80000
make clips clips -n 10000
# The same questions in words alone.
make scenes words-scenes --split words -n 200000 --questions 1 --things 9 --seed 31
make charts words-charts --split words -n 60000 --questions 1 --seed 32
make charts words-extremes --split words -n 60000 --questions 1 --family extreme --seed 34
make numbers words-numbers --split words -n 60000 --seed 33

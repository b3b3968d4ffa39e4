#!/bin/sh
# Draws the pictures and clips that mini v1 learns from and is measured on (`lmm synth`, seeded: the same files everywhere) to data/synth. Run from the
# project's root. About five minutes and 350 MB.
set -eu
lmm=${LMM:-build/release/lmm}
[ -f data/synth/captions/test.jsonl ] || "$lmm" synth scenes -o data/synth/captions -n 8000 --think --side 64 --seed 11 --family describe
[ -f data/synth/scenes/test.jsonl ] || "$lmm" synth scenes -o data/synth/scenes -n 12000 --think --side 64 --questions 6
[ -f data/synth/charts/test.jsonl ] || "$lmm" synth charts -o data/synth/charts -n 8000 --think --side 64
[ -f data/synth/numbers/test.jsonl ] || "$lmm" synth numbers -o data/synth/numbers -n 12000 --think --side 64
[ -f data/synth/clips/test.jsonl ] || "$lmm" synth clips -o data/synth/clips -n 5000 --think --side 64

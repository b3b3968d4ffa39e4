#!/bin/sh
# ./dev demo: the embedded model answers questions about pictures and a clip it never saw in training.
set -eu
seen=models/mini/examples
"$LMM" info models/mini
ask() {
    printf '\n%s  %s\n  ' "$2" "$3"
    "$LMM" chat "$1" "$2" "$3"
}
ask --image $seen/shape.png "is there a triangle in the image?"
ask --image $seen/scene.png "How many red shapes are there?"
ask --image $seen/chart.png "How much higher is A than B?"
ask --image $seen/number.png "What number is printed?"
ask --video $seen/clip "Which way does the square move?"
cat <<'END'

Talk with it yourself:   build/release/lmm chat --image models/mini/examples/scene.png
Measure it:              tools/get-easyvqa.sh && build/release/lmm eval --tasks easyvqa
Train your own:          see "A first own training run" in README.md
END

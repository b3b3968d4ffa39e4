#!/bin/sh
# ./dev demo: the embedded model answers questions about pictures it never saw in training.
set -eu
pictures=models/mini/examples
"$LMM" info models/mini
for row in "0.png:what shape is in the image?" "1.png:what is the color of the shape?" "2.png:is there a triangle in the image?" "3.png:describe the image"; do
    file=${row%%:*} question=${row#*:}
    printf '\n%s/%s  %s\n  ' "$pictures" "$file" "$question"
    "$LMM" chat --image "$pictures/$file" "$question"
done
cat <<'END'

Talk with it yourself:   build/release/lmm chat --image models/mini/examples/0.png
Measure it:              tools/get-easyvqa.sh && build/release/lmm eval --tasks easyvqa
Train your own:          see "A first own training run" in README.md
END

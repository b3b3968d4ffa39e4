#!/bin/sh
# A training run killed at random moments and resumed ends in the weights of one that never stopped; damaged checkpoints are passed over.
# KILLS (default 8) and DAMAGES (default 12) say how often; 100 and 200 were seen to hold.
set -u
. "$LMM_SOURCE/tests/util/kill.sh"
kills=${KILLS:-8} damages=${DAMAGES:-12}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$LMM" synth scenes -o "$tmp/data" -n 40 --side 64 >/dev/null 2>&1
cat >"$tmp/recipe.yaml" <<YAML
run: $tmp/whole
seed: 3
model: {new: $LMM_SOURCE/configs/mini-v0, init: fan_in}
data: [{path: $tmp/data/train.json, images: $tmp/data, turns: independent}]
batch: 2
accumulate: 2
steps: 12
optimizer: {lr: 1.0e-3, weight_decay: 0.1, clip: 1.0}
schedule: {warmup: 1}
save_every: 1
keep: 3
YAML
train="$LMM train sft -c $tmp/recipe.yaml -q -t 1"
weights() { sha256sum <"$1/final/model.safetensors"; }

start=$(now_ms)
$train >"$tmp/out" 2>&1 || echo "not ok whole_run: $(cat "$tmp/out")"
took=$(($(now_ms) - start))
want=$(weights "$tmp/whole")

# Every kill hits a run that was resumed from where the one before left off, until it is through; then a new one begins.
same=0 different=0 i=0
while [ $i -lt "$kills" ]; do
    rm -rf "$tmp/killed"
    while [ $i -lt "$kills" ] && [ ! -d "$tmp/killed/final" ]; do
        kill_within "$took" $train run="$tmp/killed"
        i=$((i + 1))
    done
    $train run="$tmp/killed" >"$tmp/out" 2>&1 || echo "not ok resume: $(cat "$tmp/out")"
    [ "$(weights "$tmp/killed")" = "$want" ] && same=$((same + 1)) || different=$((different + 1))
done
[ $different = 0 ] && echo "ok killed_runs_end_alike" || echo "not ok killed_runs_end_alike: $different of $((same + different)) differ"

# Going on with another recipe is allowed, and said.
$train run="$tmp/whole" 'train=[decoder]' 2>&1 | grep -q "begun with another 'train'" && echo "ok another_recipe_is_said" || echo "not ok another_recipe_is_said"

# Any file of the newest checkpoint cut, or one bit of it turned: it is passed over, the one before is used, the end is the same.
rm -rf "$tmp/killed"
$train run="$tmp/part" steps=12 >/dev/null 2>&1
rm -rf "$tmp/part/final" "$tmp/part/step-00000012"
bad=0 i=0
newest=$tmp/part/step-00000011
while [ $i -lt "$damages" ]; do
    rm -rf "$tmp/hurt"
    cp -r "$tmp/part" "$tmp/hurt"
    draw 1000
    file=$(find "$tmp/hurt/step-00000011" -type f | sort | awk -v n=$drawn '{ f[NR] = $0 } END { print f[n % NR + 1] }')
    size=$(wc -c <"$file")
    draw "$size"
    at=$drawn
    if [ $((i % 2)) = 0 ]; then truncate -s "$at" "$file"
    else
        byte=$(dd if="$file" bs=1 skip="$at" count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
        printf "\\$(printf %03o $(((byte + 1) % 256)))" | dd of="$file" bs=1 seek="$at" conv=notrunc 2>/dev/null
    fi
    $train run="$tmp/hurt" >"$tmp/out" 2>&1 || { bad=$((bad + 1)); cat "$tmp/out"; }
    [ "$(weights "$tmp/hurt")" = "$want" ] || bad=$((bad + 1))
    case $file in */MANIFEST.json) ;; *) grep -q "damaged" "$tmp/out" || bad=$((bad + 1)) ;; esac
    i=$((i + 1))
done
[ -d "$newest" ] && [ $bad = 0 ] && echo "ok damaged_checkpoints_are_passed_over" || echo "not ok damaged_checkpoints_are_passed_over: $bad of $damages"

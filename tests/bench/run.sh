#!/bin/sh
# ./dev bench: matrix products beside OpenBLAS, a training step beside PyTorch, decoding. Peers run in the same run, alternating.
#
# LMM_PEERS=PYTHON names an interpreter with torch (default: python3 when it has torch); without one the row is left out and said so.
# Run it on an idle machine; the numbers in BENCHMARKS.md come from here.
set -eu
bench=${LMM_BENCH:-build/release/bench}
seconds=${1:-8}

echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"

echo
echo "== matrix products (GFLOP/s, ratio to OpenBLAS; best of 3 rounds, alternating)"
# Debian's OpenBLAS does not know the newest processors and falls back to SSE kernels on them: it is given the best it has for the instruction set.
blas() { OPENBLAS_CORETYPE=$1 env -u OPENBLAS_L2_SIZE "$bench/bench_gemm" "$2" 2 3; }
if grep -q avx512f /proc/cpuinfo; then blas SkylakeX avx512; fi
if grep -q avx2 /proc/cpuinfo; then blas Haswell avx2; fi

echo
echo "== quantised weights: passes over all layers a second and GB/s of weights (1 row), multiply-adds (256 rows)"
"$bench/bench_quant" best 2 5
if grep -q avx512f /proc/cpuinfo; then "$bench/bench_quant" avx2 2 5; fi

echo
echo "== a memory: six people's week (goal: build 300 s with an encoder, search 50 ms, ask 300 ms), ten years of one person (goal: search 250 ms)"
"$bench/bench_ego" 40000 7 6
[ -n "${LMM_BENCH_QUICK:-}" ] || "$bench/bench_ego" 1800000 3650 1 40

echo
echo "== a 7B-shaped q4_0 file: to the first prefill token (goal: at most 0.5 s beyond page faults), memory of a full context (goal: within 2 % of expected)"
model=${LMM_BENCH_MODEL:-$bench/7b-q4_0.gguf}
if [ ! -e "$model" ] && [ "$(df -Pk "$bench" | awk 'NR == 2 { print $4 }')" -lt 5000000 ]; then
    echo "skipped: no room for $model (LMM_BENCH_MODEL=FILE names one)"
else
    [ -e "$model" ] || "${LMM:-build/release/lmm}" synth checkpoint --shape 7b --type q4_0 -o "$model"
    for round in 1 2 3; do "$bench/bench_open" "$model"; done
    "$bench/bench_open" "$model" memory
fi

echo
echo "== a 1080p video, 32 frames, to the first token: the whole against decoding alone + tower and prefill alone (goal: not slower)"
video=$bench/1080p.mp4
if [ -e "$video" ] || ffmpeg -loglevel error -y -f lavfi -i testsrc2=size=1920x1080:rate=25:duration=16 -c:v libx264 -preset veryfast -pix_fmt yuv420p "$video"; then
    "$bench/bench_video" "$video" 32 3
else echo "skipped: no ffmpeg to make $video"; fi

echo
echo "== training steps: a decoder of 8M (16 x 128 rows), one of SmolLM2-135M's shape (4 x 256), a LLaVA with its tower (4 pictures, 4 x 256); best step of $seconds s, alternating (goal: 1.2 times the tokens/s, 0.6 of the memory)"
peer=
for python in ${LMM_PEERS:-} python3; do
    [ -n "$peer" ] || ! "$python" -c 'import torch' 2>/dev/null || peer=$python
done
[ -n "$peer" ] || echo "skipped: no Python with torch (LMM_PEERS=PYTHON)"
rounds=$(awk -v q="${LMM_BENCH_QUICK:-}" 'BEGIN { print q ? "1" : "1 2 3" }')
for shape in 8m 135m llava; do
    for round in $rounds; do
        for precision in f32 bf16; do
            "$bench/bench_train" $shape $precision "$seconds"
            [ -z "$peer" ] || env -u OPENBLAS_CORETYPE "$peer" "$(dirname "$0")/bench_train_torch.py" $shape $precision "$seconds"
        done
    done | awk -v shape=$shape '{ print }
        function field(name) { return match($0, "\"" name "\": [0-9]+") ? substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 4) + 0 : 0 }
        { who = (/"lmm"/ ? "lmm" : "torch") (/"bf16"/ ? " bf16" : " f32"); if (field("tokens_per_s") > speed[who]) speed[who] = field("tokens_per_s")
          if (!(who in peak) || field("peak_mb") < peak[who]) { peak[who] = field("peak_mb"); start[who] = field("start_mb") } }
        function line(a, b) { printf "%s: %s against %s: tokens/s %.2f (%d, %d), memory %.2f (%d, %d MB), %.2f without what was there before the model\n", shape, a, b, speed[a] / speed[b], speed[a], speed[b], peak[a] / peak[b], peak[a], peak[b], (peak[a] - start[a]) / (peak[b] - start[b]) }
        END { if (speed["torch f32"]) line("lmm f32", "torch f32"); if (speed["torch bf16"]) line("lmm bf16", "torch bf16") }'
done

echo
echo "== two ranks of one thread in two network namespaces against one rank of one thread and two runs side by side (training mini, 128 pictures a step)"
BATCH=64 COUNT=800 LMM=build/release/lmm sh "$(dirname "$0")/../cli/ranks_net.sh" speed

echo
echo "== speech: Whisper tiny.en, word error rate on 20 sentences at three speeds, real-time factor on 2 threads (goal: at most 0.35, 1.2 times transformers)"
speech=build/models/whisper_tiny_en
if [ ! -d "$speech" ] || ! command -v espeak-ng >/dev/null; then echo "skipped: no $speech (./dev models) or no espeak-ng"
else "${peer:-python3}" "$(dirname "$0")/bench_whisper.py" "${LMM:-build/release/lmm}" "$speech" 2; fi

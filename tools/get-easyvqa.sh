#!/bin/sh
# Brings easy-VQA 1.0 (MIT, 3 MB) from PyPI to data/easyvqa and writes it as LLaVA JSON. Run from the project's root.
set -eu
lmm=${LMM:-build/release/lmm}
[ -f data/easyvqa/easy_vqa/data/test/questions.json ] || {
    mkdir -p data/easyvqa
    python3 -m pip download -q --no-deps -d data/easyvqa easy-vqa==1.0
    unzip -q -o data/easyvqa/easy_vqa-1.0-*.whl -d data/easyvqa
}
[ -f data/easyvqa/questions.json ] || "$lmm" data easyvqa data/easyvqa/easy_vqa/data -o data/easyvqa

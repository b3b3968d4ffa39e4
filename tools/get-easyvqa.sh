#!/bin/sh
# Brings easy-VQA 1.0 (MIT, 3 MB) from PyPI to data/easyvqa and writes it as LLaVA JSON. Run from the project's root.
# pip is only the downloader here; nothing of Python runs.
set -eu
lmm=${LMM:-build/release/lmm}
if [ ! -f data/easyvqa/easy_vqa/data/test/questions.json ]; then
    for need in python3 unzip; do
        command -v $need >/dev/null || { echo "get-easyvqa: '$need' is not here; apt-get install python3-pip unzip" >&2; exit 1; }
    done
    mkdir -p data/easyvqa
    python3 -m pip download -q --no-deps -d data/easyvqa easy-vqa==1.0
    unzip -q -o data/easyvqa/easy_vqa-1.0-*.whl -d data/easyvqa
fi
[ -f data/easyvqa/questions.json ] || "$lmm" data easyvqa data/easyvqa/easy_vqa/data -o data/easyvqa

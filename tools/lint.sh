# lint.sh - sourced by dev: what can be said about the code without running it. Every part runs; one that fails is named at the end.

lint_all() {
    lint_failed=
    for part in gcc clang scripts format layers symbols; do
        echo "== $part"
        "lint_$part" || lint_failed="$lint_failed $part"
    done
    echo "== sizes (for information)"
    # shellcheck disable=SC2046 (paths without blanks)
    awk -f tools/sizes.awk $(lint_sources)
    [ -z "$lint_failed" ] || die "lint: failed:$lint_failed"
    echo "lint: all clean"
}

lint_sources() { find src include tests -name '*.[ch]' | sort; }

lint_gcc() { build_preset release -DLMM_BUILD_TESTS=ON; }
lint_clang() { build_preset clang; }

lint_scripts() {
    bad=0
    for script in dev tools/*.sh tests/*/*.sh; do
        [ ! -f "$script" ] || dash -n "$script" || bad=1
    done
    return $bad
}

lint_format() {
    # shellcheck disable=SC2046
    clang-format --dry-run --Werror $(lint_sources) 2>&1 | awk -F: '
        /-Wclang-format-violations/ { count[$1]++ }
        END { for (file in count) { print file ": " count[file] " places differ (./dev format)"; bad = 1 } exit bad }'
}

# shellcheck disable=SC2046
lint_layers() { awk -f tools/check_layers.awk tools/layers.txt $(find src -name '*.[ch]' | sort); }

lint_symbols() { sh tools/check_symbols.sh "$build/release/liblmm.a" tools/symbols.txt; }

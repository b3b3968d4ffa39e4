# build.sh - sourced by dev: configures and builds one preset of CMakePresets.json in $build/PRESET.

# build_preset PRESET [CMAKE-OPTION...]. Two ./dev in one tree take turns: Ninja cannot share a folder.
build_preset() {
    mkdir -p "$build/$1"
    (
        flock 9
        build_configure "$@" && build_compile "$1"
    ) 9>"$build/$1/.lock"
}

build_configure() {
    preset=$1
    shift
    set -- "$@" -DLMM_SHARED="${LMM_SHARED:-$(dirname "$PWD")/shared}"      # always given: a cached one would outlive its reason
    cmake --preset "$preset" -B "$build/$preset" "$@" >"$build/$preset/configure.log" 2>&1 || {
        cat "$build/$preset/configure.log" >&2
        say "dev: cannot configure the build '$preset'"
        return 1
    }
}

build_compile() {
    quiet=--quiet
    [ ! -t 2 ] || quiet=
    cmake --build "$build/$1" -- -k 0 -j "$(nproc)" $quiet >&2 || {
        say "dev: the build '$1' failed"
        return 1
    }
}

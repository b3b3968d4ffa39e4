# setup.sh - sourced by dev: installs the missing packages of packages.txt.

# setup_packages PURPOSE...: the packages for these purposes (second word in packages.txt).
# Asking dpkg takes some milliseconds, so nothing is remembered that could turn stale.
setup_packages() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || {
        say "dev: this is no Debian: the libraries behind packages.txt must be here already"
        return 0
    }
    wanted=$(awk -v purposes=" $* " '!/^#/ && index(purposes, " " $2 " ") {print $1}' packages.txt)
    # shellcheck disable=SC2086 (a list of words)
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p') || true
    missing=
    for package in $wanted; do
        case "
$have
" in
            *"
$package
"*) ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    setup_install "${missing# }"
}

setup_install() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these packages are missing and there is no sudo; as root: apt-get install $1"
        as_root=sudo
        if [ "${CI:-}" = true ]; then
            as_root="sudo -n"
        else
            say "These Debian packages are needed: $1"
            printf 'Install them now with sudo apt-get? [Y/n] ' >&2
            read -r answer || answer=n
            case $answer in ''|[Yy]*) ;; *) die "not installed; later: sudo apt-get install $1" ;; esac
        fi
    fi
    mkdir -p "$build"
    say "installing $(echo "$1" | wc -w) packages (log: $build/setup.log)"
    # shellcheck disable=SC2086 (lists of words)
    {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -y --no-install-recommends install $1
    } >"$build/setup.log" 2>&1 </dev/null || {
        tail -n 20 "$build/setup.log" >&2
        die "apt-get failed (whole log: $build/setup.log)"
    }
}

#!/bin/sh
# check_symbols.sh LIBRARY EXCEPTIONS - what the source must not do, read off the compiled library, where macros hide nothing:
#   - no mutable data of file or program scope (thread-local is fine): all state hangs on an object somebody opened;
#   - no function of ours has a name of the C library: a shared library that calls it would get ours;
#   - nothing prints to stdout, ends the process or reads the environment: that is for the command.
# EXCEPTIONS: lines "OBJECT SYMBOL why".
set -u
library=$1 exceptions=$2
[ -r "$library" ] || { echo "no library '$library'"; exit 1; }
{
    # Symbols in writable sections. Constant tables with pointers are in .data.rel.ro and not meant.
    objdump -t "$library" | awk '
        /^[^ ]+: +file format/ { object = $1; sub(/:$/, "", object) }
        { section = ""; for (i = 2; i <= NF; i++) if ($i ~ /^(\.data|\.bss|\*COM\*)(\.|$)/) section = $i }
        section != "" && section !~ /^\.data\.rel\.ro/ && $NF != section && $NF !~ /^(\.|__odr_asan|__sancov)/ { print object, $NF, "is mutable and global" }'
    libc=$(ldconfig -p 2>/dev/null | awk '$1 == "libc.so.6" { print $NF; exit }')
    [ -z "$libc" ] || nm -D --defined-only "$libc" | sed 's/.* //; s/@.*//' | sort -u |
        awk -v own="$(nm -A -g --defined-only "$library" | sed 's/^[^:]*:\([^:]*\): */\1 /')" '
            BEGIN { n = split(own, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], w, " "); if (w[3] == "T") object[w[4]] = w[1] } }
            $1 in object { print object[$1], $1, "is a function of the C library" }'
    nm -A -u "$library" | sed 's/^[^:]*:\([^:]*\): *U /\1 /' | awk '
        $2 ~ /^(printf|vprintf|puts|putchar|stdout|__printf_chk|__vprintf_chk)$/ { print $1, $2, "prints to stdout" }
        $2 ~ /^(exit|_exit|_Exit|quick_exit)$/                                  { print $1, $2, "ends the process" }
        $2 ~ /^(getenv|secure_getenv|environ)$/                                 { print $1, $2, "reads the environment" }'
} | awk -v exceptions="$exceptions" '
    BEGIN { while ((getline line < exceptions) > 0) { split(line, word, " "); fine[word[1], word[2]] = 1 } }
    !fine[$1, $2] { print; bad = 1 }
    END { exit bad }'

#!/bin/sh
# check_symbols.sh LIBRARY EXCEPTIONS - what the source must not do, read off the compiled library, where macros hide nothing:
#   - no mutable data of file or program scope (thread-local is fine): all state hangs on an object somebody opened;
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
    nm -A -u "$library" | sed 's/^[^:]*:\([^:]*\): *U /\1 /' | awk '
        $2 ~ /^(printf|vprintf|puts|putchar|stdout|__printf_chk|__vprintf_chk)$/ { print $1, $2, "prints to stdout" }
        $2 ~ /^(exit|_exit|_Exit|quick_exit)$/                                  { print $1, $2, "ends the process" }
        $2 ~ /^(getenv|secure_getenv|environ)$/                                 { print $1, $2, "reads the environment" }'
} | awk -v exceptions="$exceptions" '
    BEGIN { while ((getline line < exceptions) > 0) { split(line, word, " "); fine[word[1], word[2]] = 1 } }
    !fine[$1, $2] { print; bad = 1 }
    END { exit bad }'

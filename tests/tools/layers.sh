# layers.sh - check_layers.awk and check_symbols.sh find what they look for, and nothing else.
tools=$LMM_SOURCE/tools
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir -p src/base src/eval src/engine src/stray

# expect CLAIM WANTED COMMAND...: the command prints WANTED ("" when all is well).
expect() {
    claim=$1 wanted=$2
    shift 2
    got=$("$@" 2>&1)
    if [ "$got" = "$wanted" ]; then echo "ok $claim"; else echo "not ok $claim: '$got'"; fi
}
layers() {
    printf '%s\n' "$2" >"src/$1"
    awk -f "$tools/check_layers.awk" "$tools/layers.txt" "src/$1"
}

expect own_and_allowed_headers_pass '' layers eval/a.c '#include "eval/eval_int.h"
#include "base/base.h"
#include "lmm.h"
#include <stdio.h>'
expect a_higher_layer_is_refused 'src/base/a.c:2: base may not include engine/engine.h' layers base/a.c '
#include "engine/engine.h"'
expect the_api_user_may_not_look_inside 'src/eval/a.c:1: eval may not include engine/engine.h' layers eval/a.c '#include "engine/engine.h"'
expect the_library_below_does_not_know_the_api 'src/base/a.c:1: base may not include lmm.h' layers base/a.c '#include "lmm.h"'
expect private_headers_stay_private 'src/engine/a.c:1: "nn/nn_int.h" is private to nn; include nn/nn.h' layers engine/a.c '#include "nn/nn_int.h"'
expect includes_are_written_from_src 'src/base/a.c:1: "base.h" is not written from src/' layers base/a.c '#include "base.h"'
expect a_library_has_one_home 'src/engine/a.c:1: <jansson.h> belongs to another directory' layers engine/a.c '#include <jansson.h>'
expect a_directory_needs_a_rule "src/stray/a.c:1: no rule for the directory 'stray' in layers.txt" layers stray/a.c ''

symbols() {
    printf '%s\n' "$1" >a.c
    cc -c a.c -o a.o && ar rc liba.a a.o && sh "$tools/check_symbols.sh" liba.a exceptions.txt
    rm -f liba.a
}
echo 'a.o allowed  because' >exceptions.txt

expect constants_and_thread_locals_pass '' symbols 'static const char *const t[] = {"a"}; _Thread_local int n; const char *f(int i); const char *f(int i) { return t[i + n]; }'
expect a_global_is_found 'a.o state is mutable and global' symbols 'int state = 1;'
expect a_static_in_a_function_is_found 'a.o n.0 is mutable and global' symbols 'int f(void); int f(void) { static int n; return n++; }'
expect printing_is_found 'a.o puts prints to stdout' symbols '#include <stdio.h>
void f(void); void f(void) { puts("x"); }'
expect exiting_is_found 'a.o exit ends the process' symbols '#include <stdlib.h>
void f(void); void f(void) { exit(1); }'
expect the_environment_is_found 'a.o getenv reads the environment' symbols '#include <stdlib.h>
char *f(void); char *f(void) { return getenv("X"); }'
expect an_exception_passes '' symbols 'int allowed;'
expect a_missing_library_fails "no library 'none.a'" sh "$tools/check_symbols.sh" none.a exceptions.txt

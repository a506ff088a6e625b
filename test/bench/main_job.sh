#!/bin/bash
# main_job.sh: quality, rate and memory of the main job through SQL, on real data.
#
#   test/bench/main_job.sh [sms] [debian] [trec] [rate] [memory]		(default: all)
#
# Needs TEXTCLS_DATA: a folder with sms_spam, trec and ag_news, each with
# train.csv.gz and test.csv.gz whose columns begin text,label; all-MiniLM-L6-v2
# comes from its Python package or from TEXTCLS_MINILM.  Prints one line a figure.
set -u
BENCH=$(cd "$(dirname "$0")" && pwd)
. "$BENCH/../setup.sh"

[ -n "${TEXTCLS_DATA:-}" ] || setup_fail "set TEXTCLS_DATA to the folder of the data sets"
trap setup_end EXIT
trap 'exit 130' INT TERM

value() { setup_psql -At -c "$1" || exit 1; }
run() { setup_psql -c "$1" >/dev/null || exit 1; }
figure() { printf '%-44s %10s  %s\n' "$1" "$2" "${3:-}"; }

# load SET: tables SET_train and SET_test with the columns text and label.
load()
{
    local part columns

    for part in train test; do
        columns=$(zcat "$TEXTCLS_DATA/$1/$part.csv.gz" | sed 's/$/ text/; s/,/ text, /g; q')
        run "CREATE TABLE $1_$part ($columns)"
        zcat "$TEXTCLS_DATA/$1/$part.csv.gz" | setup_psql -c "COPY $1_$part FROM STDIN (FORMAT csv, HEADER)" || exit 1
    done
}

# The Debian descriptions of the demo, a random fifth for the test.
load_debian()
{
    run "CREATE TABLE debian (label text, text text)"
    "$BENCH/../demo/debian_sections.sh" | setup_psql -c "COPY debian FROM STDIN (FORMAT csv)" || exit 1
    run "SELECT setseed(0.5); CREATE TABLE shuffled AS SELECT *, random() < 0.2 AS is_test FROM debian;
        CREATE TABLE debian_train AS SELECT text, label FROM shuffled WHERE NOT is_test;
        CREATE TABLE debian_test AS SELECT text, label FROM shuffled WHERE is_test"
}

# fit SET MODEL BASE OPTIONS [EPOCHS]: fine-tune and judge; with EPOCHS the rate of training too.
fit()
{
    local job seconds base=NULL

    [ -z "$3" ] || base="'$3'"
    job=$(value "SELECT textcls.finetune('$1_train', 'label', 'text', '$2', $base, '$4')") || exit 1
    run "SELECT textcls.wait_job($job)"
    seconds=$(value "SELECT round(extract(epoch FROM finished_at - started_at), 1) FROM textcls.jobs WHERE id = $job")
    figure "$2: test accuracy" "$(value "SELECT round(value::numeric, 4) FROM textcls.evaluate('$1_test', 'label', 'text', '$2')
        WHERE label IS NULL AND metric = 'accuracy'")" "$4"
    figure "$2: seconds from start to end" "$seconds"
    [ -z "${5:-}" ] || figure "$2: texts/s of training" "$(value "SELECT round($5 * count(*) / $seconds::numeric, 1) FROM $1_train")" "job time, validation included"
}

minilm()
{
    setup_minilm || setup_fail "all-MiniLM-L6-v2 is not to be had; set TEXTCLS_MINILM"
    [ -n "$(value "SELECT name FROM textcls.models WHERE name = 'minilm'")" ] ||
        run "SELECT textcls.import_model('minilm', '$TEXTCLS_MINILM')"
}

measure_sms()
{
    load sms_spam
    fit sms_spam sms_scratch '' '{}'
    minilm
    fit sms_spam sms_minilm minilm '{"num_train_epochs": 3, "learning_rate": 5e-5, "batch_size": 16}'
}

measure_debian()
{
    load_debian
    fit debian debian_scratch '' '{}'
    minilm
    fit debian debian_minilm minilm '{"num_train_epochs": 3, "learning_rate": 5e-5, "batch_size": 16}'
}

measure_trec()
{
    local seed

    load trec
    minilm
    for seed in 0 1 2; do
        fit trec "trec_minilm_$seed" minilm "{\"num_train_epochs\": 3, \"learning_rate\": 5e-5, \"batch_size\": 16, \"split\": \"none\", \"max_length\": 128, \"seed\": $seed}" 3
    done
}

# rate EXPRESSION WORKERS: texts per second of a scan over the AG News test rows, the best of three.
rate()
{
    value "SET max_parallel_workers_per_gather = $2; SELECT count($1) FROM (SELECT * FROM bench LIMIT 64) t" >/dev/null
    for _ in 1 2 3; do
        setup_psql -At -c "SET max_parallel_workers_per_gather = $2" -c '\timing on' -c "SELECT count($1) FROM bench" |
            sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
    done | sort -n | head -n 1 | awk -v n="$(value 'SELECT count(*) FROM bench')" '{ printf "%.1f", n * 1000 / $1 }'
}

measure_rate()
{
    minilm
    load ag_news
    run "CREATE TABLE bench AS SELECT text, label FROM ag_news_test LIMIT 2000; ANALYZE bench;
        CREATE TABLE bench_head AS SELECT text, label FROM ag_news_train LIMIT 600"
    run "SELECT textcls.finetune('bench_head', 'label', 'text', 'ag_minilm', 'minilm', '{\"train\": \"head\", \"num_train_epochs\": 1}', wait => true)"
    figure "tokens a text, mean" "$(value "SELECT round(avg((SELECT n_tokens FROM textcls.predict(text, 'ag_minilm'))), 1) FROM (SELECT * FROM bench LIMIT 500) t")"
    figure "classify(text), texts/s, one process" "$(rate "textcls.classify(text, 'ag_minilm')" 0)" "MiniLM, fp32, 2,000 AG News test rows"
    figure "classify(text), texts/s, two workers" "$(rate "textcls.classify(text, 'ag_minilm')" 1)" "one worker and the leader"
    figure "classify(text[]), texts/s, one process" "$(value "SELECT count(*) FROM (SELECT unnest(textcls.classify(array_agg(text), 'ag_minilm')) FROM (SELECT text FROM bench LIMIT 64) t) u" >/dev/null
        setup_psql -At -c '\timing on' -c "SELECT count(*) FROM (SELECT unnest(textcls.classify(array_agg(text), 'ag_minilm')) FROM bench) u" |
        sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | awk -v n="$(value 'SELECT count(*) FROM bench')" '{ printf "%.1f", n * 1000 / $1 }')"
    figure "first call in a new session, ms" "$(setup_psql -At -c '\timing on' -c "SELECT textcls.classify('hello world', 'ag_minilm')" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')"
    figure "the call after it, ms" "$(setup_psql -At -c "SELECT textcls.classify('hello world', 'ag_minilm')" -c '\timing on' -c "SELECT textcls.classify('hello world', 'ag_minilm')" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')"
}

# Ten sessions that have classified and wait: what each adds.
measure_memory()
{
    local fifo=$SETUP_WORK/hold session pid

    minilm
    mkfifo "$fifo"
    for session in $(seq 10); do
        { echo "SELECT textcls.embed(repeat('some words to embed ', 20), 'minilm') IS NOT NULL;"; cat "$fifo"; } |
            setup_psql -At >/dev/null &
    done
    exec 9>"$fifo"
    sleep 5
    for pid in $(value "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%some words%' AND pid <> pg_backend_pid()"); do
        awk -v pid="$pid" '/^Pss:/ { pss += $2 } /^Private_Dirty:/ { private += $2 }
            END { printf "%s %d %d\n", pid, pss, private }' "/proc/$pid/smaps_rollup"
    done >"$SETUP_WORK/memory"
    exec 9>&-
    wait
    figure "sessions with MiniLM in use" "$(wc -l <"$SETUP_WORK/memory")"
    figure "Pss of all, MB" "$(awk '{ s += $2 } END { printf "%.1f", s / 1024 }' "$SETUP_WORK/memory")"
    figure "private of one, MB, mean" "$(awk '{ s += $3 } END { printf "%.1f", s / 1024 / NR }' "$SETUP_WORK/memory")"
}

setup_begin
setup_make "-j$(nproc)" || exit 1
setup_install_extension
setup_cluster
run "CREATE EXTENSION textcls"
for part in ${*:-sms debian trec rate memory}; do
    setup_section "$part"
    "measure_$part" || exit 1
done

#!/bin/bash
# main_job.sh: quality of the main job through SQL, on real data.
#
#   test/bench/main_job.sh [sms] [debian] [trec]		(default: all)
#
# Needs TEXTCLS_DATA: a folder with sms_spam and trec, each with
# train.csv.gz and test.csv.gz whose columns begin text,label; all-MiniLM-L6-v2
# comes from its Python package or from TEXTCLS_MINILM.  Prints one line a figure.
set -u
BENCH=$(cd "$(dirname "$0")" && pwd)
. "$BENCH/../setup.sh"
. "$BENCH/bench_lib.sh"

[ -n "${TEXTCLS_DATA:-}" ] || setup_fail "set TEXTCLS_DATA to the folder of the data sets"
trap setup_end EXIT
trap 'exit 130' INT TERM

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
    local job seconds

    job=$(finetune "$1_train" "$2" "$3" "$4") || exit 1
    seconds=$(seconds "$job")
    figure "$2: test accuracy" "$(value "SELECT round(value::numeric, 4) FROM textcls.evaluate('$1_test', 'label', 'text', '$2')
        WHERE label IS NULL AND metric = 'accuracy'")" "$4"
    figure "$2: seconds from start to end" "$seconds"
    [ -z "${5:-}" ] || figure "$2: texts/s of training" "$(value "SELECT round($5 * count(*) / $seconds::numeric, 1) FROM $1_train")" "job time, validation included"
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

setup_begin
setup_make "-j$(nproc)" || exit 1
setup_install_extension
setup_cluster
run "CREATE EXTENSION textcls"
for part in ${*:-sms debian trec}; do
    setup_section "$part"
    "measure_$part" || exit 1
done

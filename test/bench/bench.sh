#!/bin/bash
# bench.sh: the speed of textcls through SQL beside that of its peers, in one run on the same texts.
#
#   PEER_PYTHON=... test/bench/bench.sh [infer] [short] [bert] [tokenize] [train] [memory] [first] [roofline]
#   PEER_PYTHON=... test/bench/bench.sh accuracy
#
# The default is all of the first line, about 25 minutes on two cores; accuracy (what int8 and bf16
# change on test rows of AG News, TREC, SST-2, banking77) trains four models and takes about as long.
#
# Needs TEXTCLS_DATA: a folder with ag_news, trec, sst2 and banking77, each with train.csv.gz and
# test.csv.gz; PEER_PYTHON: a Python with requirements.txt of this folder; all-MiniLM-L6-v2 from its Python
# package or TEXTCLS_MINILM.  Prints each figure as it comes and a table in Markdown at the end.
set -u
BENCH=$(cd "$(dirname "$0")" && pwd)
. "$BENCH/../setup.sh"
. "$BENCH/bench_lib.sh"

PEER_PYTHON=${PEER_PYTHON:-python3}
# Where the CPU has no bf16, nobody would use it: PyTorch is then 8 times slower than in fp32.
ENGINES=ort_fp32,ort_int8,openvino_fp32,torch_fp32
grep -qE '^flags.* (avx512_bf16|amx_bf16)' /proc/cpuinfo && ENGINES=$ENGINES,openvino_bf16,torch_bf16
[ -n "${TEXTCLS_DATA:-}" ] || setup_fail "set TEXTCLS_DATA to the folder of the data sets"
trap setup_end EXIT
trap 'exit 130' INT TERM

# note KEY FIGURE UNIT: show and keep.
note()
{
    figure "$1" "$2" "${3:-}"
    echo "$1|$2" >>"$SETUP_WORK/figures"
}

kept() { sed -n "s/^$1|//p" "$SETUP_WORK/figures" | tail -n 1; }

# peers KEY COMMAND ...: the lines of peers.py, each with KEY before its name.
peers()
{
    local key=$1 name rate unit

    shift
    "$PEER_PYTHON" "$BENCH/peers.py" "$@" 2>>"$SETUP_WORK/peers.log" | while IFS='|' read -r name rate unit; do
        note "$key $name" "$rate" "$unit"
    done
}

# best KEY: the highest rate of the peers under KEY and whose it is, "rate|name"; the number of tokens is no rate.
best() { awk -F'|' -v key="$1" 'index($1, key) == 1 && $1 !~ /tokens/ && $2 + 0 > best { best = $2 + 0; name = $1; sub(/.* peer /, "", name) }
    END { print best "|" name }' "$SETUP_WORK/figures"; }

# row WHAT FIGURE KEY TARGET: a row of the table against the best peer under KEY.
row()
{
    local peer

    peer=$(best "$3")
    awk -v what="$1" -v ours="$2" -v theirs="${peer%%|*}" -v name="${peer#*|}" -v target="$4" 'BEGIN {
        printf "| %s | %s | %s | %s | %.2f | %s |\n", what, ours, theirs, name, (theirs > 0 ? ours / theirs : 0), target }' \
        >>"$SETUP_WORK/table"
}

# csv QUERY FILE: texts for the peers.
csv() { setup_psql -c "\\copy ($1) TO STDOUT (FORMAT csv, HEADER)" >"$2"; }

# texts_per_second SETTINGS EXPRESSION TABLE
texts_per_second()
{
    milliseconds "$1" "SELECT count($2) FROM $3" | awk -v n="$(value "SELECT count(*) FROM $3")" '{ printf "%.1f", n * 1000 / $1 }'
}

# A classifier on MiniLM, good enough for its comparison of int8 with fp32 to mean something.
minilm_classifier()
{
    minilm
    load ag_news
    [ -z "$(value "SELECT name FROM textcls.models WHERE name = 'ag_minilm'")" ] || return 0
    run "CREATE TABLE ag AS SELECT text, label FROM ag_news_test LIMIT 256;
        CREATE TABLE ag_rows AS SELECT text, label FROM ag_news_train ORDER BY md5(text) LIMIT 3000; ANALYZE"
    finetune ag_rows ag_minilm minilm '{"num_train_epochs": 1, "learning_rate": 5e-5, "batch_size": 16, "training_workers": 2}' >/dev/null || exit 1
    note "int8 on validation rows" "$(value "SELECT int8_rows || ' rows, agreement ' || round(int8_agreement::numeric, 4) FROM textcls.model_versions WHERE model = 'ag_minilm'")"
    csv "SELECT text FROM ag" "$SETUP_WORK/ag.csv"
}

precisions() { value "SELECT name FROM (VALUES ('fp32'), ('bf16'), ('int8')) p (name)
    WHERE EXISTS (SELECT FROM textcls.engine() e WHERE e.name = p.name || ' kernel' AND e.value NOT LIKE 'none%')"; }

# rates KEY MODEL TABLE: each way to call, each precision.
rates()
{
    local precision set

    for precision in $(precisions); do
        set="SET max_parallel_workers_per_gather = 0; SET textcls.precision = $precision"
        note "$1 textcls $precision, one by one" "$(texts_per_second "$set; SET textcls.batch = off" "textcls.classify(text, '$2')" "$3")" texts/s
        note "$1 textcls $precision, scan" "$(texts_per_second "$set" "textcls.classify(text, '$2')" "$3")" texts/s
    done
}

measure_infer()
{
    minilm_classifier
    run "CREATE TABLE ag_wide AS SELECT text FROM ag_news_test LIMIT 1024; ANALYZE ag_wide"
    rates minilm ag_minilm ag
    note "minilm textcls auto, scan" "$(texts_per_second "SET max_parallel_workers_per_gather = 0" "textcls.classify(text, 'ag_minilm')" ag)" texts/s
    note "minilm textcls auto, scan, 1,024 rows" "$(texts_per_second "SET max_parallel_workers_per_gather = 0" "textcls.classify(text, 'ag_minilm')" ag_wide)" texts/s
    note "minilm textcls auto, two processes, 1,024 rows" "$(texts_per_second "SET max_parallel_workers_per_gather = 1" "textcls.classify(text, 'ag_minilm')" ag_wide)" texts/s
    peers "minilm peer" infer "$TEXTCLS_MINILM" "$SETUP_WORK/ag.csv" --engines "$ENGINES"
    peers "minilm 2 threads peer" infer "$TEXTCLS_MINILM" "$SETUP_WORK/ag.csv" --threads 2 --engines "$ENGINES"
    row "MiniLM, AG News, SQL scan, auto, one process" "$(kept 'minilm textcls auto, scan')" "minilm peer" "3"
    row "MiniLM, AG News, SQL scan, fp32, one process" "$(kept 'minilm textcls fp32, scan')" "minilm peer" ""
    row "MiniLM, AG News, SQL scan, auto, two processes" "$(kept 'minilm textcls auto, two processes, 1,024 rows')" "minilm 2 threads peer" ""
}

# The whole statement for one short text: a client that sends one after another.
measure_short()
{
    minilm_classifier
    load trec
    run "CREATE TABLE short AS SELECT row_number() OVER () AS id, text FROM trec_test; ALTER TABLE short ADD PRIMARY KEY (id); ANALYZE short"
    csv "SELECT text FROM short" "$SETUP_WORK/short.csv"
    printf '%s\n' '\set id random(1, 500)' "SELECT textcls.classify(text, 'ag_minilm') FROM short WHERE id = :id;" >"$SETUP_WORK/short.sql"
    note "short textcls auto" "$(setup_as_owner "$SETUP_BIN/pgbench" -n -T 10 -f "$SETUP_WORK/short.sql" | sed -n 's/^tps = \([0-9.]*\).*/\1/p')" "statements/s"
    peers "short peer" infer "$TEXTCLS_MINILM" "$SETUP_WORK/short.csv" --engines "$ENGINES"
    sed -i '/^short peer .*batch 32/d' "$SETUP_WORK/figures"
    row "one TREC question, whole statement, auto" "$(kept 'short textcls auto')" "short peer" "3"
}

measure_bert()
{
    minilm_classifier
    "$PEER_PYTHON" "$BENCH/peers.py" make-bert-base "$TEXTCLS_MINILM" "$SETUP_WORK/bert" 2>>"$SETUP_WORK/peers.log"
    chmod -R a+rX "$SETUP_WORK/bert"
    run "SELECT textcls.import_model('bert', '$SETUP_WORK/bert'); CREATE TABLE ag_few AS SELECT text FROM ag LIMIT 64; ANALYZE ag_few"
    csv "SELECT text FROM ag_few" "$SETUP_WORK/ag_few.csv"
    rates bert bert ag_few
    peers "bert peer" infer "$SETUP_WORK/bert" "$SETUP_WORK/ag_few.csv" --engines "$ENGINES"
    row "BERT-base shape, AG News, SQL scan, int8" "$(kept 'bert textcls int8, scan')" "bert peer" "2.5"
    row "BERT-base shape, AG News, SQL scan, fp32" "$(kept 'bert textcls fp32, scan')" "bert peer" ""
}

measure_tokenize()
{
    minilm
    load ag_news
    csv "SELECT text FROM ag_news_test" "$SETUP_WORK/tokenize.csv"
    setup_make -C test/bench "-j$(nproc)" build/bench_tokenizer >/dev/null 2>&1 || exit 1
    "$PEER_PYTHON" "$BENCH/peers.py" frame "$SETUP_WORK/tokenize.csv" >"$SETUP_WORK/tokenize.framed"
    "$SETUP_TREE/test/bench/build/bench_tokenizer" "$TEXTCLS_MINILM/tokenizer.json" <"$SETUP_WORK/tokenize.framed" |
        while IFS='|' read -r name rate unit; do note "tokenize $name" "$rate" "$unit"; done
    peers "tokenize peer" tokenize "$TEXTCLS_MINILM" "$SETUP_WORK/tokenize.csv"
    [ "$(kept 'tokenize textcls tokens')" = "$(kept 'tokenize peer tokenizers tokens')" ] || setup_fail "the tokenizers differ"
    row "tokenizing AG News, MB/s" "$(kept 'tokenize textcls')" "tokenize peer" "10"
}

# training WORKERS: texts/s of a whole job, loading and saving included.
training()
{
    local job

    job=$(finetune trec_rows "trec_$1" minilm "{\"num_train_epochs\": 1, \"batch_size\": 16, \"learning_rate\": 5e-5, \"split\": \"none\",
        \"max_length\": 128, \"training_workers\": $1}") || exit 1
    value "SELECT round((SELECT count(*) FROM trec_rows) / $(seconds "$job"), 1)"
}

measure_train()
{
    local threads

    minilm
    load trec
    run "CREATE TABLE trec_rows AS SELECT text, label FROM trec_train LIMIT 1600"
    csv "SELECT text, label FROM trec_rows" "$SETUP_WORK/trec_rows.csv"
    csv "SELECT text, label FROM trec_test" "$SETUP_WORK/trec_test.csv"
    note "train textcls, 1 worker" "$(training 1)" texts/s
    note "train textcls, 2 workers" "$(training 2)" texts/s
    for threads in 1 2; do
        peers "train peer" finetune "$TEXTCLS_MINILM" "$SETUP_WORK/trec_rows.csv" "$SETUP_WORK/trec_test.csv" --threads $threads
    done
    sed -i '/^train peer .*accuracy/d' "$SETUP_WORK/figures"
    row "fine-tuning MiniLM on TREC, texts/s, two workers" "$(kept 'train textcls, 2 workers')" "train peer" "5"
    row "fine-tuning MiniLM on TREC, texts/s, one worker" "$(kept 'train textcls, 1 worker')" "train peer torch fp32, 1" ""
}

# Sessions that have classified and wait: what each adds.
measure_memory()
{
    local fifo=$SETUP_WORK/hold session pid

    minilm_classifier
    mkfifo "$fifo"
    for session in $(seq 24); do
        { echo "SELECT textcls.classify(repeat('some words to judge ', 20), 'ag_minilm');"; cat "$fifo"; } |
            setup_psql -At >/dev/null &
    done
    exec 9>"$fifo"
    sleep 10
    for pid in $(value "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE '%some words%' AND pid <> pg_backend_pid()"); do
        awk -v pid="$pid" '/^Pss:/ { pss += $2 } /^Private_(Clean|Dirty):/ { private += $2 }
            END { printf "%s %d %d\n", pid, pss, private }' "/proc/$pid/smaps_rollup"
    done >"$SETUP_WORK/memory"
    exec 9>&-
    wait
    note "sessions with MiniLM in use" "$(wc -l <"$SETUP_WORK/memory")"
    note "Pss of all, MB" "$(awk '{ s += $2 } END { printf "%.1f", s / 1024 }' "$SETUP_WORK/memory")"
    note "private memory of one, MB, most" "$(sort -k3n "$SETUP_WORK/memory" | awk 'END { printf "%.1f", $3 / 1024 }')"
}

measure_first()
{
    minilm_classifier
    run "SELECT textcls.classify('hello world', 'ag_minilm')"
    note "first call of a session, ms" "$(for _ in 1 2 3 4 5; do setup_psql -At -c '\timing on' -c "SELECT textcls.classify('hello world', 'ag_minilm')" |
        sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; done | sort -n | sed -n 3p)" "median of five sessions"
    note "a warm call, ms" "$(milliseconds "SELECT 1" "SELECT textcls.classify('hello world', 'ag_minilm')")"
}

# The limit of the matrix products on this machine, and where the rest of an encoder pass goes.
measure_roofline()
{
    setup_make -C test/bench "-j$(nproc)" build/bench_packed build/bench_network >/dev/null 2>&1 || exit 1
    "$SETUP_TREE/test/bench/build/bench_packed"
    for part in inference training; do "$SETUP_TREE/test/bench/build/bench_network" minilm $part; done
}

# What lower precision changes: labels that differ from fp32 and accuracy, on test rows.
measure_accuracy()
{
    local set options precision rows

    minilm
    while read -r set rows options; do
        load "$set"
        run "CREATE TABLE $set AS SELECT text, label FROM ${set}_train ORDER BY md5(text) LIMIT $rows"
        finetune "$set" "$set" minilm "$options" >/dev/null || exit 1
        note "$set validation" "$(value "SELECT coalesce(metrics ->> 'int8', 'none') FROM textcls.model_versions WHERE model = '$set'")"
        for precision in $(precisions); do
            run "SET textcls.precision = $precision; CREATE TABLE ${set}_$precision AS SELECT label, textcls.classify(text, '$set') AS answer, text FROM ${set}_test"
            note "$set $precision accuracy" "$(value "SELECT round(100 * avg((label = answer)::int), 2) FROM ${set}_$precision")" "%"
            note "$set $precision as fp32" "$(value "SELECT round(100 * avg((a.answer = b.answer)::int), 2) FROM (SELECT *, row_number() OVER () AS n FROM ${set}_$precision) a
                JOIN (SELECT *, row_number() OVER () AS n FROM ${set}_fp32) b USING (n)")" "% of $(value "SELECT count(*) FROM ${set}_test") labels"
        done
    done <<'SETS'
ag_news 8000 {"num_train_epochs": 1, "learning_rate": 5e-5, "batch_size": 16, "training_workers": 2}
trec 6000 {"num_train_epochs": 3, "learning_rate": 5e-5, "batch_size": 16, "training_workers": 2}
sst2 7000 {"num_train_epochs": 2, "learning_rate": 5e-5, "batch_size": 16, "training_workers": 2}
banking77 11000 {"num_train_epochs": 3, "learning_rate": 2e-4, "batch_size": 16, "training_workers": 2}
SETS
}

setup_begin
: >"$SETUP_WORK/figures"
setup_make "-j$(nproc)" || exit 1
setup_install_extension
setup_cluster "shared_buffers = 512MB" "maintenance_work_mem = 256MB"
run "CREATE EXTENSION textcls"
setup_section "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, $(date +%F), commit $(git -C "$SETUP_ROOT" rev-parse --short HEAD 2>/dev/null)"
value "SELECT name || ': ' || value FROM textcls.engine()"
for part in ${*:-infer short bert tokenize train memory first roofline}; do
    setup_section "$part"
    "measure_$part" || exit 1
done
if [ -s "$SETUP_WORK/table" ]; then
    setup_section "against the best peer"
    echo "| what | textcls | peer | which | ratio | target |"
    echo "|---|---|---|---|---|---|"
    cat "$SETUP_WORK/table"
fi

#!/bin/bash
# demo.sh: set up, and run the main job on real text: fine-tune, evaluate, classify, tag.
#
# The text is what the machine itself has, the one-line descriptions of
# Debian's packages with their sections; where there is no apt, messages.csv.
# Leaves nothing running; KEEP=1 keeps the server and says how to reach it.
set -u
DEMO=$(cd "$(dirname "$0")" && pwd)
. "$DEMO/../setup.sh"

finish()
{
    local status=$?

    if [ -n "${KEEP:-}" ] && [ "$status" -eq 0 ]; then
        setup_section "The server is kept"
        echo "  psql -h $PGHOST -p $PGPORT -U postgres"
        echo "  stop it:  $([ "$(id -u)" -ne 0 ] || echo 'runuser -u postgres -- ')$SETUP_BIN/pg_ctl -D $SETUP_DATA stop; rm -rf $SETUP_WORK"
        return
    fi
    setup_end
    [ "$status" -eq 0 ] || echo "demo.sh: failed" >&2
}
trap finish EXIT
trap 'exit 130' INT TERM

# Run SQL for its effect.
run() { setup_psql -c "$1" >/dev/null || exit 1; }

# One value.
value() { setup_psql -At -c "$1" || exit 1; }

# Show a statement and its result.
show()
{
    echo "$1" | sed 's/^/  /'
    echo
    setup_psql -P footer=off -P linestyle=unicode -P null=- -c "$1" >"$SETUP_WORK/result" || exit 1
    sed 's/^./  &/' "$SETUP_WORK/result"
}

# Load "label,text" lines of standard input and put a random fifth aside.
load()
{
    run "CREATE TABLE loaded ($LABEL text, $TEXT text)"
    setup_psql -c "COPY loaded FROM STDIN (FORMAT csv)" || exit 1
    setup_psql -c "SELECT setseed(0.5)" -c "CREATE TABLE shuffled AS SELECT *, random() < 0.2 AS is_test FROM loaded" >/dev/null || exit 1
    run "CREATE TABLE ${TABLE} AS SELECT $LABEL, $TEXT FROM shuffled WHERE NOT is_test"
    run "CREATE TABLE ${TABLE}_test AS SELECT $LABEL, $TEXT FROM shuffled WHERE is_test"
    run "DROP TABLE loaded, shuffled"
}

choose_text()
{
    "$DEMO/debian_sections.sh" >"$SETUP_WORK/text.csv"
    if [ "$(wc -l <"$SETUP_WORK/text.csv")" -ge 2000 ]; then
        TABLE=packages LABEL=section TEXT=description
        WHAT="the one-line descriptions of Debian's packages, from this machine's package lists; the label is the section"
        FRESH="('board game for two players with a computer opponent'),
             ('solves systems of linear equations with sparse matrices'),
             ('plays and records audio in many formats'),
             ('HTTP server with support for virtual hosts'),
             ('protein sequence alignment for genome research'),
             ('monospaced typeface for programmers')"
        INCOMING="('spam filter for incoming e-mail'), ('photo editor with layers and brushes'), (NULL)"
    else
        cp "$DEMO/messages.csv" "$SETUP_WORK/text.csv"
        TABLE=messages LABEL=topic TEXT=body
        WHAT="short messages to a shop, written for this demo, since there are no Debian package lists here; the label is the topic. They are few to learn a language from"
        FRESH="('I was charged twice this month'),
             ('the parcel still has not turned up'),
             ('the app closes as soon as I open a photo'),
             ('wonderful service, thank you so much')"
        INCOMING="('please send me a copy of the invoice'), ('where is the courier with my order?'), (NULL)"
    fi
}

# Poll the job until it ends: one line on a terminal, a line at every tenth otherwise.
follow()
{
    local line state percent shown=-1 began=$SECONDS

    while :; do
        line=$(value "SELECT concat_ws('|', state, coalesce(trunc(percent), 0),
            format('%s  %s %% %s %s %s', rpad(coalesce(phase, state), 12), lpad(coalesce(percent, 0)::text, 5),
                coalesce('  step ' || step || ' of ' || total_steps, ''),
                coalesce('  loss ' || round(loss::numeric, 3), ''),
                coalesce('  left ' || to_char(eta, 'MI:SS'), '')))
            FROM textcls.jobs WHERE id = $1")
        state=${line%%|*}
        line=${line#*|}
        percent=${line%%|*}
        line=$(printf '  %02d:%02d  %s' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)) "${line#*|}")
        if [ -t 1 ]; then
            printf '\r%-100s' "$line"
        elif [ $((percent / 10)) -gt "$shown" ]; then
            shown=$((percent / 10))
            echo "$line"
        fi
        case $state in
            queued | running) sleep 1 ;;
            *) break ;;
        esac
    done
    [ ! -t 1 ] || echo
    echo
    # Raises the job's error if it failed.
    echo "  the job is $(value "SELECT textcls.wait_job($1)") after $((SECONDS - began)) s"
}

setup_section "1. Set up: packages, build, a server of our own"
setup_begin
setup_make "-j$(nproc)" || exit 1
setup_install_extension
setup_cluster
run "CREATE EXTENSION textcls"
echo "  $(value "SELECT 'PostgreSQL ' || current_setting('server_version')"), textcls $(value "SELECT extversion FROM pg_extension WHERE extname = 'textcls'"), ready after $SECONDS s"

choose_text
setup_section "2. The text"
load <"$SETUP_WORK/text.csv"
echo "  $WHAT."
echo "  $(value "SELECT count(*) FROM $TABLE") rows to learn from in table $TABLE, $(value "SELECT count(*) FROM ${TABLE}_test") rows put aside in ${TABLE}_test."
echo
show "SELECT $LABEL, count(*), (array_agg($TEXT ORDER BY abs(length($TEXT) - 40), md5($TEXT)))[1] AS example
FROM $TABLE GROUP BY $LABEL ORDER BY count(*) DESC;"

setup_section "3. Fine-tune, in the background"
echo "  SELECT textcls.finetune('$TABLE', '$LABEL');"
echo
job=$(value "SELECT textcls.finetune('$TABLE', '$LABEL')")
echo "  This returned job $job at once.  A background worker learns a vocabulary from the table and trains a small"
echo "  transformer encoder from scratch; the view textcls.jobs shows how far it is:"
echo
follow "$job"
echo
echo "  After each epoch it was measured on validation rows, and the best weights were kept:"
echo
show "SELECT round(epoch::numeric, 1) AS epoch, step, round(eval_loss::numeric, 3) AS loss,
  round(eval_accuracy::numeric, 3) AS accuracy, round(eval_macro_f1::numeric, 3) AS macro_f1
FROM textcls.training_log WHERE job = $job AND eval_loss IS NOT NULL ORDER BY step;"

setup_section "4. Evaluate on the rows it has never seen"
run "CREATE TABLE result AS SELECT * FROM textcls.evaluate('${TABLE}_test', '$LABEL')"
accuracy=$(value "SELECT round(value::numeric, 3) FROM result WHERE label IS NULL AND metric = 'accuracy'")
echo "  SELECT * FROM textcls.evaluate('${TABLE}_test', '$LABEL');"
echo
echo "  accuracy  $accuracy"
echo "  macro F1  $(value "SELECT round(value::numeric, 3) FROM result WHERE label IS NULL AND metric = 'macro_f1'")"
echo "  (always answering the most frequent $LABEL: $(value "SELECT round(max(n) / sum(n), 3) FROM (SELECT count(*) AS n FROM ${TABLE}_test GROUP BY $LABEL) c"))"
echo
setup_psql -P footer=off -P linestyle=unicode -c "
    SELECT label AS $LABEL,
        round(max(value::numeric) FILTER (WHERE metric = 'precision'), 3) AS precision,
        round(max(value::numeric) FILTER (WHERE metric = 'recall'), 3) AS recall,
        round(max(value::numeric) FILTER (WHERE metric = 'f1'), 3) AS f1, max(n) AS rows
    FROM result WHERE label IS NOT NULL GROUP BY label ORDER BY max(n) DESC, label" | sed 's/^./  &/'
echo "  What it mixes up most:"
echo
show "SELECT expected, predicted, n FROM textcls.confusion_matrix('${TABLE}_test', '$LABEL')
WHERE expected <> predicted ORDER BY n DESC, 1, 2 LIMIT 5;"

setup_section "5. Classify fresh sentences"
show "SELECT t.$TEXT, p.label, round(p.score::numeric, 2) AS score, round(p.margin::numeric, 2) AS margin
FROM (VALUES $FRESH) AS t ($TEXT),
  textcls.predict(t.$TEXT) AS p;"

setup_section "6. A trigger that tags new rows"
run "CREATE TABLE inbox (id int GENERATED ALWAYS AS IDENTITY, $TEXT text, $LABEL text)"
statement="CREATE TRIGGER tag BEFORE INSERT OR UPDATE OF $TEXT ON inbox
  FOR EACH ROW EXECUTE FUNCTION textcls.tag('$TEXT', '$LABEL', '$TABLE');"
echo "$statement" | sed 's/^/  /'
run "$statement"
statement="INSERT INTO inbox ($TEXT) VALUES $INCOMING;"
echo "  $statement"
run "$statement"
show "SELECT * FROM inbox ORDER BY id;"

setup_section "Done in $((SECONDS / 60)) min $((SECONDS % 60)) s: accuracy $accuracy on unseen rows"

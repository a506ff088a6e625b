/*
 * evaluate_api.c
 *		evaluate() and confusion_matrix(): a model against a table of labelled texts.
 *
 * The table is read with the caller's rights by a cursor; memory does not grow with its rows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api/tally.h"
#include "bridge/host_pg.h"
#include "jobs/relation.h"
#include "query/scoring.h"

PG_FUNCTION_INFO_V1(textcls_evaluate);
PG_FUNCTION_INFO_V1(textcls_confusion_matrix);

#define FETCH_ROWS 1000
#define BATCH_BYTES (4 * 1024 * 1024)	/* of texts that are held at a time */

/* Rows that wait for one run of the model. */
typedef struct Batch
{
	MemoryContext memory;
	TclsText	texts[FETCH_ROWS];
	bool		is_cut[FETCH_ROWS];
	int32	   *expected[FETCH_ROWS];	/* indexes of labels */
	int32		num_expected[FETCH_ROWS];
	int			count;
	size_t		bytes;
} Batch;

static void
run_batch(TclsTally *tally, Batch *batch)
{
	int32		columns = tcls_classifier_columns(tally->scoring->model);
	MemoryContext caller = MemoryContextSwitchTo(batch->memory);
	TclsPredictions out = {0};

	out.probabilities = palloc_array(float, mul_size(batch->count, columns));
	out.is_truncated = palloc_array(bool, batch->count + 1);
	tcls_scoring_run(&out, tally->scoring, batch->texts, batch->count);
	for (int i = 0; i < batch->count; i++)
	{
		tcls_tally_add(tally, batch->expected[i], batch->num_expected[i], out.probabilities + (size_t) i * columns);
		if (out.is_truncated[i] || batch->is_cut[i])
			tally->truncated++;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(batch->memory);
	batch->count = 0;
	batch->bytes = 0;
}

/* Labels that a row expects, NULL and empty ones left out; an array where the model is multi-label. */
static int32
read_expected(TclsTally *tally, int32 **expected, Datum value)
{
	Datum	   *labels = &value;
	bool		is_null = false;
	bool	   *nulls = &is_null;
	int			count = 1;
	int32		found = 0;

	if (tally->multi_label)
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &labels, &nulls, &count);
	*expected = palloc_array(int32, count + 1);
	for (int i = 0; i < count; i++)
	{
		size_t		size;
		const char *name;

		if (nulls[i])
			continue;
		name = tcls_host_utf8(&size, DatumGetTextPP(labels[i]));
		if (size > 0)
			(*expected)[found++] = tcls_tally_label(tally, name, size);
	}
	return found;
}

/* A text without any label is a row like others for a multi-label model, NULL is none. */
static void
read_row(TclsTally *tally, Batch *batch, HeapTuple row, TupleDesc columns)
{
	bool		no_label;
	bool		no_text;
	Datum		label = SPI_getbinval(row, columns, 1, &no_label);
	Datum		input = SPI_getbinval(row, columns, 2, &no_text);
	int			i = batch->count;
	MemoryContext caller;

	if (no_label || no_text)
	{
		tally->skipped++;
		return;
	}
	caller = MemoryContextSwitchTo(batch->memory);
	batch->texts[i] = tcls_scoring_text(&batch->is_cut[i], input);
	if (tcls_relation_is_blank(batch->texts[i].data, batch->texts[i].size))
		batch->num_expected[i] = -1;
	else
		batch->num_expected[i] = read_expected(tally, &batch->expected[i], label);
	MemoryContextSwitchTo(caller);
	if (batch->num_expected[i] < 0 || (batch->num_expected[i] == 0 && !tally->multi_label))
	{
		tally->skipped++;
		return;
	}
	batch->bytes += batch->texts[i].size;
	batch->count++;
	if (batch->count == FETCH_ROWS || batch->bytes >= BATCH_BYTES)
		run_batch(tally, batch);
}

typedef struct Reader
{
	TclsTally  *tally;
	Batch	   *batch;
} Reader;

static void
read_portion(void *context)
{
	const Reader *reader = context;

	for (uint64 i = 0; i < SPI_processed; i++)
		read_row(reader->tally, reader->batch, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	run_batch(reader->tally, reader->batch);
}

static void
read_relation(TclsTally *tally, const TclsRelation *relation)
{
	Batch	   *batch = palloc0(sizeof(Batch));
	Reader		reader = {tally, batch};
	char	   *query;

	batch->memory = AllocSetContextCreate(CurrentMemoryContext, "textcls batch", ALLOCSET_DEFAULT_SIZES);
	query = psprintf("SELECT %s::pg_catalog.text%s, %s::pg_catalog.text FROM %s",
					 quote_identifier(relation->label_column), relation->multi_label ? "[]" : "",
					 quote_identifier(relation->text_column), relation->qualified);
	tcls_relation_read(query, FETCH_ROWS, read_portion, &reader);
	MemoryContextDelete(batch->memory);
}

static void
check_labels_match(const TclsScoring *scoring, const TclsRelation *relation)
{
	bool		multi_label = scoring->model->config.numbers.problem == TCLS_MULTI_LABEL;

	if (multi_label == relation->multi_label)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 multi_label ?
			 errmsg("column \"%s\" must be an array: model \"%s\" gives a text any number of labels",
					relation->label_column, scoring->version->model) :
			 errmsg("column \"%s\" must not be an array: model \"%s\" gives a text one label",
					relation->label_column, scoring->version->model)));
}

/* The arguments are (relation, label_column, text_column, model, version). */
static TclsRelation *
begin_evaluation(TclsScoring *scoring, FunctionCallInfo fcinfo)
{
	TclsRelation *relation;
	char	   *text_column = PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2));
	char	   *model = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	int32		version = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4);

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation and label_column must not be NULL")));
	relation = tcls_relation_resolve(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)), text_column);
	tcls_scoring_begin(scoring, model, version, InvalidOid);
	tcls_scoring_require_labels(scoring);
	check_labels_match(scoring, relation);
	return relation;
}

static void
fill_tally(TclsTally *tally, const TclsScoring *scoring, const TclsRelation *relation)
{
	tcls_tally_create(tally, scoring);
	read_relation(tally, relation);
	if (tally->rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation \"%s\" has no row with both a text and a label", relation->name),
				 errdetail("%lld rows were read.", (long long) tally->skipped)));
}

/* label NULL: of the whole; n: rows behind the value. */
static void
put_metric(ReturnSetInfo *result, const char *label, const char *metric, double value, int64 n)
{
	Datum		values[4];
	bool		nulls[4] = {label == NULL};

	values[0] = label == NULL ? (Datum) 0 : PointerGetDatum(tcls_host_text(label, strlen(label)));
	values[1] = CStringGetTextDatum(metric);
	values[2] = Float8GetDatum(value);
	values[3] = Int64GetDatum(n);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_class(ReturnSetInfo *result, const char *label, const TclsClassMetrics *metrics)
{
	put_metric(result, label, "precision", metrics->precision, metrics->support);
	put_metric(result, label, "recall", metrics->recall, metrics->support);
	put_metric(result, label, "f1", metrics->f1, metrics->support);
	put_metric(result, label, "support", (double) metrics->support, metrics->support);
}

static void
put_one_label_metrics(ReturnSetInfo *result, const TclsTally *tally)
{
	TclsConfusion confusion;
	TclsSummary summary;

	tcls_tally_confusion(&confusion, tally);
	tcls_host_check(tcls_confusion_summary(&summary, &confusion, tally->scoring->host), tally->scoring->host);
	put_metric(result, NULL, "accuracy", summary.accuracy, tally->rows);
	put_metric(result, NULL, "balanced_accuracy", summary.balanced_accuracy, tally->rows);
	put_metric(result, NULL, "macro_f1", summary.macro.f1, tally->rows);
	put_metric(result, NULL, "weighted_f1", summary.weighted.f1, tally->rows);
	put_metric(result, NULL, "mcc", summary.mcc, tally->rows);
	for (int32 i = 0; i < tally->num_labels; i++)
	{
		TclsClassMetrics metrics = tcls_confusion_class(&confusion, i);

		put_class(result, tally->labels[i], &metrics);
	}
}

static void
put_many_label_metrics(ReturnSetInfo *result, const TclsTally *tally)
{
	TclsSummary summary;

	tcls_host_check(tcls_multi_label_summary(&summary, &tally->counts, tally->scoring->host), tally->scoring->host);
	put_metric(result, NULL, "subset_accuracy", summary.accuracy, tally->rows);
	put_metric(result, NULL, "micro_f1", summary.micro.f1, tally->rows);
	put_metric(result, NULL, "macro_f1", summary.macro.f1, tally->rows);
	put_metric(result, NULL, "weighted_f1", summary.weighted.f1, tally->rows);
	for (int32 i = 0; i < tally->num_labels; i++)
	{
		TclsClassMetrics metrics = tcls_multi_label_class(&tally->counts, i);

		put_class(result, tally->labels[i], &metrics);
	}
}

Datum
textcls_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TclsScoring scoring;
	TclsTally	tally;

	fill_tally(&tally, &scoring, begin_evaluation(&scoring, fcinfo));
	if (tally.multi_label)
		put_many_label_metrics(result, &tally);
	else
		put_one_label_metrics(result, &tally);
	if (tally.loss_rows > 0)
		put_metric(result, NULL, "loss", tally.loss / tally.loss_rows, tally.loss_rows);
	put_metric(result, NULL, "truncated", (double) tally.truncated, tally.rows);
	put_metric(result, NULL, "skipped", (double) tally.skipped, tally.rows + tally.skipped);
	put_metric(result, NULL, "unknown_labels", (double) (tally.num_labels - tally.num_known), tally.rows);
	tcls_scoring_end(&scoring);
	PG_RETURN_NULL();
}

Datum
textcls_confusion_matrix(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TclsScoring scoring;
	TclsRelation *relation;
	TclsTally	tally;
	TclsCell  **cells;
	int64		count;

	relation = begin_evaluation(&scoring, fcinfo);
	if (relation->multi_label)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("there is no confusion matrix of model \"%s\", which gives a text any number of labels",
						scoring.version->model),
				 errhint("textcls.evaluate() counts each label by itself.")));
	fill_tally(&tally, &scoring, relation);
	cells = tcls_tally_cells(&tally, &count);
	for (int64 i = 0; i < count; i++)
	{
		const char *expected = tally.labels[cells[i]->expected];
		const char *predicted = tally.labels[cells[i]->predicted];
		Datum		values[3];
		bool		nulls[3] = {0};

		values[0] = PointerGetDatum(tcls_host_text(expected, strlen(expected)));
		values[1] = PointerGetDatum(tcls_host_text(predicted, strlen(predicted)));
		values[2] = Int64GetDatum(cells[i]->rows);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	tcls_scoring_end(&scoring);
	PG_RETURN_NULL();
}

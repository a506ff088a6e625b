/*
 * precision_api.c
 *		set_precision() and measure_precision(): what a model computes in, and whether int8 is good enough for it.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "bridge/settings.h"
#include "jobs/relation.h"
#include "query/scoring.h"
#include "store/catalog_rows.h"
#include "store/model_precision.h"

PG_FUNCTION_INFO_V1(textcls_set_precision);
PG_FUNCTION_INFO_V1(textcls_measure_precision);

#define FETCH_ROWS 256

/* Rows on which the two precisions are compared. */
typedef struct Measure
{
	TclsScoring fp32;
	TclsScoring int8;			/* the same call with the other ready model */
	const TclsRelation *relation;
	MemoryContext memory;		/* of the rows fetched last */
	int64		rows;
	int64		equal;			/* with the same answer */
	int64		right[2];		/* answered as the table says, by fp32 and int8 */
} Measure;

Datum
textcls_set_precision(PG_FUNCTION_ARGS)
{
	char	   *model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *word = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			precision;

	PreventCommandIfReadOnly("textcls.set_precision()");
	if (!tcls_settings_read_precision(&precision, word))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid precision: \"%s\"", word),
				 errhint("Use \"auto\", \"fp32\", \"bf16\" or \"int8\".")));
	tcls_catalog_set_precision(model, precision);
	PG_RETURN_VOID();
}

/* The label, or of a multi-label model the labels of at least one half, are the same. */
static bool
answers_equal(const TclsScoring *scoring, const float *a, const float *b)
{
	if (scoring->model->config.numbers.problem != TCLS_MULTI_LABEL)
		return tcls_scoring_best(scoring, a) == tcls_scoring_best(scoring, b);
	for (int32 i = 0; i < tcls_classifier_columns(scoring->model); i++)
		if ((a[i] >= 0.5f) != (b[i] >= 0.5f))
			return false;
	return true;
}

static bool
is_right(const TclsScoring *scoring, const float *probabilities, const char *label)
{
	text	   *said = tcls_scoring_label(scoring, tcls_scoring_best(scoring, probabilities));

	return label != NULL && strcmp(text_to_cstring(said), label) == 0;
}

/* The rows in SPI_tuptable: a text, and where the relation has a label column, a label. */
static void
compare_rows(Measure *measure)
{
	TclsText   *texts = palloc_array(TclsText, SPI_processed);
	char	  **labels = palloc0_array(char *, SPI_processed);
	int32		columns = tcls_classifier_columns(measure->fp32.model);
	int32		count = 0;
	float	   *plain;
	float	   *other;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		bool		is_cut;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		if (isnull)
			continue;
		texts[count] = tcls_scoring_text(&is_cut, value);
		if (tcls_relation_is_blank(texts[count].data, texts[count].size))
			continue;
		if (measure->relation->label_column != NULL)
			labels[count] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
		count++;
	}
	plain = tcls_scoring_probabilities(&measure->fp32, texts, count);
	other = tcls_scoring_probabilities(&measure->int8, texts, count);
	for (int32 i = 0; i < count; i++, plain += columns, other += columns)
	{
		measure->equal += answers_equal(&measure->fp32, plain, other);
		measure->right[0] += is_right(&measure->fp32, plain, labels[i]);
		measure->right[1] += is_right(&measure->int8, other, labels[i]);
	}
	measure->rows += count;
}

static void
compare_portion(void *context)
{
	Measure    *measure = context;
	MemoryContext caller = MemoryContextSwitchTo(measure->memory);

	compare_rows(measure);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(measure->memory);
}

static void
compare_relation(Measure *measure)
{
	const TclsRelation *relation = measure->relation;
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s::pg_catalog.text", quote_identifier(relation->text_column));
	if (relation->label_column != NULL)
		appendStringInfo(&query, ", %s::pg_catalog.text", quote_identifier(relation->label_column));
	appendStringInfo(&query, " FROM %s", relation->qualified);
	measure->memory = AllocSetContextCreate(CurrentMemoryContext, "textcls measure", ALLOCSET_DEFAULT_SIZES);
	tcls_relation_read(query.data, FETCH_ROWS, compare_portion, measure);
}

/* The arguments are (model, relation, text_column, label_column). */
static void
begin_measure(Measure *measure, FunctionCallInfo fcinfo)
{
	char	   *text_column = PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2));
	char	   *label_column = PG_ARGISNULL(3) ? NULL : NameStr(*PG_GETARG_NAME(3));

	PreventCommandIfReadOnly("textcls.measure_precision()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model and relation must not be NULL")));
	measure->relation = tcls_relation_resolve(PG_GETARG_OID(1), label_column, text_column);
	tcls_scoring_begin_call(&measure->fp32, fcinfo, 0);
	tcls_catalog_check_owner(measure->fp32.version->model, tcls_catalog_versions(measure->fp32.version->model));
	tcls_scoring_require_labels(&measure->fp32);
	if (measure->relation->multi_label || (label_column != NULL &&
										   measure->fp32.model->config.numbers.problem == TCLS_MULTI_LABEL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("labels are only compared where each text has one"),
				 errhint("Leave label_column out: the answers of the two precisions are compared without it.")));
	measure->int8 = measure->fp32;
	measure->fp32.model = tcls_cache_packed_model(measure->fp32.version, tcls_packed_best(TCLS_FP32));
	measure->int8.model = tcls_cache_packed_model(measure->fp32.version, tcls_packed_best(TCLS_INT8));
}

Datum
textcls_measure_precision(PG_FUNCTION_ARGS)
{
	Measure		measure = {.rows = 0};
	TclsInt8Check check;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	begin_measure(&measure, fcinfo);
	compare_relation(&measure);
	if (measure.rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation \"%s\" has no row with a text", measure.relation->name)));
	check.rows = measure.rows;
	check.agreement = measure.equal / (double) measure.rows;
	check.accuracy_change = measure.relation->label_column == NULL ? get_float8_nan() :
		(measure.right[1] - measure.right[0]) / (double) measure.rows;
	tcls_catalog_set_int8(measure.fp32.version, &check);
	tcls_scoring_end(&measure.fp32);
	values[0] = Int64GetDatum(check.rows);
	values[1] = Float8GetDatum(check.agreement);
	values[2] = Float8GetDatum(check.accuracy_change);
	nulls[2] = isnan(check.accuracy_change);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

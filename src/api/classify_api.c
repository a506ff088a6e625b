/*
 * classify_api.c
 *		classify(), predict() and embed(): texts to labels, scored rows and vectors.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "query/scoring.h"

PG_FUNCTION_INFO_V1(textcls_classify);
PG_FUNCTION_INFO_V1(textcls_classify_array);
PG_FUNCTION_INFO_V1(textcls_predict);
PG_FUNCTION_INFO_V1(textcls_predict_array);
PG_FUNCTION_INFO_V1(textcls_embed);

#define DEFAULT_THRESHOLD 0.5f	/* of each label of a multi-label model */

/* The elements of a text[] that are not null, ready for one run. */
typedef struct TextElements
{
	Datum	   *values;			/* (count) all elements */
	bool	   *nulls;			/* (count) */
	int			count;
	TclsText   *texts;			/* (used) the elements that are not null, in their order */
	bool	   *is_cut;			/* (used) */
	int			used;
} TextElements;

static void
read_elements(TextElements *out, ArrayType *array)
{
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &out->values, &out->nulls, &out->count);
	out->texts = palloc_array(TclsText, out->count + 1);
	out->is_cut = palloc_array(bool, out->count + 1);
	out->used = 0;
	for (int i = 0; i < out->count; i++)
	{
		if (out->nulls[i])
			continue;
		out->texts[out->used] = tcls_scoring_text(&out->is_cut[out->used], out->values[i]);
		out->used++;
	}
}

Datum
textcls_classify(PG_FUNCTION_ARGS)
{
	TclsScoring scoring;
	int32		index;
	text	   *label;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tcls_scoring_begin_call(&scoring, fcinfo, 1);
	tcls_scoring_require_one_label(&scoring);
	index = tcls_scoring_classify(&scoring, PG_GETARG_DATUM(0));
	MemoryContextSwitchTo(scoring.caller);
	label = tcls_scoring_label(&scoring, index);
	tcls_scoring_end(&scoring);
	PG_RETURN_TEXT_P(label);
}

/* The labels in place of the texts: an array of the same shape. */
static ArrayType *
label_elements(const TclsScoring *scoring, ArrayType *array)
{
	TextElements elements;
	float	   *row;

	read_elements(&elements, array);
	row = tcls_scoring_probabilities(scoring, elements.texts, elements.used);
	for (int i = 0; i < elements.count; i++)
	{
		if (elements.nulls[i])
			continue;
		elements.values[i] = PointerGetDatum(tcls_scoring_label(scoring, tcls_scoring_best(scoring, row)));
		row += tcls_classifier_columns(scoring->model);
	}
	MemoryContextSwitchTo(scoring->caller);
	return construct_md_array(elements.values, elements.nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
							  TEXTOID, -1, false, TYPALIGN_INT);
}

Datum
textcls_classify_array(PG_FUNCTION_ARGS)
{
	TclsScoring scoring;
	ArrayType  *labels;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tcls_scoring_begin_call(&scoring, fcinfo, 1);
	tcls_scoring_require_one_label(&scoring);
	labels = label_elements(&scoring, PG_GETARG_ARRAYTYPE_P(0));
	tcls_scoring_end(&scoring);
	PG_RETURN_ARRAYTYPE_P(labels);
}

/* Which labels of a text predict() returns. */
typedef struct Selection
{
	int			top_k;			/* at most so many */
	float		threshold;		/* of at least this score */
} Selection;

static Selection
read_selection(FunctionCallInfo fcinfo, const TclsScoring *scoring)
{
	bool		multi_label = scoring->model->config.numbers.problem == TCLS_MULTI_LABEL;
	int			top_k = PG_ARGISNULL(2) ? PG_INT32_MAX : PG_GETARG_INT32(2);
	Selection	result;

	if (top_k < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("top_k must not be negative"),
				 errhint("NULL returns all labels.")));
	result.top_k = top_k > 0 ? top_k : multi_label ? PG_INT32_MAX : 1;
	result.threshold = multi_label ? DEFAULT_THRESHOLD : 0;
	if (!PG_ARGISNULL(3))
		result.threshold = PG_GETARG_FLOAT4(3);
	if (!(result.threshold >= 0 && result.threshold <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must be between 0 and 1")));
	return result;
}

/* Highest score first; equal scores in the order of the labels. */
static int
compare_scores(const void *left, const void *right, void *scores)
{
	int32		a = *(const int32 *) left;
	int32		b = *(const int32 *) right;
	float		score_a = ((const float *) scores)[a];
	float		score_b = ((const float *) scores)[b];

	if (score_a != score_b)
		return score_a > score_b ? -1 : 1;
	return a < b ? -1 : 1;
}

/* What is known of one text beside its scores. */
typedef struct TextFacts
{
	int			index;			/* 1-based, or 0: the form without this column */
	bool		is_truncated;
	int32		n_tokens;
} TextFacts;

static void
put_prediction(ReturnSetInfo *result, const TclsScoring *scoring, const TextFacts *facts,
			   int32 label, float score, int rank, float margin)
{
	Datum		values[8];
	bool		nulls[8] = {0};
	int			n = 0;

	if (facts->index > 0)
		values[n++] = Int32GetDatum(facts->index);
	values[n++] = PointerGetDatum(tcls_scoring_label(scoring, label));
	values[n++] = Float4GetDatum(score);
	values[n++] = Int32GetDatum(rank);
	values[n++] = Float4GetDatum(margin);
	values[n++] = BoolGetDatum(facts->is_truncated);
	values[n++] = Int32GetDatum(facts->n_tokens);
	values[n++] = Int64GetDatum(scoring->version->id);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * The rows of one text.  The margin is how far the decision is from another one: best score minus
 * second best, or with many labels the distance of each score to its threshold.
 */
static void
put_predictions(ReturnSetInfo *result, const TclsScoring *scoring, const TextFacts *facts,
				const Selection *selection, const float *scores)
{
	bool		multi_label = scoring->model->config.numbers.problem == TCLS_MULTI_LABEL;
	int32		columns = tcls_classifier_columns(scoring->model);
	int32	   *order = palloc_array(int32, columns);
	float		lead;

	for (int32 i = 0; i < columns; i++)
		order[i] = i;
	qsort_arg(order, columns, sizeof(int32), compare_scores, unconstify(float *, scores));
	lead = scores[order[0]] - (columns > 1 ? scores[order[1]] : 0);

	for (int32 i = 0; i < columns && i < selection->top_k; i++)
	{
		float		score = scores[order[i]];

		if (score < selection->threshold)
			break;
		put_prediction(result, scoring, facts, order[i], score, i + 1,
					   multi_label ? score - selection->threshold : lead);
	}
	pfree(order);
}

static void
predict_texts(FunctionCallInfo fcinfo, const TclsScoring *scoring, const TextElements *elements, bool with_index)
{
	Selection	selection = read_selection(fcinfo, scoring);
	Size		columns = tcls_classifier_columns(scoring->model);
	TclsPredictions out = {0};
	int			row = 0;

	out.probabilities = MemoryContextAllocHuge(scoring->memory,
											   mul_size(mul_size(elements->used, columns), sizeof(float)));
	out.n_tokens = palloc_array(int32, elements->used + 1);
	out.is_truncated = palloc_array(bool, elements->used + 1);
	tcls_scoring_run(&out, scoring, elements->texts, elements->used);
	for (int i = 0; i < elements->count; i++)
	{
		TextFacts	facts;

		if (elements->nulls[i])
			continue;
		facts.index = with_index ? i + 1 : 0;
		facts.is_truncated = out.is_truncated[row] || elements->is_cut[row];
		facts.n_tokens = out.n_tokens[row];
		put_predictions((ReturnSetInfo *) fcinfo->resultinfo, scoring, &facts, &selection,
						out.probabilities + row * columns);
		row++;
	}
}

/* Rows for no text when it is NULL, as of any strict function that returns a set. */
Datum
textcls_predict(PG_FUNCTION_ARGS)
{
	TclsScoring scoring;
	TextElements elements = {.count = 1,.used = 1};
	TclsText	input;
	bool		is_null = false;
	bool		is_cut;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tcls_scoring_begin_call(&scoring, fcinfo, 1);
	tcls_scoring_require_labels(&scoring);
	input = tcls_scoring_text(&is_cut, PG_GETARG_DATUM(0));
	elements.nulls = &is_null;
	elements.texts = &input;
	elements.is_cut = &is_cut;
	predict_texts(fcinfo, &scoring, &elements, false);
	tcls_scoring_end(&scoring);
	PG_RETURN_NULL();
}

Datum
textcls_predict_array(PG_FUNCTION_ARGS)
{
	TclsScoring scoring;
	TextElements elements;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tcls_scoring_begin_call(&scoring, fcinfo, 1);
	tcls_scoring_require_labels(&scoring);
	read_elements(&elements, PG_GETARG_ARRAYTYPE_P(0));
	predict_texts(fcinfo, &scoring, &elements, true);
	tcls_scoring_end(&scoring);
	PG_RETURN_NULL();
}

static ArrayType *
float_array(const float *values, int count)
{
	Datum	   *datums = palloc_array(Datum, count);
	ArrayType  *result;

	for (int i = 0; i < count; i++)
		datums[i] = Float4GetDatum(values[i]);
	result = construct_array(datums, count, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
	pfree(datums);
	return result;
}

Datum
textcls_embed(PG_FUNCTION_ARGS)
{
	TclsScoring scoring;
	TclsPredictions out = {0};
	TclsText	input;
	ArrayType  *result;
	bool		is_cut;
	int			size;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tcls_scoring_begin_call(&scoring, fcinfo, 1);
	tcls_scoring_require_encoder(&scoring);
	size = scoring.model->config.numbers.hidden_size;
	out.embeddings = palloc_array(float, size);
	input = tcls_scoring_text(&is_cut, PG_GETARG_DATUM(0));
	tcls_scoring_run(&out, &scoring, &input, 1);
	MemoryContextSwitchTo(scoring.caller);
	result = float_array(out.embeddings, size);
	tcls_scoring_end(&scoring);
	PG_RETURN_ARRAYTYPE_P(result);
}

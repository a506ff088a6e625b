/*
 * scoring.c
 *		Resolving, text conversion and the run that the SQL functions share.
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "bridge/host_pg.h"
#include "bridge/settings.h"
#include "query/score_memo.h"
#include "query/scoring.h"

/*
 * The catalog checks privileges against the current user, so the role becomes that for
 * the moment.  An ERROR inside needs no care: aborting a (sub)transaction restores the user.
 * A name from textcls.default_model is the session's word: its user must be allowed too, or
 * whoever may write a row could try all models of the role.
 */
static TclsVersion *
resolve_as(Oid role, const char *model, int32 number)
{
	TclsVersion *version;
	Oid			user;
	int			security;

	if (!OidIsValid(role))
		return tcls_catalog_resolve(model, number);
	if (model == NULL && tcls_setting_default_model[0] != '\0')
		(void) tcls_catalog_resolve(NULL, number);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(role, security | SECURITY_LOCAL_USERID_CHANGE);
	version = tcls_catalog_resolve(model, number);
	SetUserIdAndSecContext(user, security);
	return version;
}

void
tcls_scoring_begin(TclsScoring *scoring, const char *model, int32 number, Oid role)
{
	scoring->memory = AllocSetContextCreate(CurrentMemoryContext, "textcls call", ALLOCSET_DEFAULT_SIZES);
	scoring->caller = MemoryContextSwitchTo(scoring->memory);
	scoring->host = tcls_host_create(scoring->memory);
	scoring->version = resolve_as(role, model, number);
	scoring->model = tcls_cache_model(scoring->version);
}

void
tcls_scoring_end(TclsScoring *scoring)
{
	MemoryContextSwitchTo(scoring->caller);
	MemoryContextDelete(scoring->memory);
}

bool
tcls_scoring_is_encoder(const TclsScoring *scoring)
{
	return strcmp(scoring->version->purpose, "tokenizer") != 0;
}

void
tcls_scoring_require_encoder(const TclsScoring *scoring)
{
	if (!tcls_scoring_is_encoder(scoring))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is a tokenizer and cannot embed", scoring->version->model)));
}

void
tcls_scoring_require_labels(const TclsScoring *scoring)
{
	if (scoring->model->config.num_labels == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has no labels", scoring->version->model),
				 errdetail("It is an encoder without a classification head."),
				 errhint("Make a classifier of it with textcls.finetune(relation, label_column, base_model => '%s').",
						 scoring->version->model)));
}

void
tcls_scoring_require_one_label(const TclsScoring *scoring)
{
	tcls_scoring_require_labels(scoring);
	if (scoring->model->config.numbers.problem == TCLS_MULTI_LABEL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" gives a text any number of labels", scoring->version->model),
				 errhint("Use textcls.predict(), which returns a row for each label over the threshold.")));
}

void
tcls_scoring_begin_call(TclsScoring *scoring, FunctionCallInfo fcinfo, int model_argument)
{
	char	   *model = NULL;

	if (!PG_ARGISNULL(model_argument))
		model = text_to_cstring(PG_GETARG_TEXT_PP(model_argument));
	tcls_scoring_begin(scoring, model, 0, InvalidOid);
	tcls_memo_note_resolved(model);
}

/* tcls_host_utf8() cuts at the limit; a huge value is not even expanded further than that. */
static text *
expand_text(bool *is_cut, Datum value)
{
	Size		limit = (Size) tcls_setting_max_text_kb * 1024;

	*is_cut = toast_raw_datum_size(value) - VARHDRSZ > limit;
	if (*is_cut)
		return DatumGetTextPSlice(value, 0, limit + MAX_MULTIBYTE_CHAR_LEN);
	return DatumGetTextPP(value);
}

TclsText
tcls_scoring_text(bool *is_cut, Datum value)
{
	TclsText	result;

	result.data = tcls_host_utf8(&result.size, expand_text(is_cut, value));
	return result;
}

bool
tcls_scoring_try_text(TclsText *out, Datum value)
{
	bool		is_cut;
	text	   *input = expand_text(&is_cut, value);

	if (!tcls_host_has_utf8(input))
		return false;
	out->data = tcls_host_utf8(&out->size, input);
	return true;
}

/* A NaN compares false with everything and would pass for some label. */
static void
check_finite(const TclsScoring *scoring, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(values[i]))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("model \"%s\" version %d computes values that are not finite",
							scoring->version->model, scoring->version->number),
					 errhint("Its weights are out of range: deploy another version.")));
}

void
tcls_scoring_run(const TclsPredictions *out, const TclsScoring *scoring, const TclsText *texts, int32 count)
{
	const TclsPrepared *model = scoring->model;
	TclsStatus	status;

	if (count == 1 && tcls_memo_find(out, model, texts))
		return;
	status = tcls_classifier_predict(out, model, texts, count, 0, 0, scoring->host);
	if (status != TCLS_OK)
		tcls_host_check_context(status, scoring->host, "The model is \"%s\" version %d.",
								scoring->version->model, scoring->version->number);
	if (out->probabilities != NULL)
		check_finite(scoring, out->probabilities, (size_t) count * tcls_classifier_columns(model));
	if (out->embeddings != NULL)
		check_finite(scoring, out->embeddings, (size_t) count * model->config.numbers.hidden_size);
}

float *
tcls_scoring_probabilities(const TclsScoring *scoring, const TclsText *texts, int32 count)
{
	TclsPredictions out = {0};
	Size		columns = tcls_classifier_columns(scoring->model);

	out.probabilities = MemoryContextAllocHuge(CurrentMemoryContext,
											   mul_size(mul_size(count, columns), sizeof(float)));
	tcls_scoring_run(&out, scoring, texts, count);
	return out.probabilities;
}

int32
tcls_scoring_best(const TclsScoring *scoring, const float *probabilities)
{
	int32		columns = tcls_classifier_columns(scoring->model);
	int32		best = 0;

	if (scoring->model->config.numbers.problem == TCLS_BINARY)
		return probabilities[1] >= 0.5f ? 1 : 0;
	for (int32 i = 1; i < columns; i++)
		if (probabilities[i] > probabilities[best])
			best = i;
	return best;
}

text *
tcls_scoring_label(const TclsScoring *scoring, int32 index)
{
	const char *label = scoring->model->config.labels[index];

	return tcls_host_text(label, strlen(label));
}

int32
tcls_scoring_classify(const TclsScoring *scoring, Datum value)
{
	bool		is_cut;
	TclsText	input = tcls_scoring_text(&is_cut, value);
	float	   *probabilities = tcls_scoring_probabilities(scoring, &input, 1);

	return tcls_scoring_best(scoring, probabilities);
}

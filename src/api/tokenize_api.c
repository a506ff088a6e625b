/*
 * tokenize_api.c
 *		tokenize(): what a model sees of a text.
 */
#include "postgres.h"

#include "funcapi.h"

#include "bridge/host_pg.h"
#include "query/scoring.h"

PG_FUNCTION_INFO_V1(textcls_tokenize);

/* Positions count characters from 0; tokens that stand for no text have 0 and 0. */
static void
put_tokens(ReturnSetInfo *result, const TclsTokenizer *tokenizer, const TclsTokens *tokens)
{
	for (int32 i = 0; i < tokens->count; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {0};
		size_t		size;
		const char *token = tcls_tokenizer_token(&size, tokenizer, tokens->ids[i]);

		values[0] = PointerGetDatum(tcls_host_text(token, size));
		values[1] = Int32GetDatum(tokens->ids[i]);
		values[2] = Int32GetDatum(tokens->starts[i]);
		values[3] = Int32GetDatum(tokens->ends[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* All tokens, also those beyond the model's length limit. */
Datum
textcls_tokenize(PG_FUNCTION_ARGS)
{
	TclsScoring scoring;
	TclsTokens	tokens = {0};
	TclsText	input;
	TclsStatus	status;
	bool		is_cut;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	tcls_scoring_begin_call(&scoring, fcinfo, 1);
	input = tcls_scoring_text(&is_cut, PG_GETARG_DATUM(0));
	status = tcls_tokenizer_encode(&tokens, &scoring.model->tokenizer, input.data, input.size, PG_INT32_MAX, true,
								   scoring.host);
	tcls_host_check(status, scoring.host);
	put_tokens((ReturnSetInfo *) fcinfo->resultinfo, &scoring.model->tokenizer, &tokens);
	tcls_scoring_end(&scoring);
	PG_RETURN_NULL();
}

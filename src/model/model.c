/*
 * model.c
 *		The stored form of a model to fp32.
 */
#include <string.h>

#include "model/model.h"
#include "model/model_config.h"
#include "model/model_weights.h"
#include "base/pure_c.h"

TclsStatus
tcls_model_check_vocabulary(const TclsTokenizer *tokenizer, const TclsConfig *numbers, TclsHost *host)
{
	if (tcls_tokenizer_vocabulary_size(tokenizer) > numbers->vocab_size)
		return tcls_fail(host, TCLS_BAD_FILE, "the tokenizer has token ids up to %d, but \"vocab_size\" is %d",
						 tcls_tokenizer_vocabulary_size(tokenizer) - 1, numbers->vocab_size);
	return TCLS_OK;
}

TclsStatus
tcls_model_read(TclsModel *out, const TclsStoredModel *stored, TclsHost *host)
{
	TclsTensorSet tensors;
	float	   *block;

	TCLS_TRY(tcls_model_config_read(&out->config, stored->config, stored->config_size, host));
	TCLS_TRY(tcls_tokenizer_from_json(&out->tokenizer, stored->tokenizer, stored->tokenizer_size, host));
	TCLS_TRY(tcls_model_check_vocabulary(&out->tokenizer, &out->config.numbers, host));
	TCLS_TRY(tcls_parameter_plan_create(&out->plan, &out->config.numbers, host));
	TCLS_TRY(tcls_safetensors_read(&tensors, stored->weights, stored->weights_size, host));
	/* Once without a block: what the config promises must lie in the file before memory is taken for it. */
	TCLS_TRY(tcls_model_weights_read(NULL, &tensors, &out->config, &out->plan, host));
	TCLS_TRY(tcls_alloc_zero(&block, out->plan.total, sizeof(float), host));
	TCLS_TRY(tcls_model_weights_read(block, &tensors, &out->config, &out->plan, host));
	tcls_safetensors_destroy(&tensors, host);
	return tcls_weights_bind(&out->weights, &out->config.numbers, &out->plan, block, host);
}

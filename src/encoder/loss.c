/*
 * loss.c
 *		Losses and probabilities of the three problems.
 */
#include "encoder/loss.h"
#include "kernels/kernels.h"
#include "base/pure_c.h"

static TclsStatus
check_targets(const TclsConfig *config, const TclsTargets *targets, int32_t count, TclsHost *host)
{
	int32_t		labels = config->problem == TCLS_BINARY ? 2 : config->num_outputs;

	if (config->head == TCLS_HEAD_NONE)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the model has no classification head");
	if (config->problem == TCLS_MULTI_LABEL)
	{
		if (targets->multi == NULL)
			return tcls_fail(host, TCLS_BAD_ARGUMENT, "a multi-label model needs a set of labels for each text");
		return TCLS_OK;
	}
	if (targets->labels == NULL)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the model needs one label for each text");
	for (int32_t text = 0; text < count; text++)
		if (targets->labels[text] < 0 || targets->labels[text] >= labels)
			return tcls_fail(host, TCLS_BAD_ARGUMENT, "label %d of text %d is not in the range 0 to %d",
							 targets->labels[text], text, labels - 1);
	return TCLS_OK;
}

/* The weight of a text with this label in a binary problem, as one element of the loss. */
static const float *
binary_weight(const TclsTargets *targets, int32_t label)
{
	return targets->class_weights == NULL ? NULL : targets->class_weights + label;
}

TclsStatus
tcls_network_loss(double *loss_sum, double *weight_sum, const float *logits, const TclsConfig *config,
				  const TclsTargets *targets, int32_t count, TclsHost *host)
{
	size_t		k = (size_t) config->num_outputs;

	TCLS_TRY(check_targets(config, targets, count, host));
	*loss_sum = 0;
	*weight_sum = count;
	if (config->problem == TCLS_SINGLE_LABEL)
		*loss_sum = tcls_crossentropy_forward(weight_sum, logits, targets->labels, targets->class_weights,
											  targets->label_smoothing, (size_t) count, k);
	else if (config->problem == TCLS_BINARY)
		for (int32_t text = 0; text < count; text++)
		{
			float		target = (float) targets->labels[text];

			*loss_sum += tcls_binary_crossentropy_forward(logits + text, &target,
														  binary_weight(targets, targets->labels[text]), 1);
		}
	else
		for (size_t text = 0; text < (size_t) count; text++)
			*loss_sum += tcls_binary_crossentropy_forward(logits + text * k, targets->multi + text * k,
														  targets->class_weights, k) / (double) k;
	return TCLS_OK;
}

void
tcls_loss_backward(float *dlogits, const float *logits, const TclsConfig *config, const TclsTargets *targets,
				   double scale, int32_t count)
{
	size_t		k = (size_t) config->num_outputs;

	if (config->problem == TCLS_SINGLE_LABEL)
		tcls_crossentropy_backward(dlogits, logits, targets->labels, targets->class_weights,
								   targets->label_smoothing, scale, (size_t) count, k);
	else if (config->problem == TCLS_BINARY)
		for (int32_t text = 0; text < count; text++)
		{
			float		target = (float) targets->labels[text];

			tcls_binary_crossentropy_backward(dlogits + text, logits + text, &target,
											  binary_weight(targets, targets->labels[text]), scale, 1);
		}
	else
		for (size_t text = 0; text < (size_t) count; text++)
			tcls_binary_crossentropy_backward(dlogits + text * k, logits + text * k, targets->multi + text * k,
											  targets->class_weights, scale / (double) k, k);
}

void
tcls_network_probabilities(float *logits, const TclsConfig *config, int32_t count)
{
	size_t		k = (size_t) config->num_outputs;

	if (config->problem == TCLS_SINGLE_LABEL)
		tcls_softmax_forward(logits, logits, (size_t) count, k);
	else
		tcls_sigmoid_forward(logits, logits, (size_t) count * k);
}

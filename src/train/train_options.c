/*
 * train_options.c
 *		Defaults and ranges of the training options.
 */
#include <math.h>

#include "train/train_options.h"
#include "base/pure_c.h"

const TclsTrainOptions tcls_train_defaults = {
	.learning_rate = 5e-5,
	.head_learning_rate = 0,
	.weight_decay = 0.01,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.adam_epsilon = 1e-8,
	.max_grad_norm = 1,
	.warmup_ratio = 0.1,
	.num_train_epochs = 3,
	.max_steps = 0,
	.batch_size = 16,
	.max_batch_tokens = 1024,
	.lr_scheduler_type = TCLS_LINEAR,
	.label_smoothing = 0,
	.token_dropout = 0,
	.subword_dropout = 0,
	.dropout = true,
	.head_only = false,
	.early_stopping_patience = 0,
	.eval_every = 1,
	.metric_for_best_model = TCLS_METRIC_MACRO_F1,
	.class_weights = NULL,
	.seed = 42
};

double
tcls_train_epochs(int64_t examples)
{
	return fmin(30, fmax(3, round(8 * sqrt(8000.0 / (double) examples))));
}

typedef struct OptionRange
{
	const char *name;
	double		value;
	double		low;
	double		high;
	bool		open_low;		/* low itself is outside */
	bool		open_high;
} OptionRange;

static TclsStatus
check_range(const OptionRange *range, TclsHost *host)
{
	bool		above = range->open_low ? range->value > range->low : range->value >= range->low;
	bool		below = range->open_high ? range->value < range->high : range->value <= range->high;

	if (above && below)
		return TCLS_OK;
	return tcls_fail(host, TCLS_BAD_ARGUMENT, "%s is %g: it must be %s %g and %s %g", range->name, range->value,
					 range->open_low ? "above" : "at least", range->low,
					 range->open_high ? "below" : "at most", range->high);
}

static TclsStatus
check_class_weights(const float *weights, int32_t num_labels, TclsHost *host)
{
	for (int32_t c = 0; weights != NULL && c < num_labels; c++)
		if (!(weights[c] > 0 && isfinite(weights[c])))
			return tcls_fail(host, TCLS_BAD_ARGUMENT, "class weight %g is not a positive number", weights[c]);
	return TCLS_OK;
}

TclsStatus
tcls_train_options_check(const TclsTrainOptions *options, int32_t num_labels, TclsHost *host)
{
	const OptionRange ranges[] = {
		{"learning_rate", options->learning_rate, 0, 1e12, true, false},
		{"head_learning_rate", options->head_learning_rate, 0, 1e12, false, false},
		{"weight_decay", options->weight_decay, 0, 1e6, false, false},
		{"adam_beta1", options->beta1, 0, 1, false, true},
		{"adam_beta2", options->beta2, 0, 1, false, true},
		{"adam_epsilon", options->adam_epsilon, 0, 1, true, false},
		{"max_grad_norm", options->max_grad_norm, 0, 1e12, false, false},
		{"warmup_ratio", options->warmup_ratio, 0, 1, false, false},
		{"num_train_epochs", options->num_train_epochs, 0, 1e6, false, false},
		{"max_steps", (double) options->max_steps, 0, 1e12, false, false},
		{"batch_size", options->batch_size, 1, 65536, false, false},
		{"max_batch_tokens", options->max_batch_tokens, 1, 1 << 24, false, false},
		{"label_smoothing", options->label_smoothing, 0, 1, false, true},
		{"token_dropout", options->token_dropout, 0, 1, false, true},
		{"subword_dropout", options->subword_dropout, 0, 1, false, true},
		{"early_stopping_patience", options->early_stopping_patience, 0, 1e9, false, false},
		{"eval_every", options->eval_every, 0, 1e6, true, false},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		TCLS_TRY(check_range(&ranges[i], host));
	return check_class_weights(options->class_weights, num_labels, host);
}

/*
 * job_options.c
 *		finetune()'s options: names, types, ranges and defaults in one table.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/varlena.h"

#include "bridge/host_pg.h"
#include "bridge/settings.h"
#include "jobs/job_options.h"
#include "train/class_weights.h"
#include "train/scratch.h"

typedef enum OptionKind
{
	OPTION_DOUBLE,
	OPTION_FLOAT,
	OPTION_INT32,
	OPTION_INT64,
	OPTION_CHOICE,				/* int32 out of named values */
	OPTION_SWITCH,				/* int32 out of false, true and "auto" */
	OPTION_NAME,				/* char * */
	OPTION_CLASS_WEIGHT
} OptionKind;

typedef struct OptionChoice
{
	const char *name;
	int			value;
} OptionChoice;

static const OptionChoice schedules[] = {
	{"linear", TCLS_LINEAR}, {"cosine", TCLS_COSINE}, {"constant_with_warmup", TCLS_CONSTANT},
	{"constant", TCLS_CONSTANT}, {NULL, 0}
};
static const OptionChoice metrics[] = {
	{"macro_f1", TCLS_METRIC_MACRO_F1}, {"accuracy", TCLS_METRIC_ACCURACY}, {"loss", TCLS_METRIC_LOSS},
	{"eval_macro_f1", TCLS_METRIC_MACRO_F1}, {"eval_accuracy", TCLS_METRIC_ACCURACY},
	{"eval_loss", TCLS_METRIC_LOSS}, {NULL, 0}
};
static const OptionChoice splits[] = {
	{"stratified", TCLS_SPLIT_STRATIFIED}, {"random", TCLS_SPLIT_RANDOM}, {"column", TCLS_SPLIT_COLUMN},
	{"none", TCLS_SPLIT_NONE}, {NULL, 0}
};
static const OptionChoice problems[] = {
	{"single_label_classification", TCLS_SINGLE_LABEL}, {"binary", TCLS_BINARY},
	{"multi_label_classification", TCLS_MULTI_LABEL}, {NULL, 0}
};
static const OptionChoice parts[] = {{"all", TCLS_TRAIN_ALL}, {"head", TCLS_TRAIN_HEAD}, {NULL, 0}};
static const OptionChoice poolings[] = {
	{"mean", TCLS_POOL_MEAN}, {"cls", TCLS_POOL_CLS}, {"max", TCLS_POOL_MAX}, {NULL, 0}
};

typedef struct Option
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* in TclsJobOptions */
	double		min;			/* of options that the train room does not check itself */
	double		max;
	const OptionChoice *choices;
	bool		scratch;		/* describes a new encoder */
	bool		alias;			/* a second name of the row before */
} Option;

#define FIELD(member) offsetof(TclsJobOptions, member)
#define CHECKED_LATER -INFINITY, INFINITY

static const Option option_table[] = {
	{"learning_rate", OPTION_DOUBLE, FIELD(train.learning_rate), CHECKED_LATER},
	{"head_learning_rate", OPTION_DOUBLE, FIELD(train.head_learning_rate), CHECKED_LATER},
	{"weight_decay", OPTION_DOUBLE, FIELD(train.weight_decay), CHECKED_LATER},
	{"adam_beta1", OPTION_DOUBLE, FIELD(train.beta1), CHECKED_LATER},
	{"adam_beta2", OPTION_DOUBLE, FIELD(train.beta2), CHECKED_LATER},
	{"adam_epsilon", OPTION_DOUBLE, FIELD(train.adam_epsilon), CHECKED_LATER},
	{"max_grad_norm", OPTION_DOUBLE, FIELD(train.max_grad_norm), CHECKED_LATER},
	{"warmup_ratio", OPTION_DOUBLE, FIELD(train.warmup_ratio), CHECKED_LATER},
	{"num_train_epochs", OPTION_DOUBLE, FIELD(train.num_train_epochs), CHECKED_LATER},
	{"max_steps", OPTION_INT64, FIELD(train.max_steps), CHECKED_LATER},
	{"batch_size", OPTION_INT32, FIELD(train.batch_size), CHECKED_LATER},
	{"per_device_train_batch_size", OPTION_INT32, FIELD(train.batch_size), CHECKED_LATER, .alias = true},
	{"max_batch_tokens", OPTION_INT32, FIELD(train.max_batch_tokens), CHECKED_LATER},
	{"lr_scheduler_type", OPTION_CHOICE, FIELD(train.lr_scheduler_type), .choices = schedules},
	{"label_smoothing_factor", OPTION_FLOAT, FIELD(train.label_smoothing), CHECKED_LATER},
	{"token_dropout", OPTION_DOUBLE, FIELD(train.token_dropout), CHECKED_LATER},
	{"subword_dropout", OPTION_DOUBLE, FIELD(train.subword_dropout), CHECKED_LATER},
	{"early_stopping_patience", OPTION_INT32, FIELD(train.early_stopping_patience), CHECKED_LATER},
	{"metric_for_best_model", OPTION_CHOICE, FIELD(train.metric_for_best_model), .choices = metrics},
	{"seed", OPTION_INT64, FIELD(train.seed), 0, 9007199254740992.0},
	{"eval_steps", OPTION_INT32, FIELD(eval_steps), 1, 1e9},
	{"max_length", OPTION_INT32, FIELD(max_length), 3, 512},
	{"split", OPTION_CHOICE, FIELD(split), .choices = splits},
	{"split_column", OPTION_NAME, FIELD(split_column)},
	{"eval_fraction", OPTION_DOUBLE, FIELD(eval_fraction), 0.001, 0.9},
	{"problem_type", OPTION_CHOICE, FIELD(problem), .choices = problems},
	{"train", OPTION_CHOICE, FIELD(part), .choices = parts},
	{"dropout", OPTION_DOUBLE, FIELD(dropout), 0, 0.9},
	{"pooling", OPTION_CHOICE, FIELD(pooling), .choices = poolings},
	{"class_weight", OPTION_CLASS_WEIGHT},
	{"bf16", OPTION_SWITCH, FIELD(bf16)},
	{"training_workers", OPTION_INT32, FIELD(training_workers), 1, 64},
	{"vocab_size", OPTION_INT32, FIELD(vocab_size), 64, 1000000, .scratch = true},
	{"hidden_size", OPTION_INT32, FIELD(hidden_size), 8, 4096, .scratch = true},
	{"num_hidden_layers", OPTION_INT32, FIELD(num_hidden_layers), 1, 48, .scratch = true},
	{"num_attention_heads", OPTION_INT32, FIELD(num_attention_heads), 1, 64, .scratch = true},
	{"intermediate_size", OPTION_INT32, FIELD(intermediate_size), 8, 16384, .scratch = true},
};

#define FIELD_OF(options, option, type) ((type *) ((char *) (options) + (option)->offset))

static void
raise_bad_value(const Option *option, const char *must)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be %s", option->name, must)));
}

/* No option has this name: say which is nearest, or all of them. */
static void
raise_unknown(const char *name)
{
	const char *nearest = NULL;
	int			least = Max((int) strlen(name) / 2, 3) + 1;
	StringInfoData all;

	initStringInfo(&all);
	for (int i = 0; i < lengthof(option_table); i++)
	{
		const char *known = option_table[i].name;
		int			distance = strlen(name) > NAMEDATALEN ? least :
		varstr_levenshtein_less_equal(name, strlen(name), known, strlen(known), 1, 1, 1, least, true);

		if (distance < least)
		{
			least = distance;
			nearest = known;
		}
		appendStringInfo(&all, "%s%s", i > 0 ? ", " : "", known);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option \"%s\"", name),
			 nearest != NULL ? errhint("Perhaps you mean \"%s\".", nearest) : errhint("Options are: %s.", all.data)));
}

static const Option *
find_option(const char *name)
{
	for (int i = 0; i < lengthof(option_table); i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	raise_unknown(name);
	return NULL;
}

static double
number_value(const Option *option, const JsonbValue *value)
{
	bool		whole = option->kind == OPTION_INT32 || option->kind == OPTION_INT64;
	double		number;

	if (value->type != jbvNumeric)
		raise_bad_value(option, "a number");
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
	if (whole && (number != floor(number) || fabs(number) > 9007199254740992.0))
		raise_bad_value(option, "a whole number");
	if (number < option->min || number > option->max ||
		(option->kind == OPTION_INT32 && (number < PG_INT32_MIN || number > PG_INT32_MAX)))
		raise_bad_value(option, psprintf("between %.15g and %.15g", Max(option->min, PG_INT32_MIN),
										 Min(option->max, PG_INT32_MAX)));
	return number;
}

static char *
string_value(const Option *option, const JsonbValue *value)
{
	if (value->type != jbvString)
		raise_bad_value(option, "a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static int
choice_value(const Option *option, const JsonbValue *value)
{
	char	   *name = string_value(option, value);
	StringInfoData names;

	initStringInfo(&names);
	for (const OptionChoice *choice = option->choices; choice->name != NULL; choice++)
	{
		if (strcmp(choice->name, name) == 0)
			return choice->value;
		appendStringInfo(&names, "%s\"%s\"", choice == option->choices ? "" : ", ", choice->name);
	}
	raise_bad_value(option, psprintf("one of %s", names.data));
	return 0;
}

static TclsSwitch
switch_value(const Option *option, const JsonbValue *value)
{
	if (value->type == jbvBool)
		return value->val.boolean ? TCLS_ON : TCLS_OFF;
	if (value->type != jbvString || strcmp(string_value(option, value), "auto") != 0)
		raise_bad_value(option, "true, false or \"auto\"");
	return TCLS_AUTO;
}

/* Every value of the object must be a positive number; whose labels they are is seen later. */
static void
parse_class_weight(TclsJobOptions *options, const Option *option, JsonbValue *value)
{
	const char *must = "\"none\", \"balanced\", or an object that gives labels a number above 0";
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (value->type == jbvString)
	{
		char	   *name = string_value(option, value);

		options->balanced = strcmp(name, "balanced") == 0;
		if (!options->balanced && strcmp(name, "none") != 0)
			raise_bad_value(option, must);
		return;
	}
	if (value->type != jbvBinary)
		raise_bad_value(option, must);
	options->class_weights = JsonbValueToJsonb(value);
	if (!JB_ROOT_IS_OBJECT(options->class_weights))
		raise_bad_value(option, must);
	iterator = JsonbIteratorInit(&options->class_weights->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
		if (token == WJB_VALUE && (item.type != jbvNumeric ||
			!(DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(item.val.numeric))) > 0)))
			raise_bad_value(option, must);
}

static void
set_option(TclsJobOptions *options, const Option *option, JsonbValue *value)
{
	switch (option->kind)
	{
		case OPTION_DOUBLE:
			*FIELD_OF(options, option, double) = number_value(option, value);
			break;
		case OPTION_FLOAT:
			*FIELD_OF(options, option, float) = (float) number_value(option, value);
			break;
		case OPTION_INT32:
			*FIELD_OF(options, option, int32) = (int32) number_value(option, value);
			break;
		case OPTION_INT64:
			*FIELD_OF(options, option, int64) = (int64) number_value(option, value);
			break;
		case OPTION_CHOICE:
			*FIELD_OF(options, option, int32) = choice_value(option, value);
			break;
		case OPTION_SWITCH:
			*FIELD_OF(options, option, int32) = switch_value(option, value);
			break;
		case OPTION_NAME:
			*FIELD_OF(options, option, char *) = string_value(option, value);
			break;
		case OPTION_CLASS_WEIGHT:
			parse_class_weight(options, option, value);
			break;
	}
}

static TclsJobOptions *
default_options(bool from_scratch)
{
	TclsJobOptions *options = palloc0(sizeof(TclsJobOptions));

	options->train = from_scratch ? tcls_scratch_train_defaults : tcls_train_defaults;
	options->eval_steps = TCLS_OPTION_UNSET;
	options->max_length = TCLS_OPTION_UNSET;
	options->split = TCLS_SPLIT_STRATIFIED;
	options->eval_fraction = 0.1;
	options->problem = TCLS_OPTION_UNSET;
	options->pooling = TCLS_OPTION_UNSET;
	options->bf16 = TCLS_AUTO;
	options->dropout = TCLS_OPTION_UNSET;
	options->training_workers = 1;
	options->vocab_size = TCLS_OPTION_UNSET;
	options->hidden_size = TCLS_OPTION_UNSET;
	options->num_hidden_layers = TCLS_OPTION_UNSET;
	options->num_attention_heads = TCLS_OPTION_UNSET;
	options->intermediate_size = TCLS_OPTION_UNSET;
	return options;
}

/* The server must be able to run them; with other processes at work it may still not have so many slots free. */
static void
check_workers(int32 workers)
{
	if (workers > tcls_setting_max_workers_per_training)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("option \"training_workers\" is %d, textcls.max_workers_per_training is %d", workers,
						tcls_setting_max_workers_per_training),
				 errhint("Ask for fewer, or let an administrator raise textcls.max_workers_per_training.")));
	if (workers > 1 && workers > max_worker_processes)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("option \"training_workers\" is %d, max_worker_processes is %d", workers,
						max_worker_processes),
				 errhint("Ask for fewer, or let an administrator raise max_worker_processes.")));
}

/* What no single option shows. */
static void
check_together(TclsJobOptions *options, bool from_scratch)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);

	if (options->split_column != NULL)
		options->split = TCLS_SPLIT_COLUMN;
	else if (options->split == TCLS_SPLIT_COLUMN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"split\" is \"column\", but option \"split_column\" is missing")));
	if (options->part == TCLS_TRAIN_HEAD && from_scratch)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"train\" cannot be \"head\" without a base model"),
				 errhint("An encoder that has not been trained has nothing to keep; name a base_model.")));
	check_workers(options->training_workers);
	options->train.head_only = options->part == TCLS_TRAIN_HEAD;
	options->train.dropout = options->dropout != 0;
	tcls_host_check(tcls_train_options_check(&options->train, 0, host), host);
}

TclsJobOptions *
tcls_job_options_parse(Jsonb *given, bool from_scratch)
{
	TclsJobOptions *options = default_options(from_scratch);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	const Option *option = NULL;

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	iterator = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			option = find_option(pnstrdup(item.val.string.val, item.val.string.len));
		if (token == WJB_KEY && option->scratch && !from_scratch)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" is for a model without a base", option->name),
					 errhint("The base model's own structure is kept.")));
		if (token == WJB_VALUE)
			set_option(options, option, &item);
	}
	check_together(options, from_scratch);
	return options;
}

static const char *
choice_name(const Option *option, int value)
{
	for (const OptionChoice *choice = option->choices; choice->name != NULL; choice++)
		if (choice->value == value)
			return choice->name;
	return NULL;
}

/* The JSON of one option's value into out; false where it has none. */
static bool
append_value(StringInfo out, const TclsJobOptions *options, const Option *option)
{
	const char *name = NULL;

	switch (option->kind)
	{
		case OPTION_DOUBLE:
			if (*FIELD_OF(options, option, double) == TCLS_OPTION_UNSET)
				return false;
			appendStringInfo(out, "%.15g", *FIELD_OF(options, option, double));
			return true;
		case OPTION_FLOAT:
			appendStringInfo(out, "%.6g", *FIELD_OF(options, option, float));
			return true;
		case OPTION_INT32:
			if (*FIELD_OF(options, option, int32) == TCLS_OPTION_UNSET)
				return false;
			appendStringInfo(out, "%d", *FIELD_OF(options, option, int32));
			return true;
		case OPTION_INT64:
			appendStringInfo(out, INT64_FORMAT, *FIELD_OF(options, option, int64));
			return true;
		case OPTION_CHOICE:
			name = choice_name(option, *FIELD_OF(options, option, int32));
			break;
		case OPTION_SWITCH:
			appendStringInfoString(out, *FIELD_OF(options, option, int32) == TCLS_AUTO ? "\"auto\"" :
								   *FIELD_OF(options, option, int32) == TCLS_ON ? "true" : "false");
			return true;
		case OPTION_NAME:
			name = *FIELD_OF(options, option, char *);
			break;
		case OPTION_CLASS_WEIGHT:
			if (options->class_weights != NULL)
			{
				JsonbToCString(out, &options->class_weights->root, VARSIZE(options->class_weights));
				return true;
			}
			name = options->balanced ? "balanced" : "none";
			break;
	}
	if (name != NULL)
		escape_json(out, name);
	return name != NULL;
}

Jsonb *
tcls_job_options_effective(const TclsJobOptions *options)
{
	StringInfoData json;
	StringInfoData value;

	initStringInfo(&json);
	initStringInfo(&value);
	for (int i = 0; i < lengthof(option_table); i++)
	{
		resetStringInfo(&value);
		if (!option_table[i].alias && append_value(&value, options, &option_table[i]))
			appendStringInfo(&json, "%s\"%s\": %s", json.len > 0 ? ", " : "{", option_table[i].name, value.data);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

static void
given_class_weights(float *weights, Jsonb *given, char **labels, int32 num_labels)
{
	JsonbIterator *iterator = JsonbIteratorInit(&given->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	int32		label = 0;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			size_t		size;
			text	   *key = cstring_to_text_with_len(item.val.string.val, item.val.string.len);
			const char *name = tcls_host_utf8(&size, key);

			for (label = 0; label < num_labels; label++)
				if (strlen(labels[label]) == size && memcmp(labels[label], name, size) == 0)
					break;
			if (label == num_labels)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("option \"class_weight\" names a label that does not occur: \"%s\"",
								text_to_cstring(key))));
		}
		if (token == WJB_VALUE)
			weights[label] = (float) DatumGetFloat8(DirectFunctionCall1(numeric_float8,
																		NumericGetDatum(item.val.numeric)));
	}
}

float *
tcls_job_options_class_weights(const TclsJobOptions *options, char **labels, const int64 *counts, int32 num_labels)
{
	float	   *weights;

	if (!options->balanced && options->class_weights == NULL)
		return NULL;
	weights = palloc(num_labels * sizeof(float));
	for (int32 i = 0; i < num_labels; i++)
		weights[i] = 1;
	if (options->balanced)
		tcls_class_weights_balanced(weights, counts, num_labels);
	else
		given_class_weights(weights, options->class_weights, labels, num_labels);
	return weights;
}

/*
 * structure.c
 *		Adjusts a model's structure to the labels of a table.
 */
#include "postgres.h"

#include "bridge/host_pg.h"
#include "bridge/settings.h"
#include "jobs/structure.h"
#include "train/scratch.h"
#include "train/trainer.h"

static int32
outputs_of(const TclsStructure *wanted)
{
	return wanted->problem == TCLS_BINARY ? 1 : wanted->num_labels;
}

static bool
has_label(const TclsModelConfig *config, const char *label)
{
	for (int32 i = 0; i < config->num_labels; i++)
		if (strcmp(config->labels[i], label) == 0)
			return true;
	return false;
}

static bool
head_fits(const TclsModelConfig *config, const TclsStructure *wanted, const TclsJobOptions *options)
{
	if (config->numbers.head == TCLS_HEAD_NONE || config->numbers.problem != wanted->problem ||
		config->num_labels != wanted->num_labels ||
		(options->pooling != TCLS_OPTION_UNSET && options->pooling != (int32) config->numbers.pooling))
		return false;
	for (int32 i = 0; i < wanted->num_labels; i++)
		if (!has_label(config, wanted->labels[i]))
			return false;
	return true;
}

/* Our head: mean pooling and one linear layer. */
static void
set_head(TclsModelConfig *config, const TclsStructure *wanted, const TclsJobOptions *options)
{
	config->numbers.head = TCLS_HEAD_LINEAR;
	config->numbers.pooling = options->pooling == TCLS_OPTION_UNSET ? TCLS_POOL_MEAN : (TclsPooling) options->pooling;
	config->numbers.problem = wanted->problem;
	config->numbers.num_outputs = outputs_of(wanted);
	config->labels = wanted->labels;
	config->num_labels = wanted->num_labels;
}

static void
set_dropout(TclsConfig *numbers, const TclsJobOptions *options)
{
	if (options->dropout == TCLS_OPTION_UNSET)
		return;
	numbers->hidden_dropout = (float) options->dropout;
	numbers->attention_dropout = (float) options->dropout;
	numbers->classifier_dropout = (float) options->dropout;
}

int32
tcls_structure_max_length(const TclsModelConfig *config, const TclsJobOptions *options)
{
	if (options->max_length == TCLS_OPTION_UNSET)
		return config->max_length;
	if (options->max_length > config->numbers.max_positions)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"max_length\" is %d, but the base model reads at most %d tokens", options->max_length,
						config->numbers.max_positions)));
	return options->max_length;
}

static float *
create_block(TclsModel *model, TclsHost *host)
{
	float	   *block;

	tcls_host_check(tcls_parameter_plan_create(&model->plan, &model->config.numbers, host), host);
	tcls_host_check(tcls_alloc_zero(&block, model->plan.total, sizeof(float), host), host);
	tcls_host_check(tcls_weights_bind(&model->weights, &model->config.numbers, &model->plan, block, host), host);
	return block;
}

/* Parameters of the encoder, which both plans have under the same names. */
static void
copy_encoder(TclsModel *to, const TclsModel *from)
{
	for (int32 i = 0; i < to->plan.count; i++)
	{
		const TclsParameter *item = &to->plan.items[i];

		for (int32 j = 0; j < from->plan.count && item->layer <= to->config.numbers.num_layers; j++)
			if (strcmp(from->plan.items[j].name, item->name) == 0)
				memcpy(to->weights.block + item->offset, from->weights.block + from->plan.items[j].offset,
					   item->count * sizeof(float));
	}
}

bool
tcls_structure_adjust(TclsModel *model, const TclsStructure *wanted, const TclsJobOptions *options, TclsHost *host)
{
	TclsModel	base = *model;
	float	   *block;

	set_dropout(&model->config.numbers, options);
	model->config.max_length = tcls_structure_max_length(&base.config, options);
	if (head_fits(&base.config, wanted, options))
		return false;
	set_head(&model->config, wanted, options);
	block = create_block(model, host);
	copy_encoder(model, &base);
	tcls_weights_initialize(block, &model->plan, model->config.numbers.num_layers + 1, options->train.seed);
	tcls_free(base.weights.block, host);
	tcls_parameter_plan_destroy(&base.plan, host);
	return true;
}

static void
override(int32 *number, int32 option)
{
	if (option != TCLS_OPTION_UNSET)
		*number = option;
}

void
tcls_structure_config(TclsModelConfig *config, int32 vocab_size, const TclsJobOptions *options)
{
	tcls_scratch_config(config, vocab_size);
	override(&config->numbers.hidden_size, options->hidden_size);
	override(&config->numbers.num_layers, options->num_hidden_layers);
	override(&config->numbers.num_heads, options->num_attention_heads);
	override(&config->numbers.intermediate_size, options->intermediate_size);
	override(&config->max_length, options->max_length);
	override(&config->numbers.max_positions, options->max_length);
	set_dropout(&config->numbers, options);
}

void
tcls_structure_begin(TclsModel *model, const TclsTokenizer *tokenizer, const TclsStructure *wanted,
					 const TclsJobOptions *options, TclsHost *host)
{
	float	   *block;

	tcls_structure_config(&model->config, tcls_tokenizer_vocabulary_size(tokenizer), options);
	set_head(&model->config, wanted, options);
	model->tokenizer = *tokenizer;
	tcls_host_check(tcls_config_check(&model->config.numbers, host), host);
	block = create_block(model, host);
	tcls_weights_initialize(block, &model->plan, 0, options->train.seed);
}

void
tcls_structure_admit(const TclsModelConfig *config, const TclsJobOptions *options, TclsHost *host)
{
	TclsConfig	numbers = config->numbers;
	TclsParameterPlan plan;
	size_t		megabytes;

	if (numbers.head == TCLS_HEAD_NONE)
	{
		numbers.head = TCLS_HEAD_LINEAR;
		numbers.num_outputs = 2;
	}
	tcls_host_check(tcls_config_check(&numbers, host), host);
	tcls_host_check(tcls_parameter_plan_create(&plan, &numbers, host), host);
	megabytes = tcls_trainer_bytes(&numbers, &plan, &options->train, tcls_structure_max_length(config, options),
								   options->training_workers) / (1024 * 1024) + 1;
	tcls_parameter_plan_destroy(&plan, host);
	if (megabytes > (size_t) tcls_setting_max_job_memory_mb)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("this training needs about %zu MB of memory, textcls.max_job_memory is %d MB", megabytes,
						tcls_setting_max_job_memory_mb),
				 errhint("Choose a smaller model, max_length, max_batch_tokens or training_workers, or let an "
						 "administrator raise textcls.max_job_memory.")));
}

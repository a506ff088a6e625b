/*
 * weights.c
 *		The plan of the parameters, and pointers into a block that follows it.
 *
 * plan_embeddings, plan_layer and plan_head list the parameters; bind_* take
 * them in the same order.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "encoder/weights.h"
#include "base/pure_c.h"

#define ALIGN_FLOATS (TCLS_ALIGNMENT / sizeof(float))
#define INITIAL_DEVIATION 0.02

static size_t
align_up(size_t offset)
{
	return (offset + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* A vector has rows 0.  The parameter begins right behind the one before it. */
static void __attribute__((format(printf, 5, 0)))
append_packed(TclsParameterPlan *plan, int32_t layer, int32_t rows, int32_t columns, const char *format, va_list args)
{
	TclsParameter *item = &plan->items[plan->count++];

	vsnprintf(item->name, sizeof(item->name), format, args);
	item->rank = rows == 0 ? 1 : 2;
	item->shape[0] = rows == 0 ? columns : rows;
	item->shape[1] = rows == 0 ? 1 : columns;
	item->offset = plan->total;
	item->count = (size_t) item->shape[0] * (size_t) item->shape[1];
	item->layer = layer;
	item->decays = rows != 0;
	plan->total += item->count;
	plan->parameters += item->count;
}

static void __attribute__((format(printf, 5, 6)))
append(TclsParameterPlan *plan, int32_t layer, int32_t rows, int32_t columns, const char *format,...)
{
	va_list		args;

	plan->total = align_up(plan->total);
	va_start(args, format);
	append_packed(plan, layer, rows, columns, format, args);
	va_end(args);
}

/* The same without a gap. */
static void __attribute__((format(printf, 5, 6)))
append_next(TclsParameterPlan *plan, int32_t layer, int32_t rows, int32_t columns, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	append_packed(plan, layer, rows, columns, format, args);
	va_end(args);
}

static void
plan_embeddings(TclsParameterPlan *plan, const TclsConfig *config)
{
	int32_t		h = config->hidden_size;

	append(plan, 0, config->vocab_size, h, "embeddings.word_embeddings.weight");
	append(plan, 0, config->max_positions, h, "embeddings.position_embeddings.weight");
	if (config->type_vocab_size > 0)
		append(plan, 0, config->type_vocab_size, h, "embeddings.token_type_embeddings.weight");
	append(plan, 0, 0, h, "embeddings.LayerNorm.weight");
	append(plan, 0, 0, h, "embeddings.LayerNorm.bias");
}

static void
plan_layer(TclsParameterPlan *plan, const TclsConfig *config, int32_t index)
{
	int32_t		h = config->hidden_size;
	int32_t		f = config->intermediate_size;
	int32_t		layer = index + 1;

	append(plan, layer, h, h, "encoder.layer.%d.attention.self.query.weight", index);
	append_next(plan, layer, h, h, "encoder.layer.%d.attention.self.key.weight", index);
	append_next(plan, layer, h, h, "encoder.layer.%d.attention.self.value.weight", index);
	append(plan, layer, 0, h, "encoder.layer.%d.attention.self.query.bias", index);
	append_next(plan, layer, 0, h, "encoder.layer.%d.attention.self.key.bias", index);
	append_next(plan, layer, 0, h, "encoder.layer.%d.attention.self.value.bias", index);
	append(plan, layer, h, h, "encoder.layer.%d.attention.output.dense.weight", index);
	append(plan, layer, 0, h, "encoder.layer.%d.attention.output.dense.bias", index);
	append(plan, layer, 0, h, "encoder.layer.%d.attention.output.LayerNorm.weight", index);
	append(plan, layer, 0, h, "encoder.layer.%d.attention.output.LayerNorm.bias", index);
	append(plan, layer, f, h, "encoder.layer.%d.intermediate.dense.weight", index);
	append(plan, layer, 0, f, "encoder.layer.%d.intermediate.dense.bias", index);
	append(plan, layer, h, f, "encoder.layer.%d.output.dense.weight", index);
	append(plan, layer, 0, h, "encoder.layer.%d.output.dense.bias", index);
	append(plan, layer, 0, h, "encoder.layer.%d.output.LayerNorm.weight", index);
	append(plan, layer, 0, h, "encoder.layer.%d.output.LayerNorm.bias", index);
}

static void
plan_head(TclsParameterPlan *plan, const TclsConfig *config)
{
	int32_t		h = config->hidden_size;
	int32_t		layer = config->num_layers + 1;

	if (config->head == TCLS_HEAD_DENSE_TANH || config->head == TCLS_HEAD_DENSE_RELU)
	{
		append(plan, layer, h, h, "head.dense.weight");
		append(plan, layer, 0, h, "head.dense.bias");
	}
	if (config->head != TCLS_HEAD_NONE)
	{
		append(plan, layer, config->num_outputs, h, "classifier.weight");
		append(plan, layer, 0, config->num_outputs, "classifier.bias");
	}
}

TclsStatus
tcls_parameter_plan_create(TclsParameterPlan *out, const TclsConfig *config, TclsHost *host)
{
	/* At most 5 of the embeddings, 16 of each layer, 4 of the head. */
	size_t		most = 9 + 16 * (size_t) config->num_layers;

	memset(out, 0, sizeof(*out));
	TCLS_TRY(tcls_config_check(config, host));
	TCLS_TRY(tcls_alloc_zero(&out->items, most, sizeof(TclsParameter), host));
	plan_embeddings(out, config);
	for (int32_t index = 0; index < config->num_layers; index++)
		plan_layer(out, config, index);
	plan_head(out, config);
	out->total = align_up(out->total);
	return TCLS_OK;
}

void
tcls_parameter_plan_destroy(TclsParameterPlan *plan, TclsHost *host)
{
	tcls_free(plan->items, host);
	memset(plan, 0, sizeof(*plan));
}

/* Walks the plan in its order. */
typedef struct Cursor
{
	const TclsParameterPlan *plan;
	float	   *block;
	int32_t		next;
} Cursor;

static float *
take(Cursor *cursor)
{
	if (cursor->next >= cursor->plan->count)
	{
		cursor->next++;
		return NULL;
	}
	return cursor->block + cursor->plan->items[cursor->next++].offset;
}

/* The first of three that lie side by side. */
static float *
take_three(Cursor *cursor)
{
	float	   *first = take(cursor);

	take(cursor);
	take(cursor);
	return first;
}

static void
bind_layer(TclsLayerWeights *layer, Cursor *cursor)
{
	layer->qkv_weight = take_three(cursor);
	layer->qkv_bias = take_three(cursor);
	layer->attention_output_weight = take(cursor);
	layer->attention_output_bias = take(cursor);
	layer->attention_norm_weight = take(cursor);
	layer->attention_norm_bias = take(cursor);
	layer->up_weight = take(cursor);
	layer->up_bias = take(cursor);
	layer->down_weight = take(cursor);
	layer->down_bias = take(cursor);
	layer->output_norm_weight = take(cursor);
	layer->output_norm_bias = take(cursor);
}

TclsStatus
tcls_weights_bind(TclsWeights *out, const TclsConfig *config, const TclsParameterPlan *plan, float *block,
				  TclsHost *host)
{
	Cursor		cursor = {plan, block, 0};

	memset(out, 0, sizeof(*out));
	TCLS_TRY(tcls_alloc_zero(&out->layers, (size_t) config->num_layers, sizeof(TclsLayerWeights), host));
	out->block = block;
	out->word_embedding = take(&cursor);
	out->position_embedding = take(&cursor);
	if (config->type_vocab_size > 0)
		out->token_type_embedding = take(&cursor);
	out->embedding_norm_weight = take(&cursor);
	out->embedding_norm_bias = take(&cursor);
	for (int32_t index = 0; index < config->num_layers; index++)
		bind_layer(&out->layers[index], &cursor);
	if (config->head == TCLS_HEAD_DENSE_TANH || config->head == TCLS_HEAD_DENSE_RELU)
	{
		out->dense_weight = take(&cursor);
		out->dense_bias = take(&cursor);
	}
	if (config->head != TCLS_HEAD_NONE)
	{
		out->classifier_weight = take(&cursor);
		out->classifier_bias = take(&cursor);
	}
	if (cursor.next != plan->count)
		return tcls_fail(host, TCLS_INTERNAL, "the parameter plan has %d entries, the model %d", plan->count,
						 cursor.next);
	return TCLS_OK;
}

void
tcls_weights_initialize(float *block, const TclsParameterPlan *plan, int32_t first_layer, uint64_t seed)
{
	for (int32_t index = 0; index < plan->count; index++)
	{
		const TclsParameter *item = &plan->items[index];
		bool		is_norm_weight = item->rank == 1 && strstr(item->name, "LayerNorm.weight") != NULL;
		TclsRng		rng = {tcls_rng_mix(seed, (uint64_t) index)};
		float	   *values = block + item->offset;

		if (item->layer < first_layer)
			continue;
		for (size_t i = 0; i < item->count; i++)
			values[i] = item->rank == 2 ? (float) (INITIAL_DEVIATION * tcls_rng_normal(&rng)) : (float) is_norm_weight;
	}
}

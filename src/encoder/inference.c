/*
 * inference.c
 *		Packs the network for a kernel, and runs it.
 *
 * A layer runs in tiles of rows: the activations of the feed-forward are the widest
 * matrix, and a tile of them is written and read again while it is in the L2 cache.
 *
 *		all rows:	qkv = hidden Wqkv, attended = attention(qkv)
 *		each tile:	hidden = norm(attended Wo + hidden), up = f(hidden Wup), hidden = norm(up Wdown + hidden)
 */
#include <string.h>

#include "encoder/head.h"
#include "encoder/inference.h"
#include "encoder/layer.h"
#include "base/pure_c.h"

/* Bytes of activations of a tile: half of a small L2 cache. */
#define TILE_BYTES ((size_t) 256 * 1024)
#define TILE_ROWS_LEAST 16

/* Multiply-adds between two polls, of plain C kernels about 50 ms. */
#define PLAIN_WORK 5e7

#define COPY_PIECE ((size_t) 4 << 20)	/* bytes between polls */

/* ---------- the block ---------- */

/*
 * Walks the pieces of a block in their order: counts where block is NULL, else points at
 * them, and with source fills them before.
 */
typedef struct Walk
{
	char	   *block;
	size_t		used;			/* bytes */
	const TclsPackedKernel *kernel;
	bool		fills;
	TclsHost   *host;
} Walk;

static void *
next_piece(Walk *walk, size_t size)
{
	size_t		at = walk->used;

	walk->used += (size + TCLS_ALIGNMENT - 1) & ~(size_t) (TCLS_ALIGNMENT - 1);
	return walk->block == NULL ? NULL : walk->block + at;
}

static TclsStatus
walk_floats(float **piece, const float *source, size_t count, Walk *walk)
{
	size_t		size = count * sizeof(float);
	size_t		begin = walk->used;

	*piece = next_piece(walk, size);
	if (!walk->fills)
		return TCLS_OK;
	for (size_t done = 0; done < size; done += COPY_PIECE)
	{
		TCLS_TRY(tcls_poll(walk->host));
		memcpy((char *) *piece + done, (const char *) source + done,
			   size - done < COPY_PIECE ? size - done : COPY_PIECE);
	}
	/* The gap too: equal models give equal bytes. */
	memset((char *) *piece + size, 0, walk->used - begin - size);
	return TCLS_OK;
}

static TclsStatus
walk_matrix(const void **piece, const float *source, int32_t out, int32_t in, Walk *walk)
{
	void	   *at = next_piece(walk, walk->kernel->weight_bytes(out, in));

	*piece = at;
	if (!walk->fills)
		return TCLS_OK;
	TCLS_TRY(tcls_poll(walk->host));
	walk->kernel->pack(at, source, out, in);
	return TCLS_OK;
}

static TclsStatus
walk_layer(TclsPackedLayer *packed, TclsLayerWeights *plain, const TclsLayerWeights *source,
		   const TclsConfig *config, Walk *walk)
{
	int32_t		h = config->hidden_size;
	int32_t		f = config->intermediate_size;

	TCLS_TRY(walk_matrix(&packed->qkv, source->qkv_weight, 3 * h, h, walk));
	TCLS_TRY(walk_matrix(&packed->attention_output, source->attention_output_weight, h, h, walk));
	TCLS_TRY(walk_matrix(&packed->up, source->up_weight, f, h, walk));
	TCLS_TRY(walk_matrix(&packed->down, source->down_weight, h, f, walk));
	TCLS_TRY(walk_floats(&plain->qkv_bias, source->qkv_bias, 3 * (size_t) h, walk));
	TCLS_TRY(walk_floats(&plain->attention_output_bias, source->attention_output_bias, (size_t) h, walk));
	TCLS_TRY(walk_floats(&plain->attention_norm_weight, source->attention_norm_weight, (size_t) h, walk));
	TCLS_TRY(walk_floats(&plain->attention_norm_bias, source->attention_norm_bias, (size_t) h, walk));
	TCLS_TRY(walk_floats(&plain->up_bias, source->up_bias, (size_t) f, walk));
	TCLS_TRY(walk_floats(&plain->down_bias, source->down_bias, (size_t) h, walk));
	TCLS_TRY(walk_floats(&plain->output_norm_weight, source->output_norm_weight, (size_t) h, walk));
	return walk_floats(&plain->output_norm_bias, source->output_norm_bias, (size_t) h, walk);
}

static TclsStatus
walk_embeddings(TclsWeights *plain, const TclsWeights *source, const TclsConfig *config, Walk *walk)
{
	size_t		h = (size_t) config->hidden_size;

	TCLS_TRY(walk_floats(&plain->word_embedding, source->word_embedding, (size_t) config->vocab_size * h, walk));
	TCLS_TRY(walk_floats(&plain->position_embedding, source->position_embedding, (size_t) config->max_positions * h,
						 walk));
	if (config->type_vocab_size > 0)
		TCLS_TRY(walk_floats(&plain->token_type_embedding, source->token_type_embedding,
							 (size_t) config->type_vocab_size * h, walk));
	TCLS_TRY(walk_floats(&plain->embedding_norm_weight, source->embedding_norm_weight, h, walk));
	return walk_floats(&plain->embedding_norm_bias, source->embedding_norm_bias, h, walk);
}

static TclsStatus
walk_head(TclsWeights *plain, const TclsWeights *source, const TclsConfig *config, Walk *walk)
{
	size_t		h = (size_t) config->hidden_size;
	size_t		k = (size_t) config->num_outputs;

	if (config->head == TCLS_HEAD_DENSE_TANH || config->head == TCLS_HEAD_DENSE_RELU)
	{
		TCLS_TRY(walk_floats(&plain->dense_weight, source->dense_weight, h * h, walk));
		TCLS_TRY(walk_floats(&plain->dense_bias, source->dense_bias, h, walk));
	}
	if (config->head != TCLS_HEAD_NONE)
	{
		TCLS_TRY(walk_floats(&plain->classifier_weight, source->classifier_weight, k * h, walk));
		TCLS_TRY(walk_floats(&plain->classifier_bias, source->classifier_bias, k, walk));
	}
	return TCLS_OK;
}

/* All pieces.  out->layers and out->weights.layers are NULL where the pointers are of no interest. */
static TclsStatus
walk_block(TclsInference *out, const TclsWeights *source, const TclsConfig *config, Walk *walk)
{
	static const TclsLayerWeights none = {NULL};

	TCLS_TRY(walk_embeddings(&out->weights, source, config, walk));
	for (int32_t layer = 0; layer < config->num_layers; layer++)
	{
		TclsPackedLayer packed;
		TclsLayerWeights plain;

		TCLS_TRY(walk_layer(out->layers != NULL ? &out->layers[layer] : &packed,
							out->layers != NULL ? &out->weights.layers[layer] : &plain,
							walk->fills ? &source->layers[layer] : &none, config, walk));
	}
	return walk_head(&out->weights, source, config, walk);
}

size_t
tcls_inference_size(const TclsConfig *config, const TclsPackedKernel *kernel)
{
	static const TclsWeights none = {NULL};
	TclsInference scratch = {.layers = NULL};
	Walk		walk = {.kernel = kernel};

	/* Counting neither fails nor polls. */
	(void) walk_block(&scratch, &none, config, &walk);
	return walk.used;
}

TclsStatus
tcls_inference_pack(void *block, const TclsWeights *weights, const TclsConfig *config,
					const TclsPackedKernel *kernel, TclsHost *host)
{
	TclsInference scratch = {.layers = NULL};
	Walk		walk = {.block = block, .kernel = kernel, .fills = true, .host = host};

	return walk_block(&scratch, weights, config, &walk);
}

TclsStatus
tcls_inference_bind(TclsInference *out, const void *block, const TclsConfig *config, const TclsPackedKernel *kernel,
					TclsHost *host)
{
	static const TclsWeights none = {NULL};
	Walk		walk = {.block = (char *) block, .kernel = kernel};

	memset(out, 0, sizeof(*out));
	out->config = *config;
	out->kernel = kernel;
	out->block = block;
	TCLS_TRY(tcls_alloc_zero(&out->layers, (size_t) config->num_layers, sizeof(TclsPackedLayer), host));
	TCLS_TRY(tcls_alloc_zero(&out->weights.layers, (size_t) config->num_layers, sizeof(TclsLayerWeights), host));
	return walk_block(out, &none, config, &walk);
}

void
tcls_inference_free(TclsInference *inference, TclsHost *host)
{
	tcls_free(inference->layers, host);
	tcls_free(inference->weights.layers, host);
	memset(inference, 0, sizeof(*inference));
}

/* ---------- the forward ---------- */

/* A batch on its way. */
typedef struct Run
{
	const TclsInference *inference;
	const TclsSequences *sequences;
	size_t		tokens;			/* T */
	size_t		tile;			/* rows at a time */
	float	   *qkv;			/* (T, 3H) */
	float	   *attended;		/* (T, H) */
	float	   *up;				/* (tile, F) */
	void	   *input;			/* (tile, max(H, F)) in the kernel's form */
	float	   *attention;		/* tcls_attention_forward_scratch of the longest text */
	TclsHost   *host;
} Run;

/* Rows whose activations of the feed-forward stay in the L2 cache, and that are done in good time. */
static size_t
tile_rows(const TclsInference *inference)
{
	size_t		f = (size_t) inference->config.intermediate_size;
	double		work = (double) inference->config.hidden_size * (double) f;
	size_t		rows = TILE_BYTES / (f * sizeof(float));

	if (inference->kernel->is_plain && (double) rows * work > PLAIN_WORK)
		rows = (size_t) (PLAIN_WORK / work);
	rows = rows / TILE_ROWS_LEAST * TILE_ROWS_LEAST;
	return rows < TILE_ROWS_LEAST ? TILE_ROWS_LEAST : rows;
}

static TclsStatus
run_create(Run *run, const TclsInference *inference, const TclsSequences *sequences, const TclsExtent *extent,
		   TclsArena *arena, TclsHost *host)
{
	const TclsConfig *config = &inference->config;
	size_t		h = (size_t) config->hidden_size;
	size_t		f = (size_t) config->intermediate_size;
	size_t		tile = tile_rows(inference);
	size_t		narrow;
	size_t		wide;

	if (tile > extent->tokens)
		tile = extent->tokens;
	narrow = inference->kernel->input_bytes((int) tile, (int) h);
	wide = inference->kernel->input_bytes((int) tile, (int) f);
	*run = (Run) {.inference = inference, .sequences = sequences, .tokens = extent->tokens, .tile = tile, .host = host};
	TCLS_TRY(tcls_arena_alloc(&run->qkv, extent->tokens * 3 * h, sizeof(float), arena));
	TCLS_TRY(tcls_arena_alloc(&run->attended, extent->tokens * h, sizeof(float), arena));
	TCLS_TRY(tcls_arena_alloc(&run->up, tile * f, sizeof(float), arena));
	TCLS_TRY(tcls_arena_alloc(&run->input, narrow > wide ? narrow : wide, 1, arena));
	return tcls_arena_alloc(&run->attention,
							tcls_attention_forward_scratch(extent->longest, h / (size_t) config->num_heads),
							sizeof(float), arena);
}

/* y (rows, out) = f(x (rows, in) W^T + bias) + residual, of at most a tile of rows. */
static TclsStatus
multiply(float *y, const float *x, const void *matrix, size_t rows, int32_t in, int32_t out,
		 const TclsEpilogue *epilogue, const Run *run)
{
	const TclsPackedKernel *kernel = run->inference->kernel;

	TCLS_TRY(tcls_poll(run->host));
	kernel->convert(run->input, x, (int) rows, in);
	kernel->multiply(y, run->input, matrix, (int) rows, out, in, epilogue);
	return TCLS_OK;
}

/* run->attended of all texts and heads. */
static TclsStatus
attend(const Run *run)
{
	const TclsConfig *config = &run->inference->config;
	size_t		h = (size_t) config->hidden_size;

	for (int32_t text = 0; text < run->sequences->count; text++)
	{
		const int32_t *starts = run->sequences->starts + text;
		size_t		first = (size_t) starts[0];
		TclsAttention shape = {
			.tokens = (size_t) (starts[1] - starts[0]),
			.heads = (size_t) config->num_heads,
			.head_size = h / (size_t) config->num_heads
		};

		for (size_t head = 0; head < shape.heads; head++)
		{
			TCLS_TRY(tcls_poll(run->host));
			tcls_attention_forward(run->attended + first * h, NULL, run->qkv + first * 3 * h, &shape, head,
								   run->attention);
		}
	}
	return TCLS_OK;
}

/* Everything behind the attention for a tile: hidden (rows, H) in place. */
static TclsStatus
feed_forward(float *hidden, const float *attended, size_t rows, const TclsLayerWeights *weights,
			 const TclsPackedLayer *packed, const Run *run)
{
	const TclsConfig *config = &run->inference->config;
	int32_t		h = config->hidden_size;
	int32_t		f = config->intermediate_size;
	TclsActivation activation = tcls_layer_activation(config);
	TclsEpilogue projection = {.bias = weights->attention_output_bias, .residual = hidden};
	TclsEpilogue up = {.bias = weights->up_bias, .activation = &activation};
	TclsEpilogue down = {.bias = weights->down_bias, .residual = hidden};

	TCLS_TRY(multiply(hidden, attended, packed->attention_output, rows, h, h, &projection, run));
	tcls_layernorm_forward(hidden, NULL, NULL, hidden, weights->attention_norm_weight, weights->attention_norm_bias,
						   config->layer_norm_eps, rows, (size_t) h);
	TCLS_TRY(multiply(run->up, hidden, packed->up, rows, h, f, &up, run));
	TCLS_TRY(multiply(hidden, run->up, packed->down, rows, f, h, &down, run));
	tcls_layernorm_forward(hidden, NULL, NULL, hidden, weights->output_norm_weight, weights->output_norm_bias,
						   config->layer_norm_eps, rows, (size_t) h);
	return TCLS_OK;
}

/* hidden (T, H) in place. */
static TclsStatus
run_layer(float *hidden, int32_t layer, const Run *run)
{
	const TclsLayerWeights *weights = &run->inference->weights.layers[layer];
	const TclsPackedLayer *packed = &run->inference->layers[layer];
	int32_t		h = run->inference->config.hidden_size;
	size_t		width = (size_t) h;
	TclsEpilogue qkv = {.bias = weights->qkv_bias};
	size_t		rows;

	for (size_t first = 0; first < run->tokens; first += rows)
	{
		rows = run->tokens - first < run->tile ? run->tokens - first : run->tile;
		TCLS_TRY(multiply(run->qkv + first * 3 * width, hidden + first * width, packed->qkv, rows, h, 3 * h, &qkv,
						  run));
	}
	TCLS_TRY(attend(run));
	for (size_t first = 0; first < run->tokens; first += rows)
	{
		rows = run->tokens - first < run->tile ? run->tokens - first : run->tile;
		TCLS_TRY(feed_forward(hidden + first * width, run->attended + first * width, rows, weights, packed, run));
	}
	return TCLS_OK;
}

static void
embed(float *hidden, const TclsInference *inference, const TclsSequences *sequences, size_t tokens)
{
	const TclsWeights *weights = &inference->weights;
	size_t		h = (size_t) inference->config.hidden_size;

	tcls_embedding_forward(hidden, weights->word_embedding, weights->position_embedding,
						   weights->token_type_embedding, sequences->ids, sequences->starts,
						   (size_t) sequences->count, h);
	tcls_layernorm_forward(hidden, NULL, NULL, hidden, weights->embedding_norm_weight, weights->embedding_norm_bias,
						   inference->config.layer_norm_eps, tokens, h);
}

static TclsStatus
encode(float *hidden, const TclsInference *inference, int32_t layers, const TclsSequences *sequences,
	   const TclsExtent *extent, TclsArena *arena, TclsHost *host)
{
	Run			run;

	TCLS_TRY(run_create(&run, inference, sequences, extent, arena, host));
	embed(hidden, inference, sequences, extent->tokens);
	for (int32_t layer = 0; layer < layers; layer++)
		TCLS_TRY(run_layer(hidden, layer, &run));
	return TCLS_OK;
}

TclsStatus
tcls_inference_hidden(float *hidden, const TclsInference *inference, int32_t layers, const TclsSequences *sequences,
					  TclsArena *arena, TclsHost *host)
{
	TclsExtent	extent;

	TCLS_TRY(tcls_sequences_check(&extent, sequences, &inference->config, host));
	return encode(hidden, inference, layers, sequences, &extent, arena, host);
}

TclsStatus
tcls_inference_forward(float *logits, float *pooled, const TclsInference *inference, const TclsSequences *sequences,
					   TclsArena *arena, TclsHost *host)
{
	const TclsConfig *config = &inference->config;
	size_t		h = (size_t) config->hidden_size;
	TclsHeadSaved head;
	TclsExtent	extent;
	float	   *hidden;

	if (logits != NULL && config->head == TCLS_HEAD_NONE)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "the model has no classification head");
	TCLS_TRY(tcls_sequences_check(&extent, sequences, config, host));
	TCLS_TRY(tcls_arena_alloc(&hidden, extent.tokens * h, sizeof(float), arena));
	TCLS_TRY(tcls_arena_alloc(&head.pooled, extent.texts * h, sizeof(float), arena));
	TCLS_TRY(tcls_arena_alloc(&head.dense, extent.texts * h, sizeof(float), arena));
	TCLS_TRY(tcls_arena_alloc(&head.features, extent.texts * h, sizeof(float), arena));
	TCLS_TRY(encode(hidden, inference, config->num_layers, sequences, &extent, arena, host));
	tcls_head_pool(head.pooled, hidden, config, sequences);
	if (pooled != NULL)
		memcpy(pooled, head.pooled, extent.texts * h * sizeof(float));
	if (logits == NULL)
		return TCLS_OK;
	return tcls_head_forward(logits, &head, &inference->weights, config, NULL, sequences->count, host);
}

/*
 * test_inference.c
 *		Inference on packed weights against PyTorch (test/data/gen_network.py) with every kernel, and what
 *		it promises: independence of texts, a block that is only read, cancel, failures.
 */
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "encoder/inference.h"
#include "network_fixture.h"

/*
 * How far a precision may be from PyTorch's fp32.  The networks of the fixture have random weights
 * and few columns, so that errors do not average out as in a trained model.
 */
static double
tolerance_of(const TclsPackedKernel *kernel)
{
	static const double tolerances[TCLS_PRECISION_COUNT] = {NETWORK_TOLERANCE, 3e-2, 8e-2};

	return tolerances[kernel->precision];
}

static const TclsPackedKernel *wrapped_kernel;
static CaseTest wrapped_test;

static void
pack_and_test(Case *c, UnitHost *unit)
{
	network_pack(c, wrapped_kernel, unit);
	wrapped_test(c, unit);
}

/* Run the test with each kernel this machine has, and each case of the fixture (or the named one). */
static void
for_kernels(const char *only, CaseTest test, UnitHost *unit)
{
	wrapped_test = test;
	for (int i = 0; i < tcls_packed_kernel_count(); i++)
	{
		wrapped_kernel = tcls_packed_kernel(i);
		if (tcls_packed_available(wrapped_kernel))
			network_for_cases(only, pack_and_test, unit);
	}
}

static void
check_forward(Case *c, UnitHost *unit)
{
	size_t		tokens = (size_t) c->sequences.starts[c->sequences.count];
	size_t		h = (size_t) c->config.hidden_size;
	size_t		b = (size_t) c->sequences.count;
	size_t		k = (size_t) c->config.num_outputs;
	double		tolerance = tolerance_of(c->inference.kernel);
	float	   *out;

	CHECK_OK(tcls_alloc(&out, tokens * h + b * k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_inference_hidden(out, &c->inference, c->config.num_layers, &c->sequences, &c->arena, &unit->host),
			 &unit->host);
	network_check_tensor(c, "hidden states", out, c->hidden, tokens * h, tolerance);
	CHECK_OK(tcls_inference_forward(out + b * h, out, &c->inference, &c->sequences, &c->arena, &unit->host),
			 &unit->host);
	network_check_tensor(c, "pooled", out, c->pooled, b * h, tolerance);
	network_check_tensor(c, "logits", out + b * h, c->logits, b * k, tolerance);
	tcls_arena_reset(&c->arena);
}

static void
forward_equals_pytorch(UnitHost *unit)
{
	for (int isa = 0; isa < TCLS_ISA_COUNT; isa++)
		if (tcls_isa_supported((TclsIsa) isa))
		{
			tcls_isa_select((TclsIsa) isa);
			for_kernels(NULL, check_forward, unit);
		}
	tcls_isa_select(TCLS_ISA_BEST);
}

/*
 * Each text alone as in the whole batch.  Rows are quantised one by one, so that int8 is no less
 * independent than fp32.
 */
static void
check_independence(Case *c, UnitHost *unit)
{
	size_t		h = (size_t) c->config.hidden_size;
	size_t		k = (size_t) c->config.num_outputs;
	size_t		b = (size_t) c->sequences.count;
	float	   *together;
	float	   *alone;

	CHECK_OK(tcls_alloc(&together, b * (h + k), sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&alone, h + k, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_inference_forward(together + b * h, together, &c->inference, &c->sequences, &c->arena, &unit->host),
			 &unit->host);
	for (size_t text = 0; text < b; text++)
	{
		const int32_t *starts = c->sequences.starts + text;
		int32_t		own[2] = {0, starts[1] - starts[0]};
		TclsSequences one = {c->sequences.ids + starts[0], own, 1};

		CHECK_OK(tcls_inference_forward(alone + h, alone, &c->inference, &one, &c->arena, &unit->host), &unit->host);
		network_check_tensor(c, "text alone", alone, together + text * h, h, 1e-5);
		network_check_tensor(c, "logits alone", alone + h, together + b * h + text * k, k, 1e-5);
	}
}

static void
texts_do_not_depend_on_their_batch(UnitHost *unit)
{
	for_kernels(NULL, check_independence, unit);
}

/* Long batches run in many tiles: the same texts again and again give the same result at every place. */
static void
check_tiles(Case *c, UnitHost *unit)
{
	enum
	{
		COPIES = 200
	};
	size_t		tokens = (size_t) c->sequences.starts[c->sequences.count];
	size_t		b = (size_t) c->sequences.count;
	size_t		h = (size_t) c->config.hidden_size;
	int32_t    *ids;
	int32_t    *starts;
	float	   *pooled;
	TclsSequences many;

	CHECK_OK(tcls_alloc(&ids, COPIES * tokens, sizeof(int32_t), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&starts, COPIES * b + 1, sizeof(int32_t), &unit->host), &unit->host);
	CHECK_OK(tcls_alloc(&pooled, COPIES * b * h, sizeof(float), &unit->host), &unit->host);
	for (size_t copy = 0; copy < COPIES; copy++)
	{
		memcpy(ids + copy * tokens, c->sequences.ids, tokens * sizeof(int32_t));
		for (size_t text = 0; text <= b; text++)
			starts[copy * b + text] = (int32_t) (copy * tokens) + c->sequences.starts[text];
	}
	many = (TclsSequences) {ids, starts, (int32_t) (COPIES * b)};
	CHECK_OK(tcls_inference_forward(NULL, pooled, &c->inference, &many, &c->arena, &unit->host), &unit->host);
	for (size_t copy = 0; copy < COPIES; copy++)
		network_check_tensor(c, "copy of a batch", pooled + copy * b * h, pooled, b * h, 1e-5);
}

static void
tiles_do_not_matter(UnitHost *unit)
{
	for_kernels("mean_single_wide", check_tiles, unit);
}

/* A block is the same bytes for the same weights, is never written, and knows its size. */
static void
check_block(Case *c, UnitHost *unit)
{
	const TclsPackedKernel *kernel = c->inference.kernel;
	size_t		size = tcls_inference_size(&c->config, kernel);
	size_t		pooled_size = (size_t) c->sequences.count * (size_t) c->config.hidden_size;
	float	   *pooled;
	char	   *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(size % TCLS_ALIGNMENT == 0);
	CHECK_OK(tcls_alloc(&pooled, 2 * pooled_size, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_inference_forward(NULL, pooled, &c->inference, &c->sequences, &c->arena, &unit->host), &unit->host);
	memset(mapping, 0x7f, size);
	CHECK_OK(tcls_inference_pack(mapping, &c->weights, &c->config, kernel, &unit->host), &unit->host);
	CHECK(memcmp(mapping, c->inference.block, size) == 0);
	CHECK(mprotect(mapping, size, PROT_READ) == 0);
	CHECK_OK(tcls_inference_bind(&c->inference, mapping, &c->config, kernel, &unit->host), &unit->host);
	CHECK_OK(tcls_inference_forward(NULL, pooled + pooled_size, &c->inference, &c->sequences, &c->arena, &unit->host),
			 &unit->host);
	CHECK(memcmp(pooled, pooled + pooled_size, pooled_size * sizeof(float)) == 0);
	tcls_inference_free(&c->inference, &unit->host);
	munmap(mapping, size);
}

static void
blocks_are_reproducible_and_read_only(UnitHost *unit)
{
	for_kernels(NULL, check_block, unit);
}

/* Fewer layers are a prefix of the network: those after the embeddings differ from one another. */
static void
check_layers(Case *c, UnitHost *unit)
{
	size_t		count = (size_t) c->sequences.starts[c->sequences.count] * (size_t) c->config.hidden_size;
	float	   *hidden;
	double		change = 0;

	CHECK_OK(tcls_alloc(&hidden, 2 * count, sizeof(float), &unit->host), &unit->host);
	for (int32_t layers = 0; layers < 2; layers++)
		CHECK_OK(tcls_inference_hidden(hidden + (size_t) layers * count, &c->inference, layers, &c->sequences,
									   &c->arena, &unit->host), &unit->host);
	for (size_t i = 0; i < count; i++)
		change += fabs((double) hidden[i] - hidden[count + i]);
	CHECK(change > 0.1 * (double) count);
}

static void
layers_can_be_left_out(UnitHost *unit)
{
	for_kernels("bert_single", check_layers, unit);
}

/* Each poll can stop packing and forward. */
static void
check_cancel(Case *c, UnitHost *unit)
{
	void	   *block;
	float		logits[64];
	size_t		polls;

	CHECK_OK(tcls_alloc(&block, 1, tcls_inference_size(&c->config, c->inference.kernel), &unit->host), &unit->host);
	unit->polls = 0;
	CHECK_OK(tcls_inference_pack(block, &c->weights, &c->config, c->inference.kernel, &unit->host), &unit->host);
	CHECK_OK(tcls_inference_forward(logits, NULL, &c->inference, &c->sequences, &c->arena, &unit->host), &unit->host);
	polls = unit->polls;
	CHECK(polls > 20);
	for (size_t at = 1; at <= polls; at++)
	{
		TclsStatus	status;

		unit->polls = 0;
		unit->cancel_at = at;
		status = tcls_inference_pack(block, &c->weights, &c->config, c->inference.kernel, &unit->host);
		if (status == TCLS_OK)
			status = tcls_inference_forward(logits, NULL, &c->inference, &c->sequences, &c->arena, &unit->host);
		CHECK(status == TCLS_CANCELLED && unit->polls == at);
	}
	unit->cancel_at = 0;
}

static void
cancel_is_seen_everywhere(UnitHost *unit)
{
	for_kernels("bert_single", check_cancel, unit);
}

static void
check_out_of_memory(Case *c, UnitHost *unit)
{
	TclsInference inference;
	float		logits[64];
	size_t		failures = 0;

	for (size_t at = 1; at < 20; at++)
	{
		TclsStatus	status;

		tcls_arena_free(&c->arena);
		unit->fail_at = unit->allocations + at;
		status = tcls_inference_bind(&inference, c->inference.block, &c->config, c->inference.kernel, &unit->host);
		if (status == TCLS_OK)
			status = tcls_inference_forward(logits, NULL, &inference, &c->sequences, &c->arena, &unit->host);
		CHECK(status == TCLS_OK || status == TCLS_OUT_OF_MEMORY);
		failures += status != TCLS_OK;
	}
	unit->fail_at = 0;
	CHECK(failures >= 3);
}

static void
out_of_memory_is_a_status(UnitHost *unit)
{
	for_kernels("bert_single", check_out_of_memory, unit);
}

#define CHECK_FORWARD(wanted) \
	CHECK_STATUS(tcls_inference_forward(logits, NULL, &c->inference, &bad, &c->arena, &unit->host), wanted, \
				 &unit->host)

static void
check_bad_arguments(Case *c, UnitHost *unit)
{
	int32_t		ids[4] = {1, 2, 3, 4};
	int32_t		starts[3] = {0, 2, 4};
	TclsSequences bad = {ids, starts, 2};
	float		logits[64];

	CHECK_FORWARD(TCLS_OK);
	ids[3] = c->config.vocab_size;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	ids[3] = -1;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	ids[3] = 0;
	starts[1] = 0;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[1] = 2;
	starts[2] = 3 + c->config.max_positions;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[2] = 1;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[2] = 4;
	starts[0] = 1;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	starts[0] = 0;
	bad.count = 0;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	c->inference.config.head = TCLS_HEAD_NONE;
	bad.count = 2;
	CHECK_FORWARD(TCLS_BAD_ARGUMENT);
	CHECK(strstr(unit->host.detail, "no classification head") != NULL);
}

static void
bad_arguments_are_named(UnitHost *unit)
{
	for_kernels("bert_single", check_bad_arguments, unit);
}

int
main(void)
{
	RUN(forward_equals_pytorch);
	RUN(texts_do_not_depend_on_their_batch);
	RUN(tiles_do_not_matter);
	RUN(blocks_are_reproducible_and_read_only);
	RUN(layers_can_be_left_out);
	RUN(cancel_is_seen_everywhere);
	RUN(out_of_memory_is_a_status);
	RUN(bad_arguments_are_named);
	return unit_finish();
}

/*
 * checkpoint.c
 *		Blocks, steps of rows and state as tensors of a safetensors file.
 */
#include <string.h>

#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "base/pure_c.h"

#define BLOCK_COUNT 4
#define PART_COUNT (BLOCK_COUNT + 2)
#define COPY_PIECE ((size_t) 1 << 22)	/* bytes between polls */

/* The parts as tensors over the checkpoint's own memory; returns their number. */
static int
describe_parts(TclsTensor parts[PART_COUNT], const TclsCheckpoint *checkpoint)
{
	const struct
	{
		const char *name;
		const void *data;
	}			blocks[BLOCK_COUNT] = {
		{"weights", checkpoint->weights},
		{"moment1", checkpoint->moment1},
		{"moment2", checkpoint->moment2},
		{"best", checkpoint->best}
	};

	for (int i = 0; i < BLOCK_COUNT; i++)
		parts[i] = (TclsTensor) {.name = blocks[i].name, .dtype = TCLS_DTYPE_F32, .data = blocks[i].data,
			.size = checkpoint->total * sizeof(float), .shape = {(int64_t) checkpoint->total}, .rank = 1};
	parts[BLOCK_COUNT] = (TclsTensor) {.name = "state", .dtype = TCLS_DTYPE_U8, .data = checkpoint->state,
		.size = checkpoint->state_size, .shape = {(int64_t) checkpoint->state_size}, .rank = 1};
	if (checkpoint->rows == 0)
		return BLOCK_COUNT + 1;
	parts[BLOCK_COUNT + 1] = (TclsTensor) {.name = "row_steps", .dtype = TCLS_DTYPE_I64, .data = checkpoint->row_steps,
		.size = checkpoint->rows * sizeof(int64_t), .shape = {(int64_t) checkpoint->rows}, .rank = 1};
	return BLOCK_COUNT + 2;
}

TclsStatus
tcls_checkpoint_write(const TclsWriter *writer, const TclsCheckpoint *checkpoint, TclsHost *host)
{
	TclsTensor	parts[PART_COUNT];

	int			count = describe_parts(parts, checkpoint);

	return tcls_safetensors_write(writer, parts, count, host);
}

static TclsStatus
copy_part(const TclsTensor *into, const TclsTensorSet *tensors, TclsHost *host)
{
	const TclsTensor *from = tcls_safetensors_find(tensors, into->name);

	if (from == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "the checkpoint has no \"%s\"", into->name);
	if (from->dtype != into->dtype || from->size != into->size)
		return tcls_fail(host, TCLS_BAD_FILE, "\"%s\" of the checkpoint has %zu bytes instead of %zu", into->name,
						 from->size, into->size);
	for (size_t first = 0; first < from->size; first += COPY_PIECE)
	{
		TCLS_TRY(tcls_poll(host));
		memcpy((char *) into->data + first, (const char *) from->data + first,
			   from->size - first < COPY_PIECE ? from->size - first : COPY_PIECE);
	}
	return TCLS_OK;
}

TclsStatus
tcls_checkpoint_read(const TclsCheckpoint *into, const void *data, size_t size, TclsHost *host)
{
	TclsTensor	parts[PART_COUNT];
	TclsTensorSet tensors;
	int			count = describe_parts(parts, into);

	TCLS_TRY(tcls_safetensors_read(&tensors, data, size, host));
	for (int i = 0; i < count; i++)
		TCLS_TRY(copy_part(&parts[i], &tensors, host));
	tcls_safetensors_destroy(&tensors, host);
	return TCLS_OK;
}

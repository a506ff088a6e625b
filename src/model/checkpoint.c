/*
 * checkpoint.c
 *		The four blocks and the state as tensors of a safetensors file.
 */
#include <string.h>

#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "base/pure_c.h"

#define PART_COUNT 5
#define COPY_PIECE ((size_t) 1 << 22)	/* bytes between polls */

/* The parts as tensors over the checkpoint's own memory. */
static void
describe_parts(TclsTensor parts[PART_COUNT], const TclsCheckpoint *checkpoint)
{
	const struct
	{
		const char *name;
		const void *data;
	}			blocks[PART_COUNT - 1] = {
		{"weights", checkpoint->weights},
		{"moment1", checkpoint->moment1},
		{"moment2", checkpoint->moment2},
		{"best", checkpoint->best}
	};

	memset(parts, 0, PART_COUNT * sizeof(TclsTensor));
	for (int i = 0; i < PART_COUNT - 1; i++)
	{
		parts[i].name = blocks[i].name;
		parts[i].dtype = TCLS_DTYPE_F32;
		parts[i].data = blocks[i].data;
		parts[i].size = checkpoint->total * sizeof(float);
		parts[i].shape[0] = (int64_t) checkpoint->total;
		parts[i].rank = 1;
	}
	parts[PART_COUNT - 1].name = "state";
	parts[PART_COUNT - 1].dtype = TCLS_DTYPE_U8;
	parts[PART_COUNT - 1].data = checkpoint->state;
	parts[PART_COUNT - 1].size = checkpoint->state_size;
	parts[PART_COUNT - 1].shape[0] = (int64_t) checkpoint->state_size;
	parts[PART_COUNT - 1].rank = 1;
}

TclsStatus
tcls_checkpoint_write(const TclsWriter *writer, const TclsCheckpoint *checkpoint, TclsHost *host)
{
	TclsTensor	parts[PART_COUNT];

	describe_parts(parts, checkpoint);
	return tcls_safetensors_write(writer, parts, PART_COUNT, host);
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

	describe_parts(parts, into);
	TCLS_TRY(tcls_safetensors_read(&tensors, data, size, host));
	for (int i = 0; i < PART_COUNT; i++)
		TCLS_TRY(copy_part(&parts[i], &tensors, host));
	tcls_safetensors_destroy(&tensors, host);
	return TCLS_OK;
}

/*
 * safetensors.h
 *		The file format of weights: a JSON header and the tensors' bytes.
 *
 *		[u64 length of header][header: {"name": {"dtype", "shape", "data_offsets"}, ...}][bytes]
 *
 * Read as strictly as the reference does and stricter: the tensors cover the
 * bytes without hole or overlap, none is empty, no key occurs twice.  Written with
 * the bytes from a multiple of 64 on; tensors whose size is no multiple of
 * 64 come last, since the format allows no gaps.
 *
 * Reference: huggingface/safetensors, safetensors/src/tensor.rs.
 */
#ifndef TEXTCLS_SAFETENSORS_H
#define TEXTCLS_SAFETENSORS_H

#include "base/host.h"

#define TCLS_TENSOR_MAX_RANK 4
#define TCLS_TENSOR_MAX_NAME 255

/* The first three can become parameters. */
typedef enum TclsDtype
{
	TCLS_DTYPE_F32,
	TCLS_DTYPE_F16,
	TCLS_DTYPE_BF16,
	TCLS_DTYPE_F64,
	TCLS_DTYPE_I64,
	TCLS_DTYPE_U64,
	TCLS_DTYPE_I32,
	TCLS_DTYPE_U32,
	TCLS_DTYPE_I16,
	TCLS_DTYPE_U16,
	TCLS_DTYPE_I8,
	TCLS_DTYPE_U8,
	TCLS_DTYPE_BOOL,
	TCLS_DTYPE_F8_E5M2,
	TCLS_DTYPE_F8_E4M3
} TclsDtype;

typedef struct TclsTensor
{
	const char *name;
	TclsDtype	dtype;
	int32_t		rank;
	int64_t		shape[TCLS_TENSOR_MAX_RANK];
	const void *data;			/* borrowed, not aligned in general */
	size_t		size;			/* bytes */
} TclsTensor;

/* Sorted by name; items and names belong to the host. */
typedef struct TclsTensorSet
{
	TclsTensor *items;
	int32_t		count;
} TclsTensorSet;

/* Check the whole header; the tensors point into data. */
extern TclsStatus tcls_safetensors_read(TclsTensorSet *out, const void *data, size_t size, TclsHost *host);
extern void tcls_safetensors_destroy(TclsTensorSet *set, TclsHost *host);

/* Sort by name; a name that occurs twice is TCLS_BAD_FILE. */
extern TclsStatus tcls_safetensors_sort(TclsTensorSet *set, TclsHost *host);

/* NULL when there is none of this name. */
extern const TclsTensor *tcls_safetensors_find(const TclsTensorSet *set, const char *name);

/*
 * The elements as fp32; out NULL only checks them.  A value that is not finite is
 * TCLS_BAD_FILE, a type that is no parameter's TCLS_UNSUPPORTED; both name the tensor.
 */
extern TclsStatus tcls_safetensors_to_floats(float *out, const TclsTensor *tensor, TclsHost *host);

/* Size in bytes of the file that tcls_safetensors_write writes. */
extern TclsStatus tcls_safetensors_size(size_t *size, const TclsTensor *tensors, int32_t count, TclsHost *host);

extern TclsStatus tcls_safetensors_write(const TclsWriter *writer, const TclsTensor *tensors, int32_t count,
										 TclsHost *host);

#endif							/* TEXTCLS_SAFETENSORS_H */

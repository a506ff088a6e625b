/*
 * safetensors.c
 *		Reader and writer of safetensors files.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_json.h"
#include "model/safetensors.h"
#include "base/pure_c.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors files are little-endian, and so must the machine be"
#endif

#define PREFIX_SIZE sizeof(uint64_t)
#define METADATA_KEY "__metadata__"
#define WRITE_PIECE ((size_t) 1 << 20)	/* bytes between polls */
#define CONVERT_PIECE 4096		/* floats of the buffer on the stack */

static const struct
{
	const char *name;
	size_t		size;			/* bytes of an element */
}			dtypes[] =
{
	[TCLS_DTYPE_F32] = {"F32", 4},
	[TCLS_DTYPE_F16] = {"F16", 2},
	[TCLS_DTYPE_BF16] = {"BF16", 2},
	[TCLS_DTYPE_F64] = {"F64", 8},
	[TCLS_DTYPE_I64] = {"I64", 8},
	[TCLS_DTYPE_U64] = {"U64", 8},
	[TCLS_DTYPE_I32] = {"I32", 4},
	[TCLS_DTYPE_U32] = {"U32", 4},
	[TCLS_DTYPE_I16] = {"I16", 2},
	[TCLS_DTYPE_U16] = {"U16", 2},
	[TCLS_DTYPE_I8] = {"I8", 1},
	[TCLS_DTYPE_U8] = {"U8", 1},
	[TCLS_DTYPE_BOOL] = {"BOOL", 1},
	[TCLS_DTYPE_F8_E5M2] = {"F8_E5M2", 1},
	[TCLS_DTYPE_F8_E4M3] = {"F8_E4M3", 1}
};

/* ---------- reading ---------- */

static TclsStatus
read_dtype(TclsDtype *out, const char *name, const json_t *info, TclsHost *host)
{
	const char *dtype = json_string_value(json_object_get(info, "dtype"));

	if (dtype == NULL)
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has no dtype", name);
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
		if (strcmp(dtype, dtypes[i].name) == 0)
		{
			*out = (TclsDtype) i;
			return TCLS_OK;
		}
	return tcls_fail(host, TCLS_UNSUPPORTED, "tensor \"%s\" has the unknown dtype \"%.32s\"", name, dtype);
}

/* The shape, and in *size the bytes that it takes. */
static TclsStatus
read_shape(TclsTensor *tensor, const json_t *info, TclsHost *host)
{
	const json_t *shape = json_object_get(info, "shape");

	if (!json_is_array(shape) || json_array_size(shape) > TCLS_TENSOR_MAX_RANK)
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has no shape of at most %d dimensions", tensor->name,
						 TCLS_TENSOR_MAX_RANK);
	tensor->rank = (int32_t) json_array_size(shape);
	tensor->size = dtypes[tensor->dtype].size;
	for (int32_t i = 0; i < tensor->rank; i++)
	{
		const json_t *dimension = json_array_get(shape, (size_t) i);

		tensor->shape[i] = json_integer_value(dimension);
		if (!json_is_integer(dimension) || tensor->shape[i] <= 0)
			return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has a dimension that is not a positive integer",
							 tensor->name);
		if (__builtin_mul_overflow(tensor->size, (size_t) tensor->shape[i], &tensor->size))
			return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has a shape larger than any memory", tensor->name);
	}
	return TCLS_OK;
}

/* Place the tensor in the bytes behind the header. */
static TclsStatus
read_offsets(TclsTensor *tensor, const json_t *info, const char *bytes, size_t size, TclsHost *host)
{
	const json_t *offsets = json_object_get(info, "data_offsets");
	const json_t *begin = json_array_get(offsets, 0);
	const json_t *end = json_array_get(offsets, 1);

	if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
		json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has no data_offsets of two ascending integers",
						 tensor->name);
	if ((uint64_t) json_integer_value(end) > size)
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" ends at byte %lld of %zu: the file is truncated",
						 tensor->name, (long long) json_integer_value(end), size);
	if ((size_t) (json_integer_value(end) - json_integer_value(begin)) != tensor->size)
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has %lld bytes, but its shape takes %zu", tensor->name,
						 (long long) (json_integer_value(end) - json_integer_value(begin)), tensor->size);
	tensor->data = bytes + json_integer_value(begin);
	return TCLS_OK;
}

static TclsStatus
read_tensor(TclsTensor *tensor, const json_t *info, const char *bytes, size_t size, TclsHost *host)
{
	if (!json_is_object(info) || json_object_size(info) != 3)
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" is not an object of dtype, shape and data_offsets",
						 tensor->name);
	TCLS_TRY(read_dtype(&tensor->dtype, tensor->name, info, host));
	TCLS_TRY(read_shape(tensor, info, host));
	return read_offsets(tensor, info, bytes, size, host);
}

static TclsStatus
check_metadata(const json_t *metadata, TclsHost *host)
{
	const char *key;
	json_t	   *value;

	if (!json_is_object(metadata))
		return tcls_fail(host, TCLS_BAD_FILE, METADATA_KEY " is not an object");
	json_object_foreach((json_t *) metadata, key, value)
		if (!json_is_string(value))
			return tcls_fail(host, TCLS_BAD_FILE, METADATA_KEY " has a value that is not a string");
	return TCLS_OK;
}

/* Copy the name into *names, which moves behind it. */
static TclsStatus
copy_name(const char **out, char **names, const char *name, TclsHost *host)
{
	size_t		length = strlen(name);

	if (length == 0 || length > TCLS_TENSOR_MAX_NAME)
		return tcls_fail(host, TCLS_BAD_FILE, "a tensor's name has %zu bytes instead of 1 to %d", length,
						 TCLS_TENSOR_MAX_NAME);
	*out = memcpy(*names, name, length + 1);
	*names += length + 1;
	return TCLS_OK;
}

/* The tensors of a parsed header.  One block holds the array and the names behind it. */
static TclsStatus
read_header(TclsTensorSet *out, json_t *header, const char *bytes, size_t size, TclsHost *host)
{
	size_t		room = 0;
	const char *key;
	char	   *names;
	json_t	   *value;

	json_object_foreach(header, key, value)
		room += sizeof(TclsTensor) + strlen(key) + 1;
	TCLS_TRY(tcls_alloc_zero(&out->items, 1, room, host));
	out->count = 0;
	names = (char *) (out->items + json_object_size(header));
	json_object_foreach(header, key, value)
	{
		TclsTensor *tensor = &out->items[out->count];

		if (strcmp(key, METADATA_KEY) == 0)
		{
			TCLS_TRY(check_metadata(value, host));
			continue;
		}
		TCLS_TRY(copy_name(&tensor->name, &names, key, host));
		TCLS_TRY(read_tensor(tensor, value, bytes, size, host));
		out->count++;
	}
	return TCLS_OK;
}

static int
compare_places(const void *left, const void *right)
{
	const char *a = ((const TclsTensor *) left)->data;
	const char *b = ((const TclsTensor *) right)->data;

	return (a > b) - (a < b);
}

/* Without hole and overlap from the first byte to the last. */
static TclsStatus
check_cover(TclsTensorSet *set, const char *bytes, size_t size, TclsHost *host)
{
	const char *end = bytes;

	qsort(set->items, (size_t) set->count, sizeof(TclsTensor), compare_places);
	for (int32_t i = 0; i < set->count; i++)
	{
		const TclsTensor *tensor = &set->items[i];

		if (tensor->data != end)
			return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" begins at byte %td, but the one before ends at %td",
							 tensor->name, (const char *) tensor->data - bytes, end - bytes);
		end += tensor->size;
	}
	if (end != bytes + size)
		return tcls_fail(host, TCLS_BAD_FILE, "the tensors end at byte %td of %zu", end - bytes, size);
	return TCLS_OK;
}

static int
compare_names(const void *left, const void *right)
{
	return strcmp(((const TclsTensor *) left)->name, ((const TclsTensor *) right)->name);
}

TclsStatus
tcls_safetensors_sort(TclsTensorSet *set, TclsHost *host)
{
	qsort(set->items, (size_t) set->count, sizeof(TclsTensor), compare_names);
	for (int32_t i = 1; i < set->count; i++)
		if (strcmp(set->items[i - 1].name, set->items[i].name) == 0)
			return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" occurs twice", set->items[i].name);
	return TCLS_OK;
}

TclsStatus
tcls_safetensors_read(TclsTensorSet *out, const void *data, size_t size, TclsHost *host)
{
	const char *text = (const char *) data + PREFIX_SIZE;
	uint64_t	length;
	json_t	   *header;
	TclsStatus	status;

	if (size < PREFIX_SIZE)
		return tcls_fail(host, TCLS_BAD_FILE, "a file of %zu bytes is no safetensors file", size);
	memcpy(&length, data, sizeof(length));
	size -= PREFIX_SIZE;
	if (length > size || length > TCLS_MODEL_JSON_LIMIT)
		return tcls_fail(host, TCLS_BAD_FILE, "the safetensors header has %llu bytes, where at most %zu are possible",
						 (unsigned long long) length, size < TCLS_MODEL_JSON_LIMIT ? size : TCLS_MODEL_JSON_LIMIT);
	if (length == 0 || text[0] != '{')
		return tcls_fail(host, TCLS_BAD_FILE, "the safetensors header does not begin with \"{\"");
	TCLS_TRY(tcls_model_json_parse(&header, JSON_OBJECT, "the safetensors header", text, (size_t) length, host));
	size -= (size_t) length;
	status = read_header(out, header, text + length, size, host);
	json_decref(header);
	TCLS_TRY(status);
	TCLS_TRY(check_cover(out, text + length, size, host));
	return tcls_safetensors_sort(out, host);
}

void
tcls_safetensors_destroy(TclsTensorSet *set, TclsHost *host)
{
	tcls_free(set->items, host);
	set->items = NULL;
	set->count = 0;
}

const TclsTensor *
tcls_safetensors_find(const TclsTensorSet *set, const char *name)
{
	TclsTensor	wanted = {.name = name};

	return bsearch(&wanted, set->items, (size_t) set->count, sizeof(TclsTensor), compare_names);
}

/* ---------- conversion ---------- */

/*
 * Half precision has 5 exponent bits with bias 15.  Read as fp32 the number is too small
 * by 2^112, subnormals included; infinity and NaN get their exponent by hand.
 */
static void
convert_f16(float *out, const unsigned char *in, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		uint16_t	half;
		uint32_t	bits;
		float		value;

		memcpy(&half, in + 2 * i, 2);
		bits = (uint32_t) (half & 0x7fff) << 13;
		memcpy(&value, &bits, 4);
		value *= 0x1p112f;
		memcpy(&bits, &value, 4);
		bits |= (uint32_t) (half & 0x8000) << 16 | ((half & 0x7c00) == 0x7c00 ? UINT32_C(0x7f800000) : 0);
		memcpy(out + i, &bits, 4);
	}
}

static void
convert_bf16(float *out, const unsigned char *in, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		uint16_t	half;
		uint32_t	bits;

		memcpy(&half, in + 2 * i, 2);
		bits = (uint32_t) half << 16;
		memcpy(out + i, &bits, 4);
	}
}

static bool
all_finite(const float *values, size_t count)
{
	uint32_t	found = 0;

	for (size_t i = 0; i < count; i++)
	{
		uint32_t	bits;

		memcpy(&bits, values + i, 4);
		found |= (bits & 0x7f800000) == 0x7f800000;
	}
	return found == 0;
}

static void
convert_piece(float *out, const TclsTensor *tensor, size_t first, size_t count)
{
	const unsigned char *in = (const unsigned char *) tensor->data + first * dtypes[tensor->dtype].size;

	if (tensor->dtype == TCLS_DTYPE_F32)
		memcpy(out, in, count * sizeof(float));
	else if (tensor->dtype == TCLS_DTYPE_F16)
		convert_f16(out, in, count);
	else
		convert_bf16(out, in, count);
}

TclsStatus
tcls_safetensors_to_floats(float *out, const TclsTensor *tensor, TclsHost *host)
{
	float		buffer[CONVERT_PIECE];
	size_t		total = tensor->size / dtypes[tensor->dtype].size;

	if (tensor->dtype > TCLS_DTYPE_BF16)
		return tcls_fail(host, TCLS_UNSUPPORTED, "tensor \"%s\" has dtype %s; convert it to F32, F16 or BF16",
						 tensor->name, dtypes[tensor->dtype].name);
	for (size_t first = 0; first < total; first += CONVERT_PIECE)
	{
		size_t		count = total - first < CONVERT_PIECE ? total - first : CONVERT_PIECE;
		float	   *piece = out != NULL ? out + first : buffer;

		if (first % (256 * CONVERT_PIECE) == 0)
			TCLS_TRY(tcls_poll(host));
		convert_piece(piece, tensor, first, count);
		if (!all_finite(piece, count))
			return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" holds a value that is not finite", tensor->name);
	}
	return TCLS_OK;
}

/* ---------- writing ---------- */

/* Multiples of 64 bytes first; then the larger elements, so that each is aligned to its own size. */
static int
compare_layout(const void *left, const void *right)
{
	const TclsTensor *a = left;
	const TclsTensor *b = right;
	bool		a_odd = a->size % TCLS_ALIGNMENT != 0;
	bool		b_odd = b->size % TCLS_ALIGNMENT != 0;

	if (a_odd != b_odd)
		return a_odd - b_odd;
	if (a_odd && dtypes[a->dtype].size != dtypes[b->dtype].size)
		return dtypes[a->dtype].size < dtypes[b->dtype].size ? 1 : -1;
	return strcmp(a->name, b->name);
}

static json_t *
describe_tensor(const TclsTensor *tensor, size_t begin)
{
	json_t	   *shape = json_array();

	for (int32_t i = 0; i < tensor->rank; i++)
		if (json_array_append_new(shape, json_integer(tensor->shape[i])) != 0)
		{
			json_decref(shape);
			return NULL;
		}
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtypes[tensor->dtype].name, "shape", shape,
					 "data_offsets", (json_int_t) begin, (json_int_t) (begin + tensor->size));
}

/* "format" is what Hugging Face transformers want to see. */
static json_t *
describe_tensors(const TclsTensor *tensors, int32_t count)
{
	json_t	   *header = json_pack("{s:{s:s}}", METADATA_KEY, "format", "pt");
	size_t		begin = 0;

	for (int32_t i = 0; i < count; i++)
	{
		if (json_object_set_new(header, tensors[i].name, describe_tensor(&tensors[i], begin)) != 0)
		{
			json_decref(header);
			return NULL;
		}
		begin += tensors[i].size;
	}
	return header;
}

/*
 * The tensors in the order of the file, and its beginning: length and header,
 * filled up with spaces.
 */
static TclsStatus
plan_file(TclsTensor **ordered, TclsBytes *beginning, const TclsTensor *tensors, int32_t count, TclsHost *host)
{
	uint64_t	length = 0;
	json_t	   *header;
	TclsStatus	status;

	TCLS_TRY(tcls_alloc(ordered, (size_t) count, sizeof(TclsTensor), host));
	memcpy(*ordered, tensors, (size_t) count * sizeof(TclsTensor));
	qsort(*ordered, (size_t) count, sizeof(TclsTensor), compare_layout);
	TCLS_TRY(tcls_bytes_append(beginning, &length, sizeof(length), host));
	header = describe_tensors(*ordered, count);
	status = tcls_model_json_dump(beginning, header, JSON_COMPACT, host);
	json_decref(header);
	TCLS_TRY(status);
	while (beginning->size % TCLS_ALIGNMENT != 0)
		TCLS_TRY(tcls_bytes_append(beginning, " ", 1, host));
	length = beginning->size - PREFIX_SIZE;
	memcpy(beginning->data, &length, sizeof(length));
	return TCLS_OK;
}

TclsStatus
tcls_safetensors_size(size_t *size, const TclsTensor *tensors, int32_t count, TclsHost *host)
{
	TclsBytes	beginning = {0};
	TclsTensor *ordered;

	TCLS_TRY(plan_file(&ordered, &beginning, tensors, count, host));
	*size = beginning.size;
	for (int32_t i = 0; i < count; i++)
		*size += tensors[i].size;
	tcls_free(ordered, host);
	tcls_free(beginning.data, host);
	return TCLS_OK;
}

static TclsStatus
write_bytes(const TclsWriter *writer, const char *data, size_t size, TclsHost *host)
{
	for (size_t first = 0; first < size; first += WRITE_PIECE)
	{
		TCLS_TRY(tcls_poll(host));
		TCLS_TRY(writer->write(writer->context, data + first, size - first < WRITE_PIECE ? size - first : WRITE_PIECE));
	}
	return TCLS_OK;
}

TclsStatus
tcls_safetensors_write(const TclsWriter *writer, const TclsTensor *tensors, int32_t count, TclsHost *host)
{
	TclsBytes	beginning = {0};
	TclsTensor *ordered;

	TCLS_TRY(plan_file(&ordered, &beginning, tensors, count, host));
	TCLS_TRY(write_bytes(writer, beginning.data, beginning.size, host));
	for (int32_t i = 0; i < count; i++)
		TCLS_TRY(write_bytes(writer, ordered[i].data, ordered[i].size, host));
	tcls_free(ordered, host);
	tcls_free(beginning.data, host);
	return TCLS_OK;
}

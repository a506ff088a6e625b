/*
 * test_safetensors.c
 *		The safetensors reader against valid and hostile files, and the writer.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "unit.h"

/* A file of this header and size zero bytes behind it; memory of the host. */
static TclsStatus
read_text(TclsTensorSet *set, const char *header, size_t size, UnitHost *unit)
{
	size_t		length = strlen(header);
	uint64_t	prefix = length;
	char	   *file;

	TCLS_TRY(tcls_alloc_zero(&file, 1, sizeof(prefix) + length + size, &unit->host));
	memcpy(file, &prefix, sizeof(prefix));
	memcpy(file + sizeof(prefix), header, length);
	return tcls_safetensors_read(set, file, sizeof(prefix) + length + size, &unit->host);
}

static void
valid_file_is_read(UnitHost *unit)
{
	TclsTensorSet set;
	const TclsTensor *tensor;

	CHECK_OK(read_text(&set, "{\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
					   "\"__metadata__\":{\"format\":\"pt\"},"
					   "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}   ", 32, unit), &unit->host);
	CHECK(set.count == 2 && strcmp(set.items[0].name, "a") == 0);
	tensor = tcls_safetensors_find(&set, "b");
	CHECK(tensor != NULL && tensor->rank == 2 && tensor->shape[0] == 2 && tensor->shape[1] == 3 && tensor->size == 24);
	CHECK(tcls_safetensors_find(&set, "c") == NULL);
	CHECK_STATUS(tcls_safetensors_to_floats(NULL, &set.items[0], &unit->host), TCLS_UNSUPPORTED, &unit->host);
	CHECK_OK(read_text(&set, "{}", 0, unit), &unit->host);
	CHECK(set.count == 0);
}

static void
hostile_headers_are_refused(UnitHost *unit)
{
	static const struct
	{
		const char *header;
		size_t		size;
		const char *culprit;	/* part of the message */
	}			cases[] = {
		{"", 0, "begin with"},
		{" {}", 0, "begin with"},
		{"[]", 0, "begin with"},
		{"{", 0, "not valid JSON"},
		{"{}x", 0, "not valid JSON"},
		{"{\"a\":1e400}", 0, "not valid JSON"},
		{"{\"a\":99999999999999999999}", 0, "not valid JSON"},
		{"{\"a\\u0000b\":1}", 0, "not valid JSON"},
		{"{\"\\ud800\":1}", 0, "not valid JSON"},
		{"{\"\xff\":1}", 0, "not valid JSON"},
		{"{\"a\":{},\"a\":{}}", 0, "duplicate"},
		{"{\"a\":1}", 0, "\"a\" is not an object"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"a\" is not an object"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "\"a\" is not an object"},
		{"{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "name has 0 bytes"},
		{"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
		{"{\"a\":{\"type\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
		{"{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype \"F4\""},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "no shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "no shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "dimension"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "dimension"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "dimension"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "dimension"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "larger than"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807],\"data_offsets\":[0,4]}}", 4, "larger than"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":4}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\"0\",4]}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "no data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}", 4, "truncated"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "truncated"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "its shape takes 8"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "end at byte 4 of 5"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "begins at byte 4"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		"\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "before ends at 4"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		"\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12, "before ends at 4"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
		"\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "before ends at 8"},
		{"{\"__metadata__\":3}", 0, "__metadata__"},
		{"{\"__metadata__\":{\"a\":3}}", 0, "__metadata__"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TclsTensorSet set;
		TclsStatus	status = read_text(&set, cases[i].header, cases[i].size, unit);

		if ((status != TCLS_BAD_FILE && status != TCLS_UNSUPPORTED) ||
			strstr(unit->host.detail, cases[i].culprit) == NULL)
			unit_fail(__FILE__, __LINE__, "%s gave %s: %s", cases[i].header, tcls_status_name(status),
					  unit->host.detail);
	}
}

static void
hostile_lengths_are_refused(UnitHost *unit)
{
	char		file[64] = {0};
	const uint64_t lengths[] = {0, 1, 55, 57, 63, 64, 65, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 7};
	TclsTensorSet set;

	memset(file + 8, ' ', sizeof(file) - 8);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		memcpy(file, &lengths[i], 8);
		CHECK_STATUS(tcls_safetensors_read(&set, file, sizeof(file), &unit->host), TCLS_BAD_FILE, &unit->host);
	}
	for (size_t size = 0; size < 8; size++)
		CHECK_STATUS(tcls_safetensors_read(&set, file, size, &unit->host), TCLS_BAD_FILE, &unit->host);
}

static void
huge_headers_are_refused(UnitHost *unit)
{
	size_t		length = ((size_t) 4 << 20) + 1;
	uint64_t	prefix = length;
	TclsTensorSet set;
	char	   *file;
	char		name[400];

	CHECK_OK(tcls_alloc(&file, 1, 8 + length, &unit->host), &unit->host);
	memcpy(file, &prefix, 8);
	memset(file + 8, ' ', length);
	file[8] = '{';
	CHECK_STATUS(tcls_safetensors_read(&set, file, 8 + length, &unit->host), TCLS_BAD_FILE, &unit->host);
	memset(file + 8, '[', length);
	prefix = length - 1;
	memcpy(file, &prefix, 8);
	file[8] = '{';
	CHECK_STATUS(tcls_safetensors_read(&set, file, 7 + length, &unit->host), TCLS_BAD_FILE, &unit->host);
	snprintf(name, sizeof(name), "{\"%0300d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 0);
	CHECK_STATUS(read_text(&set, name, 4, unit), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "300 bytes") != NULL);
}

/* Every halfword against the value that its bits mean by definition. */
static void
half_precision_is_exact(UnitHost *unit)
{
	uint16_t	bits = 0;
	TclsTensor	half = {.name = "half", .dtype = TCLS_DTYPE_F16, .rank = 1, .shape = {1}, .data = &bits, .size = 2};
	TclsTensor	brain = {.name = "brain", .dtype = TCLS_DTYPE_BF16, .rank = 1, .shape = {1}, .data = &bits, .size = 2};

	for (uint32_t word = 0; word < 65536; word++)
	{
		double		sign = word & 0x8000 ? -1 : 1;
		int			exponent = word >> 10 & 31;
		double		mantissa = word & 1023;
		double		value = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
		float		got;

		bits = (uint16_t) word;
		CHECK_STATUS(tcls_safetensors_to_floats(&got, &half, &unit->host), exponent == 31 ? TCLS_BAD_FILE : TCLS_OK,
					 &unit->host);
		CHECK(exponent == 31 || (got == sign * value && !signbit(got) == (sign > 0)));
		exponent = word >> 7 & 255;
		mantissa = word & 127;
		value = exponent == 0 ? ldexp(mantissa, -133) : ldexp(128 + mantissa, exponent - 134);
		CHECK_STATUS(tcls_safetensors_to_floats(&got, &brain, &unit->host), exponent == 255 ? TCLS_BAD_FILE : TCLS_OK,
					 &unit->host);
		CHECK(exponent == 255 || (got == sign * value && !signbit(got) == (sign > 0)));
	}
}

static void
values_that_are_not_finite_are_named(UnitHost *unit)
{
	static const float bad[] = {INFINITY, -INFINITY, NAN};
	float	   *values;
	TclsTensor	tensor = {.name = "the.culprit", .dtype = TCLS_DTYPE_F32, .rank = 1, .shape = {10000}, .size = 40000};

	CHECK_OK(tcls_alloc_zero(&values, 10000, sizeof(float), &unit->host), &unit->host);
	tensor.data = values;
	CHECK_OK(tcls_safetensors_to_floats(NULL, &tensor, &unit->host), &unit->host);
	for (int i = 0; i < 3; i++)
	{
		values[i * 4999] = bad[i];
		CHECK_STATUS(tcls_safetensors_to_floats(NULL, &tensor, &unit->host), TCLS_BAD_FILE, &unit->host);
		CHECK(strstr(unit->host.detail, "the.culprit") != NULL);
		values[i * 4999] = 0;
	}
}

/* Three tensors: one of odd size first, one of two-byte elements. */
static void
describe_sample(TclsTensor tensors[3], const float *floats)
{
	static const TclsTensor sample[3] = {
		{.name = "a.odd", .dtype = TCLS_DTYPE_BF16, .rank = 1, .shape = {3}, .size = 6},
		{.name = "b.floats", .dtype = TCLS_DTYPE_F32, .rank = 2, .shape = {4, 8}, .size = 128},
		{.name = "c.small", .dtype = TCLS_DTYPE_F32, .rank = 1, .shape = {2}, .size = 8}
	};

	memcpy(tensors, sample, sizeof(sample));
	for (int i = 0; i < 3; i++)
		tensors[i].data = floats;
}

static void
written_file_is_aligned_and_reads_back(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsTensor	tensors[3];
	TclsTensorSet set;
	float		floats[32];
	uint64_t	length;
	size_t		size;

	for (int i = 0; i < 32; i++)
		floats[i] = (float) i + 0.5f;
	describe_sample(tensors, floats);
	CHECK_OK(tcls_safetensors_write(&writer, tensors, 3, &unit->host), &unit->host);
	CHECK_OK(tcls_safetensors_size(&size, tensors, 3, &unit->host), &unit->host);
	CHECK(size == bytes.size);
	memcpy(&length, bytes.data, 8);
	CHECK((length + 8) % 64 == 0);
	CHECK_OK(tcls_safetensors_read(&set, bytes.data, bytes.size, &unit->host), &unit->host);
	CHECK(set.count == 3);
	for (int i = 0; i < 3; i++)
	{
		CHECK(strcmp(set.items[i].name, tensors[i].name) == 0 && set.items[i].dtype == tensors[i].dtype);
		CHECK(set.items[i].size == tensors[i].size && memcmp(set.items[i].data, floats, tensors[i].size) == 0);
	}
	CHECK((const char *) set.items[1].data == bytes.data + 8 + length);
	CHECK((const char *) set.items[2].data == bytes.data + 8 + length + 128);
	CHECK((const char *) set.items[0].data == bytes.data + 8 + length + 136);
	tcls_safetensors_destroy(&set, &unit->host);
	tcls_free(bytes.data, &unit->host);
	CHECK(unit->live_blocks == 0);
}

/* Cut anywhere the file is refused, and so it is with any byte behind it. */
static void
truncation_is_refused_at_every_byte(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsTensor	tensors[3];
	TclsTensorSet set;
	float		floats[32] = {0};

	describe_sample(tensors, floats);
	CHECK_OK(tcls_safetensors_write(&writer, tensors, 3, &unit->host), &unit->host);
	for (size_t size = 0; size < bytes.size; size++)
	{
		char	   *copy = malloc(size + 1);	/* exact, so that the sanitizer sees a read beyond */

		memcpy(copy, bytes.data, size);
		CHECK_STATUS(tcls_safetensors_read(&set, copy, size, &unit->host), TCLS_BAD_FILE, &unit->host);
		free(copy);
	}
	CHECK_OK(tcls_bytes_append(&bytes, "x", 1, &unit->host), &unit->host);
	CHECK_STATUS(tcls_safetensors_read(&set, bytes.data, bytes.size, &unit->host), TCLS_BAD_FILE, &unit->host);
}

/*
 * The allocator of jansson, which fails at a chosen call.  jansson itself reports some of its
 * failures as syntax errors; what matters is that nothing crashes or leaks.
 */
static size_t json_allocations;
static size_t json_fail_at;

static void *
json_test_alloc(size_t size)
{
	return ++json_allocations == json_fail_at ? NULL : malloc(size);
}

static TclsStatus
write_and_read(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsTensor	tensors[3];
	TclsTensorSet set;
	float		floats[32] = {0};
	size_t		size;

	describe_sample(tensors, floats);
	TCLS_TRY(tcls_safetensors_size(&size, tensors, 3, &unit->host));
	TCLS_TRY(tcls_safetensors_write(&writer, tensors, 3, &unit->host));
	return tcls_safetensors_read(&set, bytes.data, bytes.size, &unit->host);
}

static void
every_failing_allocation_is_a_clean_error(UnitHost *unit)
{
	TclsStatus	status = TCLS_OUT_OF_MEMORY;

	for (unit->fail_at = 1; status != TCLS_OK; unit->fail_at++)
	{
		unit_host_reset(unit);
		status = write_and_read(unit);
		if (status != TCLS_OK)
			CHECK_STATUS(status, TCLS_OUT_OF_MEMORY, &unit->host);
	}
	CHECK(unit->fail_at > 10);
	unit->fail_at = 0;
	json_set_alloc_funcs(json_test_alloc, free);
	status = TCLS_OUT_OF_MEMORY;
	for (json_fail_at = 1; status != TCLS_OK; json_fail_at++)
	{
		unit_host_reset(unit);
		json_allocations = 0;
		status = write_and_read(unit);
		CHECK(status == TCLS_OK || status == TCLS_OUT_OF_MEMORY || status == TCLS_BAD_FILE);
	}
	CHECK(json_fail_at > 50);
	json_set_alloc_funcs(malloc, free);
}

static void
failing_writer_and_cancel_are_passed_on(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, &unit->host, 64};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsTensor	tensors[3];
	float		floats[32] = {0};

	describe_sample(tensors, floats);
	CHECK_STATUS(tcls_safetensors_write(&writer, tensors, 3, &unit->host), TCLS_IO, &unit->host);
	CHECK(strstr(unit->host.detail, "disk is full") != NULL);
	sink.room = 0;
	unit->cancel_at = 1;
	CHECK_STATUS(tcls_safetensors_write(&writer, tensors, 3, &unit->host), TCLS_CANCELLED, &unit->host);
}

static void
checkpoint_comes_back_bit_equal(UnitHost *unit)
{
	float		blocks[4][80];
	float		again[4][80];
	char		state[13] = "twelve bytes";
	char		state_again[13] = "";
	int64_t		steps[3] = {0, 1, (int64_t) 1 << 40};
	int64_t		steps_again[3] = {-1, -1, -1};
	TclsCheckpoint checkpoint = {80, blocks[0], blocks[1], blocks[2], blocks[3], steps, 3, state, sizeof(state)};
	TclsCheckpoint into = {80, again[0], again[1], again[2], again[3], steps_again, 3, state_again, sizeof(state)};
	TclsBytes	bytes = {0};
	UnitSink	sink = {&bytes, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};

	for (int i = 0; i < 320; i++)
		blocks[i / 80][i % 80] = (float) i * 1e-3f;
	CHECK_OK(tcls_checkpoint_write(&writer, &checkpoint, &unit->host), &unit->host);
	CHECK_OK(tcls_checkpoint_read(&into, bytes.data, bytes.size, &unit->host), &unit->host);
	CHECK(memcmp(blocks, again, sizeof(blocks)) == 0 && memcmp(state, state_again, sizeof(state)) == 0);
	CHECK(memcmp(steps, steps_again, sizeof(steps)) == 0);
	into.total = 79;
	CHECK_STATUS(tcls_checkpoint_read(&into, bytes.data, bytes.size, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "\"weights\"") != NULL);
	into.total = 80;
	into.state_size = 12;
	CHECK_STATUS(tcls_checkpoint_read(&into, bytes.data, bytes.size, &unit->host), TCLS_BAD_FILE, &unit->host);
	memcpy(strstr(bytes.data + 8, "best"), "BEST", 4);
	into.state_size = 13;
	CHECK_STATUS(tcls_checkpoint_read(&into, bytes.data, bytes.size, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "no \"best\"") != NULL);
	bytes.size = 0;
	checkpoint.rows = into.rows = 0;
	checkpoint.row_steps = into.row_steps = NULL;
	CHECK_OK(tcls_checkpoint_write(&writer, &checkpoint, &unit->host), &unit->host);
	CHECK_OK(tcls_checkpoint_read(&into, bytes.data, bytes.size, &unit->host), &unit->host);
}

int
main(void)
{
	RUN(valid_file_is_read);
	RUN(hostile_headers_are_refused);
	RUN(hostile_lengths_are_refused);
	RUN(huge_headers_are_refused);
	RUN(half_precision_is_exact);
	RUN(values_that_are_not_finite_are_named);
	RUN(written_file_is_aligned_and_reads_back);
	RUN(truncation_is_refused_at_every_byte);
	RUN(every_failing_allocation_is_a_clean_error);
	RUN(failing_writer_and_cancel_are_passed_on);
	RUN(checkpoint_comes_back_bit_equal);
	return unit_finish();
}

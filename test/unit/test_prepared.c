/*
 * test_prepared.c
 *		Prepared files: equal results, every damage noticed, opened without reading all of it.
 */
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "classify/classifier.h"
#include "model/crc32c.h"
#include "model/prepared.h"
#include "model_fixture.h"

/* Import a directory and prepare it; *bytes is aligned, as a mapping is. */
static void
prepare(TclsBytes *bytes, TclsModel *model, const char *directory, UnitHost *unit)
{
	UnitSink	sink = {bytes, &unit->host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};

	fixture_read_model(model, directory, &unit->host);
	bytes->size = 0;
	CHECK_OK(tcls_prepared_write(&writer, model, &unit->host), &unit->host);
	CHECK(bytes->size == tcls_prepared_size(model));
}

static void
opened_model_equals_the_read_one(UnitHost *unit)
{
	static const char *const directories[] = {"bert_f32", "bert_multi", "distilbert", "sentence"};

	for (size_t d = 0; d < 4; d++)
	{
		TclsBytes	bytes = {0};
		TclsModel	model;
		TclsModel	opened;
		TclsText	text = {"the cat sat on the mat", 22};
		float		embeddings[2][16];
		TclsPredictions out[2] = {{.embeddings = embeddings[0]}, {.embeddings = embeddings[1]}};

		prepare(&bytes, &model, directories[d], unit);
		CHECK_OK(tcls_prepared_open(&opened, bytes.data, bytes.size, true, &unit->host), &unit->host);
		CHECK(memcmp(&opened.config.numbers, &model.config.numbers, sizeof(model.config.numbers)) == 0);
		CHECK(opened.config.architecture == model.config.architecture);
		CHECK(opened.config.max_length == model.config.max_length);
		CHECK(opened.config.normalizes == model.config.normalizes);
		CHECK(opened.config.num_labels == model.config.num_labels);
		for (int32_t i = 0; i < model.config.num_labels; i++)
			CHECK(strcmp(opened.config.labels[i], model.config.labels[i]) == 0);
		CHECK((uintptr_t) opened.weights.block % TCLS_ALIGNMENT == 0);
		CHECK(memcmp(opened.weights.block, model.weights.block, model.plan.total * sizeof(float)) == 0);
		CHECK_OK(tcls_classifier_predict(&out[0], &model, &text, 1, 0, 0, &unit->host), &unit->host);
		CHECK_OK(tcls_classifier_predict(&out[1], &opened, &text, 1, 0, 0, &unit->host), &unit->host);
		CHECK(memcmp(embeddings[0], embeddings[1], sizeof(embeddings[0])) == 0);
	}
}

/* 1,000 damages: a flipped bit anywhere, a cut anywhere, another file's part. */
static void
every_damage_is_noticed(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	TclsModel	model;
	TclsModel	opened;
	TclsRng		rng = {1};

	prepare(&bytes, &model, "bert_f32", unit);
	for (int i = 0; i < 1000; i++)
	{
		size_t		place = (size_t) (tcls_rng_next(&rng) % bytes.size);
		char		bit = (char) (1 << tcls_rng_next(&rng) % 8);

		bytes.data[place] ^= bit;
		CHECK_STATUS(tcls_prepared_open(&opened, bytes.data, bytes.size, true, &unit->host), TCLS_BAD_FILE,
					 &unit->host);
		bytes.data[place] ^= bit;
		CHECK_STATUS(tcls_prepared_open(&opened, bytes.data, place, true, &unit->host), TCLS_BAD_FILE, &unit->host);
	}
	CHECK_OK(tcls_prepared_open(&opened, bytes.data, bytes.size, true, &unit->host), &unit->host);
}

/* Without checksums of the sections, damage may be believed but must not be followed out of the file. */
static void
damage_without_verify_does_not_crash(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	TclsModel	model;
	TclsModel	opened;
	TclsRng		rng = {2};
	TclsText	text = {"the cat sat on the mat", 22};
	float		probabilities[64];
	TclsPredictions out = {.probabilities = probabilities};

	prepare(&bytes, &model, "bert_f32", unit);
	for (int i = 0; i < 3000; i++)
	{
		size_t		place = (size_t) (tcls_rng_next(&rng) % (bytes.size - model.plan.total * sizeof(float)));
		char		old = bytes.data[place];

		bytes.data[place] = (char) tcls_rng_next(&rng);
		if (tcls_prepared_open(&opened, bytes.data, bytes.size, false, &unit->host) == TCLS_OK &&
			tcls_classifier_columns(&opened) <= 64)
			(void) tcls_classifier_predict(&out, &opened, &text, 1, 0, 0, &unit->host);
		bytes.data[place] = old;
	}
}

/* A header that is right by its checksum and wrong in what it says. */
static void
contradicting_header_is_refused(UnitHost *unit)
{
	static const struct
	{
		size_t		place;
		uint64_t	value;
	}			cases[] = {
		{16, 0}, {16, 1}, {16, UINT64_MAX}, {16, UINT64_MAX - 63}, {24, 0}, {24, UINT64_MAX}, {32, 0}, {32, 64},
		{32, UINT64_MAX}, {32, UINT64_C(1) << 63}
	};
	TclsBytes	bytes = {0};
	TclsModel	model;
	TclsModel	opened;
	const uint32_t zero = 0;
	char		header[64];

	prepare(&bytes, &model, "bert_f32", unit);
	memcpy(header, bytes.data, sizeof(header));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint32_t	crc;

		memcpy(bytes.data, header, sizeof(header));
		memcpy(bytes.data + cases[i].place, &cases[i].value, 8);
		memcpy(bytes.data + 12, &zero, 4);
		crc = tcls_crc32c_extend(0, bytes.data, sizeof(header));
		memcpy(bytes.data + 12, &crc, 4);
		CHECK_STATUS(tcls_prepared_open(&opened, bytes.data, bytes.size, false, &unit->host), TCLS_BAD_FILE,
					 &unit->host);
	}
}

/* Labels that are not as many, or not as long, as the file says. */
static void
contradicting_labels_are_refused(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	TclsModel	model;
	TclsModel	opened;
	char	   *numbers;
	char	   *labels;
	size_t		size;
	const int32_t many = 20000;

	prepare(&bytes, &model, "bert_f32", unit);
	numbers = bytes.data + 64;
	labels = memmem(bytes.data, bytes.size, model.config.labels[0], strlen(model.config.labels[0]) + 1);
	size = strlen(model.config.labels[0]) + strlen(model.config.labels[1]) + strlen(model.config.labels[2]) + 3;
	labels[size - 1] = 'x';
	CHECK_STATUS(tcls_prepared_open(&opened, bytes.data, bytes.size, false, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "label 2 of the prepared file has no end") != NULL);
	labels[size - 1] = '\0';
	labels[1] = '\0';
	CHECK_STATUS(tcls_prepared_open(&opened, bytes.data, bytes.size, false, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "bytes behind its labels") != NULL);
	memcpy(numbers + offsetof(TclsConfig, num_outputs), &many, sizeof(many));
	memcpy(labels - sizeof(many), &many, sizeof(many));
	CHECK_STATUS(tcls_prepared_open(&opened, bytes.data, bytes.size, false, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "has 20000 labels") != NULL);
}

/* RFC 3720, appendix B.4. */
static void
crc32c_equals_the_published_values(UnitHost *unit)
{
	unsigned char bytes[4096];
	TclsRng		rng = {3};

	(void) unit;
	CHECK(tcls_crc32c_extend(0, "123456789", 9) == 0xe3069283);
	memset(bytes, 0, 32);
	CHECK(tcls_crc32c_extend(0, bytes, 32) == 0x8a9136aa);
	memset(bytes, 0xff, 32);
	CHECK(tcls_crc32c_extend_plain(0, bytes, 32) == 0x62a8ab43);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char) tcls_rng_next(&rng);
	for (size_t size = 0; size < sizeof(bytes); size += 61)
	{
		uint32_t	whole = tcls_crc32c_extend(0, bytes, size);

		CHECK(whole == tcls_crc32c_extend_plain(0, bytes, size));
		CHECK(whole == tcls_crc32c_extend(tcls_crc32c_extend(0, bytes, size / 3), bytes + size / 3, size - size / 3));
	}
}

/*
 * A file of 90 MB whose weights are a hole of a sparse file: opening must be fast and leave
 * its pages alone, which a mapping without access to them proves.
 */
static void
opening_does_not_touch_the_weights(UnitHost *unit)
{
	static const char json[] = "{\"model_type\":\"bert\",\"vocab_size\":30522,\"hidden_size\":384,"
		"\"num_hidden_layers\":6,\"num_attention_heads\":12,\"intermediate_size\":1536,"
		"\"max_position_embeddings\":512}";
	TclsBytes	bytes = {0};
	TclsModel	model;
	TclsModel	opened;
	size_t		size;
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		weights;
	char	   *mapping;
	struct timespec begin;
	struct timespec end;

	prepare(&bytes, &model, "bert_mlm", unit);
	CHECK_OK(tcls_model_config_read(&model.config, json, strlen(json), &unit->host), &unit->host);
	CHECK_OK(tcls_parameter_plan_create(&model.plan, &model.config.numbers, &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&model.weights.block, model.plan.total, sizeof(float), &unit->host), &unit->host);
	size = tcls_prepared_size(&model);
	{
		UnitSink	sink = {&bytes, &unit->host, 0};
		TclsWriter	writer = {unit_sink_write, &sink};

		bytes.size = 0;
		CHECK_OK(tcls_prepared_write(&writer, &model, &unit->host), &unit->host);
	}
	CHECK(bytes.size == size && size > 90000000);
	mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	weights = size - model.plan.total * sizeof(float);
	memcpy(mapping, bytes.data, weights);
	weights = (weights + page - 1) / page * page;
	CHECK(mprotect(mapping + weights, size - weights, PROT_NONE) == 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_OK(tcls_prepared_open(&opened, mapping, size, false, &unit->host), &unit->host);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK((end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000 < 20000);
	printf("# opening %zu MB took %ld us\n", size / 1000000,
		   (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000);
	munmap(mapping, size);
}

static void
every_failing_allocation_is_a_clean_error(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	char	   *file;
	size_t		size;
	TclsModel	model;
	TclsStatus	status = TCLS_OUT_OF_MEMORY;
	size_t		n;

	prepare(&bytes, &model, "bert_f32", unit);
	size = bytes.size;
	file = aligned_alloc(TCLS_ALIGNMENT, size);
	memcpy(file, bytes.data, size);
	for (n = 1; status != TCLS_OK; n++)
	{
		unit_host_reset(unit);
		unit->fail_at = n;
		status = tcls_prepared_open(&model, file, size, true, &unit->host);
		if (status != TCLS_OK)
			CHECK_STATUS(status, TCLS_OUT_OF_MEMORY, &unit->host);
	}
	CHECK(n > 3);
	free(file);
}

static void
failing_writer_is_passed_on(UnitHost *unit)
{
	TclsBytes	bytes = {0};
	TclsBytes	target = {0};
	TclsModel	model;

	prepare(&bytes, &model, "bert_f32", unit);
	for (size_t room = 1; room < bytes.size; room += 997)
	{
		UnitSink	sink = {&target, &unit->host, room};
		TclsWriter	writer = {unit_sink_write, &sink};

		target.size = 0;
		CHECK_STATUS(tcls_prepared_write(&writer, &model, &unit->host), TCLS_IO, &unit->host);
	}
}

int
main(void)
{
	RUN(opened_model_equals_the_read_one);
	RUN(every_damage_is_noticed);
	RUN(damage_without_verify_does_not_crash);
	RUN(contradicting_header_is_refused);
	RUN(contradicting_labels_are_refused);
	RUN(crc32c_equals_the_published_values);
	RUN(opening_does_not_touch_the_weights);
	RUN(every_failing_allocation_is_a_clean_error);
	RUN(failing_writer_is_passed_on);
	return unit_finish();
}

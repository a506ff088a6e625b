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

/* Import a directory and prepare it for a kernel. */
static void
prepare(char **image, size_t *size, TclsModel *model, const char *directory, const TclsPackedKernel *kernel,
		UnitHost *unit)
{
	void	   *block;

	fixture_read_model(model, directory, &unit->host);
	CHECK_OK(tcls_prepared_create(&block, size, model, kernel, &unit->host), &unit->host);
	*image = block;
}

static const TclsPackedKernel *
fp32(void)
{
	return tcls_packed_best(TCLS_FP32);
}

/* The embedding of a text, from the fp32 weights without an image. */
static void
embed(float *embedding, const TclsModel *model, const TclsText *text, const TclsPackedKernel *kernel, UnitHost *unit)
{
	TclsPrepared direct = {.config = model->config, .tokenizer = model->tokenizer};
	TclsPredictions out = {.embeddings = embedding};
	void	   *block;

	CHECK_OK(tcls_alloc(&block, 1, tcls_inference_size(&model->config.numbers, kernel), &unit->host), &unit->host);
	CHECK_OK(tcls_inference_pack(block, &model->weights, &model->config.numbers, kernel, &unit->host), &unit->host);
	CHECK_OK(tcls_inference_bind(&direct.inference, block, &model->config.numbers, kernel, &unit->host), &unit->host);
	CHECK_OK(tcls_classifier_predict(&out, &direct, text, 1, 0, 0, &unit->host), &unit->host);
}

static void
check_image(const char *directory, const TclsPackedKernel *kernel, UnitHost *unit)
{
	TclsModel	model;
	TclsPrepared opened;
	TclsText	text = {"the cat sat on the mat", 22};
	float		embeddings[2][16];
	TclsPredictions out = {.embeddings = embeddings[1]};
	char	   *image;
	size_t		size;

	prepare(&image, &size, &model, directory, kernel, unit);
	CHECK_OK(tcls_prepared_open(&opened, image, size, kernel, true, &unit->host), &unit->host);
	CHECK(memcmp(&opened.config.numbers, &model.config.numbers, sizeof(model.config.numbers)) == 0);
	CHECK(opened.config.architecture == model.config.architecture);
	CHECK(opened.config.max_length == model.config.max_length);
	CHECK(opened.config.normalizes == model.config.normalizes);
	CHECK(opened.config.num_labels == model.config.num_labels);
	for (int32_t i = 0; i < model.config.num_labels; i++)
		CHECK(strcmp(opened.config.labels[i], model.config.labels[i]) == 0);
	CHECK((uintptr_t) opened.inference.block % TCLS_ALIGNMENT == 0);
	embed(embeddings[0], &model, &text, kernel, unit);
	CHECK_OK(tcls_classifier_predict(&out, &opened, &text, 1, 0, 0, &unit->host), &unit->host);
	CHECK(memcmp(embeddings[0], embeddings[1], sizeof(embeddings[0])) == 0);
}

static void
opened_model_equals_the_read_one(UnitHost *unit)
{
	static const char *const directories[] = {"bert_f32", "bert_multi", "distilbert", "sentence"};

	for (size_t d = 0; d < 4; d++)
		for (int i = 0; i < tcls_packed_kernel_count(); i++)
			if (tcls_packed_available(tcls_packed_kernel(i)))
				check_image(directories[d], tcls_packed_kernel(i), unit);
}

/* Bytes that one kernel packed are not given to another. */
static void
image_of_another_kernel_is_refused(UnitHost *unit)
{
	TclsModel	model;
	TclsPrepared opened;
	char	   *image;
	size_t		size;

	prepare(&image, &size, &model, "bert_f32", tcls_packed_best(TCLS_INT8), unit);
	CHECK_STATUS(tcls_prepared_open(&opened, image, size, fp32(), true, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, fp32()->name) != NULL);
}

/* 1,000 damages: a flipped bit anywhere, a cut anywhere, another file's part. */
static void
every_damage_is_noticed(UnitHost *unit)
{
	char	   *image;
	size_t		size;
	TclsModel	model;
	TclsPrepared opened;
	TclsRng		rng = {1};

	prepare(&image, &size, &model, "bert_f32", fp32(), unit);
	for (int i = 0; i < 1000; i++)
	{
		size_t		place = (size_t) (tcls_rng_next(&rng) % size);
		char		bit = (char) (1 << tcls_rng_next(&rng) % 8);

		image[place] ^= bit;
		CHECK_STATUS(tcls_prepared_open(&opened, image, size, fp32(), true, &unit->host), TCLS_BAD_FILE,
					 &unit->host);
		image[place] ^= bit;
		CHECK_STATUS(tcls_prepared_open(&opened, image, place, fp32(), true, &unit->host), TCLS_BAD_FILE, &unit->host);
	}
	CHECK_OK(tcls_prepared_open(&opened, image, size, fp32(), true, &unit->host), &unit->host);
}

/* Without checksums of the sections, damage may be believed but must not be followed out of the file. */
static void
damage_without_verify_does_not_crash(UnitHost *unit)
{
	char	   *image;
	size_t		size;
	TclsModel	model;
	TclsPrepared opened;
	TclsRng		rng = {2};
	TclsText	text = {"the cat sat on the mat", 22};
	float		probabilities[64];
	TclsPredictions out = {.probabilities = probabilities};

	prepare(&image, &size, &model, "bert_f32", fp32(), unit);
	for (int i = 0; i < 3000; i++)
	{
		size_t		weights = tcls_inference_size(&model.config.numbers, fp32());
		size_t		place = (size_t) (tcls_rng_next(&rng) % (size - weights));
		char		old = image[place];

		image[place] = (char) tcls_rng_next(&rng);
		if (tcls_prepared_open(&opened, image, size, fp32(), false, &unit->host) == TCLS_OK &&
			tcls_classifier_columns(&opened) <= 64)
			(void) tcls_classifier_predict(&out, &opened, &text, 1, 0, 0, &unit->host);
		image[place] = old;
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
	char	   *image;
	size_t		size;
	TclsModel	model;
	TclsPrepared opened;
	const uint32_t zero = 0;
	char		header[64];

	prepare(&image, &size, &model, "bert_f32", fp32(), unit);
	memcpy(header, image, sizeof(header));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint32_t	crc;

		memcpy(image, header, sizeof(header));
		memcpy(image + cases[i].place, &cases[i].value, 8);
		memcpy(image + 12, &zero, 4);
		crc = tcls_crc32c_extend(0, image, sizeof(header));
		memcpy(image + 12, &crc, 4);
		CHECK_STATUS(tcls_prepared_open(&opened, image, size, fp32(), false, &unit->host), TCLS_BAD_FILE,
					 &unit->host);
	}
}

/* Labels that are not as many, or not as long, as the file says. */
static void
contradicting_labels_are_refused(UnitHost *unit)
{
	char	   *image;
	size_t		size;
	TclsModel	model;
	TclsPrepared opened;
	char	   *numbers;
	char	   *labels;
	size_t		last;
	const int32_t many = 20000;

	prepare(&image, &size, &model, "bert_f32", fp32(), unit);
	numbers = image + 64;
	labels = memmem(image, size, model.config.labels[0], strlen(model.config.labels[0]) + 1);
	last = strlen(model.config.labels[0]) + strlen(model.config.labels[1]) + strlen(model.config.labels[2]) + 3;
	labels[last - 1] = 'x';
	CHECK_STATUS(tcls_prepared_open(&opened, image, size, fp32(), false, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "label 2 of the prepared file has no end") != NULL);
	labels[last - 1] = '\0';
	labels[1] = '\0';
	CHECK_STATUS(tcls_prepared_open(&opened, image, size, fp32(), false, &unit->host), TCLS_BAD_FILE, &unit->host);
	CHECK(strstr(unit->host.detail, "bytes behind its labels") != NULL);
	memcpy(numbers + offsetof(TclsConfig, num_outputs), &many, sizeof(many));
	/* num_labels lies in front of the layout, which lies in front of the labels. */
	memcpy(labels - 32 - sizeof(many), &many, sizeof(many));
	CHECK_STATUS(tcls_prepared_open(&opened, image, size, fp32(), false, &unit->host), TCLS_BAD_FILE, &unit->host);
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
	char	   *image;
	size_t		size;
	TclsModel	model;
	TclsPrepared opened;
	void	   *large;
	float	   *block;
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		weights;
	char	   *mapping;
	struct timespec begin;
	struct timespec end;

	prepare(&image, &size, &model, "bert_mlm", fp32(), unit);
	CHECK_OK(tcls_model_config_read(&model.config, json, strlen(json), &unit->host), &unit->host);
	CHECK_OK(tcls_parameter_plan_create(&model.plan, &model.config.numbers, &unit->host), &unit->host);
	CHECK_OK(tcls_alloc_zero(&block, model.plan.total, sizeof(float), &unit->host), &unit->host);
	CHECK_OK(tcls_weights_bind(&model.weights, &model.config.numbers, &model.plan, block, &unit->host), &unit->host);
	CHECK_OK(tcls_prepared_create(&large, &size, &model, fp32(), &unit->host), &unit->host);
	CHECK(size > 90000000);
	mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	weights = size - tcls_inference_size(&model.config.numbers, fp32());
	memcpy(mapping, large, weights);
	weights = (weights + page - 1) / page * page;
	CHECK(mprotect(mapping + weights, size - weights, PROT_NONE) == 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	CHECK_OK(tcls_prepared_open(&opened, mapping, size, fp32(), false, &unit->host), &unit->host);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK((end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000 < 20000);
	printf("# opening %zu MB took %ld us\n", size / 1000000,
		   (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000);
	munmap(mapping, size);
}

static void
every_failing_allocation_is_a_clean_error(UnitHost *unit)
{
	char	   *image;
	size_t		size;
	char	   *file;
	TclsModel	model;
	TclsPrepared opened;
	TclsStatus	status = TCLS_OUT_OF_MEMORY;
	size_t		n;

	prepare(&image, &size, &model, "bert_f32", fp32(), unit);
	file = aligned_alloc(TCLS_ALIGNMENT, size);
	memcpy(file, image, size);
	for (n = 1; status != TCLS_OK; n++)
	{
		unit_host_reset(unit);
		unit->fail_at = n;
		status = tcls_prepared_open(&opened, file, size, fp32(), true, &unit->host);
		if (status != TCLS_OK)
			CHECK_STATUS(status, TCLS_OUT_OF_MEMORY, &unit->host);
	}
	CHECK(n > 3);
	free(file);
}

/* Creating can be cancelled at each poll and fail at each allocation. */
static void
creating_passes_failures_on(UnitHost *unit)
{
	TclsModel	model;
	void	   *image;
	size_t		size;
	TclsStatus	status = TCLS_CANCELLED;
	size_t		n;

	fixture_read_model(&model, "bert_f32", &unit->host);
	for (n = 1; status != TCLS_OK; n++)
	{
		unit->cancel_at = unit->polls + n;
		status = tcls_prepared_create(&image, &size, &model, fp32(), &unit->host);
		CHECK(status == TCLS_OK || status == TCLS_CANCELLED);
	}
	CHECK(n > 20);
	unit->cancel_at = 0;
	unit->fail_at = unit->allocations + 1;
	CHECK_STATUS(tcls_prepared_create(&image, &size, &model, fp32(), &unit->host), TCLS_OUT_OF_MEMORY, &unit->host);
}

int
main(void)
{
	RUN(opened_model_equals_the_read_one);
	RUN(image_of_another_kernel_is_refused);
	RUN(every_damage_is_noticed);
	RUN(damage_without_verify_does_not_crash);
	RUN(contradicting_header_is_refused);
	RUN(contradicting_labels_are_refused);
	RUN(crc32c_equals_the_published_values);
	RUN(opening_does_not_touch_the_weights);
	RUN(every_failing_allocation_is_a_clean_error);
	RUN(creating_passes_failures_on);
	return unit_finish();
}

/*
 * prepared.c
 *		Writes and opens prepared files.
 *
 * The places of the sections follow from their sizes, each at the next
 * multiple of 64, so that a header has nothing more to say and nothing to
 * contradict.  A section's checksum covers the zero bytes behind it, too.
 */
#include <string.h>

#include "model/architecture.h"
#include "model/crc32c.h"
#include "model/model_config.h"
#include "model/prepared.h"
#include "base/pure_c.h"

#define MAGIC "textcls\n"
#define PIECE ((size_t) 1 << 20)	/* bytes between polls */

typedef enum Section
{
	SECTION_CONFIG,
	SECTION_TOKENIZER,
	SECTION_WEIGHTS,
	SECTION_COUNT
} Section;

typedef struct Header
{
	char		magic[8];
	uint32_t	version;
	uint32_t	crc;			/* of this struct with 0 here */
	uint64_t	sizes[SECTION_COUNT];	/* bytes */
	uint32_t	crcs[SECTION_COUNT];
	uint32_t	config_size;	/* sizeof(PackedConfig) */
	char		padding[TCLS_ALIGNMENT - 56];
} Header;

_Static_assert(sizeof(Header) == TCLS_ALIGNMENT, "the sections begin aligned");

/* Followed by the labels, each with its NUL. */
typedef struct PackedConfig
{
	TclsConfig	numbers;
	int32_t		architecture;
	int32_t		max_length;
	int32_t		normalizes;
	int32_t		num_labels;
} PackedConfig;

static size_t
align_up(size_t size)
{
	return (size + TCLS_ALIGNMENT - 1) & ~(size_t) (TCLS_ALIGNMENT - 1);
}

/* ---------- writing ---------- */

static size_t
packed_config_size(const TclsModelConfig *config)
{
	size_t		size = sizeof(PackedConfig);

	for (int32_t i = 0; i < config->num_labels; i++)
		size += strlen(config->labels[i]) + 1;
	return size;
}

size_t
tcls_prepared_size(const TclsModel *model)
{
	return sizeof(Header) + align_up(packed_config_size(&model->config)) + align_up(model->tokenizer.size) +
		align_up(model->plan.total * sizeof(float));
}

static TclsStatus
pack_config(char **out, const TclsModelConfig *config, TclsHost *host)
{
	PackedConfig packed;
	char	   *end;

	memset(&packed, 0, sizeof(packed));
	packed.numbers = config->numbers;
	packed.architecture = config->architecture;
	packed.max_length = config->max_length;
	packed.normalizes = config->normalizes;
	packed.num_labels = config->num_labels;
	TCLS_TRY(tcls_alloc(out, 1, packed_config_size(config), host));
	memcpy(*out, &packed, sizeof(packed));
	end = *out + sizeof(packed);
	for (int32_t i = 0; i < config->num_labels; i++)
	{
		size_t		size = strlen(config->labels[i]) + 1;

		memcpy(end, config->labels[i], size);
		end += size;
	}
	return TCLS_OK;
}

static TclsStatus
checksum(uint32_t *crc, const char *data, size_t size, TclsHost *host)
{
	*crc = 0;
	for (size_t first = 0; first < size; first += PIECE)
	{
		TCLS_TRY(tcls_poll(host));
		*crc = tcls_crc32c_extend(*crc, data + first, size - first < PIECE ? size - first : PIECE);
	}
	return TCLS_OK;
}

static const char zeros[TCLS_ALIGNMENT];

static uint32_t
header_checksum(const Header *header)
{
	Header		copy = *header;

	copy.crc = 0;
	return tcls_crc32c_extend(0, &copy, sizeof(copy));
}

static TclsStatus
write_section(const TclsWriter *writer, const char *data, size_t size, TclsHost *host)
{
	for (size_t first = 0; first < size; first += PIECE)
	{
		TCLS_TRY(tcls_poll(host));
		TCLS_TRY(writer->write(writer->context, data + first, size - first < PIECE ? size - first : PIECE));
	}
	return writer->write(writer->context, zeros, align_up(size) - size);
}

TclsStatus
tcls_prepared_write(const TclsWriter *writer, const TclsModel *model, TclsHost *host)
{
	Header		header = {.magic = MAGIC, .version = TCLS_PREPARED_VERSION, .config_size = sizeof(PackedConfig)};
	const char *data[SECTION_COUNT];
	char	   *config;

	TCLS_TRY(pack_config(&config, &model->config, host));
	data[SECTION_CONFIG] = config;
	data[SECTION_TOKENIZER] = (const char *) model->tokenizer.block;
	data[SECTION_WEIGHTS] = (const char *) model->weights.block;
	header.sizes[SECTION_CONFIG] = packed_config_size(&model->config);
	header.sizes[SECTION_TOKENIZER] = model->tokenizer.size;
	header.sizes[SECTION_WEIGHTS] = model->plan.total * sizeof(float);
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		TCLS_TRY(checksum(&header.crcs[i], data[i], header.sizes[i], host));
		header.crcs[i] = tcls_crc32c_extend(header.crcs[i], zeros, align_up(header.sizes[i]) - header.sizes[i]);
	}
	header.crc = header_checksum(&header);
	TCLS_TRY(writer->write(writer->context, &header, sizeof(header)));
	for (int i = 0; i < SECTION_COUNT; i++)
		TCLS_TRY(write_section(writer, data[i], header.sizes[i], host));
	tcls_free(config, host);
	return TCLS_OK;
}

/* ---------- opening ---------- */

/* The header's promises, and in places where each section lies. */
static TclsStatus
check_header(size_t places[SECTION_COUNT], const Header *header, size_t size, TclsHost *host)
{
	size_t		end = sizeof(Header);

	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 || header->version != TCLS_PREPARED_VERSION ||
		header->config_size != sizeof(PackedConfig) || header->crc != header_checksum(header))
		return tcls_fail(host, TCLS_BAD_FILE, "the header of the prepared file is damaged or of another version");
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		places[i] = end;
		if (header->sizes[i] > size || align_up(header->sizes[i]) > size - end)
			return tcls_fail(host, TCLS_BAD_FILE, "the prepared file is truncated");
		end += align_up(header->sizes[i]);
	}
	if (end != size)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %zu bytes instead of %zu", size, end);
	return TCLS_OK;
}

/* Point at the labels where they lie; they take the bytes exactly. */
static TclsStatus
open_labels(TclsModelConfig *out, const char *text, size_t size, TclsHost *host)
{
	if (out->num_labels < 0 || out->num_labels > TCLS_MAX_LABELS)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %d labels", out->num_labels);
	TCLS_TRY(tcls_alloc(&out->labels, (size_t) out->num_labels, sizeof(char *), host));
	for (int32_t i = 0; i < out->num_labels; i++)
	{
		const char *end = memchr(text, '\0', size);

		if (end == NULL)
			return tcls_fail(host, TCLS_BAD_FILE, "label %d of the prepared file has no end", i);
		out->labels[i] = (char *) text;
		size -= (size_t) (end + 1 - text);
		text = end + 1;
	}
	if (size != 0)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %zu bytes behind its labels", size);
	return TCLS_OK;
}

static TclsStatus
open_config(TclsModelConfig *out, const char *data, size_t size, TclsHost *host)
{
	PackedConfig packed;

	if (size < sizeof(packed))
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has no config");
	memcpy(&packed, data, sizeof(packed));
	memset(out, 0, sizeof(*out));
	out->numbers = packed.numbers;
	out->architecture = packed.architecture;
	out->max_length = packed.max_length;
	out->normalizes = packed.normalizes != 0;
	out->num_labels = packed.num_labels;
	TCLS_TRY(tcls_model_config_check(out, host));
	return open_labels(out, data + sizeof(packed), size - sizeof(packed), host);
}

static TclsStatus
verify_sections(const Header *header, const char *data, const size_t *places, TclsHost *host)
{
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		uint32_t	crc;

		TCLS_TRY(checksum(&crc, data + places[i], align_up(header->sizes[i]), host));
		if (crc != header->crcs[i])
			return tcls_fail(host, TCLS_BAD_FILE, "section %d of the prepared file has a wrong checksum", i);
	}
	return TCLS_OK;
}

TclsStatus
tcls_prepared_open(TclsModel *out, const void *data, size_t size, bool verify, TclsHost *host)
{
	const char *bytes = data;
	const Header *header = data;
	size_t		places[SECTION_COUNT];

	if (size < sizeof(Header))
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %zu bytes", size);
	TCLS_TRY(check_header(places, header, size, host));
	if (verify)
		TCLS_TRY(verify_sections(header, bytes, places, host));
	TCLS_TRY(open_config(&out->config, bytes + places[SECTION_CONFIG], header->sizes[SECTION_CONFIG], host));
	TCLS_TRY(tcls_tokenizer_open(&out->tokenizer, bytes + places[SECTION_TOKENIZER], header->sizes[SECTION_TOKENIZER],
								 host));
	TCLS_TRY(tcls_model_check_vocabulary(&out->tokenizer, &out->config.numbers, host));
	TCLS_TRY(tcls_parameter_plan_create(&out->plan, &out->config.numbers, host));
	if (header->sizes[SECTION_WEIGHTS] / sizeof(float) != out->plan.total ||
		header->sizes[SECTION_WEIGHTS] % sizeof(float) != 0)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %llu bytes of weights instead of %zu floats",
						 (unsigned long long) header->sizes[SECTION_WEIGHTS], out->plan.total);
	return tcls_weights_bind(&out->weights, &out->config.numbers, &out->plan,
							 (float *) (bytes + places[SECTION_WEIGHTS]), host);
}

/*
 * prepared.c
 *		Creates and opens images of ready models.
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
	char		layout[32];		/* of the kernel, padded with zeros */
} PackedConfig;

static size_t
align_up(size_t size)
{
	return (size + TCLS_ALIGNMENT - 1) & ~(size_t) (TCLS_ALIGNMENT - 1);
}

/* ---------- creating ---------- */

static size_t
packed_config_size(const TclsModelConfig *config)
{
	size_t		size = sizeof(PackedConfig);

	for (int32_t i = 0; i < config->num_labels; i++)
		size += strlen(config->labels[i]) + 1;
	return size;
}

static void
pack_config(char *to, const TclsModelConfig *config, const TclsPackedKernel *kernel)
{
	PackedConfig packed;

	memset(&packed, 0, sizeof(packed));
	packed.numbers = config->numbers;
	packed.architecture = config->architecture;
	packed.max_length = config->max_length;
	packed.normalizes = config->normalizes;
	packed.num_labels = config->num_labels;
	strncpy(packed.layout, kernel->layout, sizeof(packed.layout) - 1);
	memcpy(to, &packed, sizeof(packed));
	to += sizeof(packed);
	for (int32_t i = 0; i < config->num_labels; i++)
	{
		size_t		size = strlen(config->labels[i]) + 1;

		memcpy(to, config->labels[i], size);
		to += size;
	}
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

static uint32_t
header_checksum(const Header *header)
{
	Header		copy = *header;

	copy.crc = 0;
	return tcls_crc32c_extend(0, &copy, sizeof(copy));
}

/* Where each section lies; returns the end of the last. */
static size_t
section_places(size_t places[SECTION_COUNT], const Header *header)
{
	size_t		end = sizeof(Header);

	for (int i = 0; i < SECTION_COUNT; i++)
	{
		places[i] = end;
		end += align_up(header->sizes[i]);
	}
	return end;
}

TclsStatus
tcls_prepared_create(void **image, size_t *size, const TclsModel *model, const TclsPackedKernel *kernel,
					 TclsHost *host)
{
	Header		header = {.magic = MAGIC, .version = TCLS_PREPARED_VERSION, .config_size = sizeof(PackedConfig)};
	size_t		places[SECTION_COUNT];
	char	   *bytes;

	header.sizes[SECTION_CONFIG] = packed_config_size(&model->config);
	header.sizes[SECTION_TOKENIZER] = model->tokenizer.size;
	header.sizes[SECTION_WEIGHTS] = tcls_inference_size(&model->config.numbers, kernel);
	*size = section_places(places, &header);
	TCLS_TRY(tcls_alloc(&bytes, *size, 1, host));
	for (int i = 0; i < SECTION_COUNT; i++)
		memset(bytes + places[i] + header.sizes[i], 0, align_up(header.sizes[i]) - header.sizes[i]);
	pack_config(bytes + places[SECTION_CONFIG], &model->config, kernel);
	memcpy(bytes + places[SECTION_TOKENIZER], model->tokenizer.block, model->tokenizer.size);
	TCLS_TRY(tcls_inference_pack(bytes + places[SECTION_WEIGHTS], &model->weights, &model->config.numbers, kernel,
								 host));
	for (int i = 0; i < SECTION_COUNT; i++)
		TCLS_TRY(checksum(&header.crcs[i], bytes + places[i], align_up(header.sizes[i]), host));
	header.crc = header_checksum(&header);
	memcpy(bytes, &header, sizeof(header));
	*image = bytes;
	return TCLS_OK;
}

/* ---------- opening ---------- */

static TclsStatus
check_header(const Header *header, size_t size, TclsHost *host)
{
	size_t		left = size - sizeof(Header);

	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 || header->version != TCLS_PREPARED_VERSION ||
		header->config_size != sizeof(PackedConfig) || header->crc != header_checksum(header))
		return tcls_fail(host, TCLS_BAD_FILE, "the header of the prepared file is damaged or of another version");
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		if (header->sizes[i] > left || align_up(header->sizes[i]) > left)
			return tcls_fail(host, TCLS_BAD_FILE, "the prepared file is truncated");
		left -= align_up(header->sizes[i]);
	}
	if (left != 0)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %zu bytes more than it says", left);
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
open_config(TclsModelConfig *out, const char *data, size_t size, const TclsPackedKernel *kernel, TclsHost *host)
{
	PackedConfig packed;

	if (size < sizeof(packed))
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has no config");
	memcpy(&packed, data, sizeof(packed));
	if (strncmp(packed.layout, kernel->layout, sizeof(packed.layout) - 1) != 0)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file is not for %s", kernel->name);
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
tcls_prepared_open(TclsPrepared *out, const void *image, size_t size, const TclsPackedKernel *kernel, bool verify,
				   TclsHost *host)
{
	const char *bytes = image;
	const Header *header = image;
	size_t		places[SECTION_COUNT];
	size_t		weights;

	if (size < sizeof(Header))
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %zu bytes", size);
	TCLS_TRY(check_header(header, size, host));
	(void) section_places(places, header);
	if (verify)
		TCLS_TRY(verify_sections(header, bytes, places, host));
	TCLS_TRY(open_config(&out->config, bytes + places[SECTION_CONFIG], header->sizes[SECTION_CONFIG], kernel, host));
	TCLS_TRY(tcls_tokenizer_open(&out->tokenizer, bytes + places[SECTION_TOKENIZER], header->sizes[SECTION_TOKENIZER],
								 host));
	TCLS_TRY(tcls_model_check_vocabulary(&out->tokenizer, &out->config.numbers, host));
	weights = tcls_inference_size(&out->config.numbers, kernel);
	if (header->sizes[SECTION_WEIGHTS] != weights)
		return tcls_fail(host, TCLS_BAD_FILE, "the prepared file has %llu bytes of weights instead of %zu",
						 (unsigned long long) header->sizes[SECTION_WEIGHTS], weights);
	return tcls_inference_bind(&out->inference, bytes + places[SECTION_WEIGHTS], &out->config.numbers, kernel, host);
}

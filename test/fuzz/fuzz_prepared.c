/*
 * fuzz_prepared.c
 *		Any bytes as a prepared file, with the header's checksum made right, as nothing else would get past it.
 */
#include <stdlib.h>
#include <string.h>

#include "classify/classifier.h"
#include "model/crc32c.h"
#include "model/prepared.h"
#include "tiny_model.h"
#include "unit.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_SIZE 64
#define CRC_PLACE 12

static void
repair_header(char *file)
{
	uint32_t	crc = 0;

	memcpy(file + CRC_PLACE, &crc, sizeof(crc));
	crc = tcls_crc32c_extend(0, file, HEADER_SIZE);
	memcpy(file + CRC_PLACE, &crc, sizeof(crc));
}

static void
use_model(const TclsPrepared *model, UnitHost *unit)
{
	const TclsText texts[] = {{"a b", 3}, {"", 0}, {"the cafe !", 10}};
	TclsPredictions out = {0};

	size_t		hidden = (size_t) model->config.numbers.hidden_size;
	size_t		columns = (size_t) tcls_classifier_columns(model);

	if (tcls_alloc(&out.embeddings, 3 * hidden, sizeof(float), &unit->host) != TCLS_OK ||
		tcls_alloc(&out.probabilities, 3 * columns, sizeof(float), &unit->host) != TCLS_OK)
		abort();
	if (columns == 0)
		out.probabilities = NULL;
	(void) tcls_classifier_predict(&out, model, texts, 3, 0, 0, &unit->host);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	UnitHost	unit;
	const TclsPackedKernel *kernel = tcls_packed_by_layout(TINY_LAYOUT);
	TclsPrepared model;
	char	   *file;

	/* A whole number of blocks, as aligned_alloc wants; the sanitizer sees a read beyond them. */
	size = size / TCLS_ALIGNMENT * TCLS_ALIGNMENT;
	if (size < HEADER_SIZE)
		return 0;
	file = aligned_alloc(TCLS_ALIGNMENT, size);
	memcpy(file, data, size);
	repair_header(file);
	unit_host_init(&unit);
	if (tcls_prepared_open(&model, file, size, kernel, false, &unit.host) == TCLS_OK)
		use_model(&model, &unit);
	unit_host_reset(&unit);
	free(file);
	return 0;
}

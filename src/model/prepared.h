/*
 * prepared.h
 *		A model ready to serve: one flat image that is used as it lies, in memory or mapped from a file.
 *
 *		[header: magic, version, sizes, CRC-32C of the header]
 *		[config + labels | tokenizer block | weights packed for one kernel, see encoder/inference.h]
 *		with a CRC-32C of each section in the header, each section at a multiple of 64 bytes
 *
 * Who creates, names, locks and maps files is the store's business.
 */
#ifndef TEXTCLS_PREPARED_H
#define TEXTCLS_PREPARED_H

#include "encoder/inference.h"
#include "model/model.h"

/* Of the format, without the packed weights, whose layout is the kernel's. */
#define TCLS_PREPARED_VERSION 2

typedef struct TclsPrepared
{
	TclsModelConfig config;
	TclsTokenizer tokenizer;
	TclsInference inference;
} TclsPrepared;

/* An image in memory of the host, and its size. */
extern TclsStatus tcls_prepared_create(void **image, size_t *size, const TclsModel *model,
									   const TclsPackedKernel *kernel, TclsHost *host);

/*
 * Borrow a model from an image for this kernel (64-byte aligned), which must stay.  The header and every
 * offset are checked always; the checksums of the sections when verify is true.  A few
 * host allocations hold the small structs.
 */
extern TclsStatus tcls_prepared_open(TclsPrepared *out, const void *image, size_t size,
									 const TclsPackedKernel *kernel, bool verify, TclsHost *host);

#endif							/* TEXTCLS_PREPARED_H */

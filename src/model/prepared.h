/*
 * prepared.h
 *		A model as one flat file that every process maps and uses as it lies.
 *
 *		[header: magic, layout version, sizes, CRC-32C of the header]
 *		[config + labels | tokenizer block | fp32 parameters, 64-byte aligned]
 *		with a CRC-32C of each section in the header
 *
 * Who creates, names, locks and maps the file is the store's business.
 */
#ifndef TEXTCLS_PREPARED_H
#define TEXTCLS_PREPARED_H

#include "model/model.h"

/* Of the file's format, without the packed weights, whose layout is the kernel's. */
#define TCLS_PREPARED_VERSION 1

extern size_t tcls_prepared_size(const TclsModel *model);

/* Write front to back. */
extern TclsStatus tcls_prepared_write(const TclsWriter *writer, const TclsModel *model, TclsHost *host);

/*
 * Borrow a model from size bytes at data (64-byte aligned), which must stay.  The
 * header and every offset are checked always; the checksums of the sections when verify is true.
 * A few host allocations hold the small structs; tcls_model weights are read-only there.
 */
extern TclsStatus tcls_prepared_open(TclsModel *out, const void *data, size_t size, bool verify, TclsHost *host);

#endif							/* TEXTCLS_PREPARED_H */

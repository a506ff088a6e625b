/*
 * prepared_file.h
 *		The prepared files of a server: found, built once, verified, mapped.
 *
 * README.md of this room draws the protocol.
 */
#ifndef TEXTCLS_PREPARED_FILE_H
#define TEXTCLS_PREPARED_FILE_H

#include "model/model.h"
#include "store/model_catalog.h"

/* Makes a version ready in private memory of the context; raises what is wrong with it. */
typedef void (*TclsModelReader) (TclsModel *model, const TclsVersion *version, MemoryContext context);

/*
 * Borrow the model from the version's prepared file, which is built by means of read when there is
 * no sound one.  The mapping goes with the context.  False, with one WARNING a backend, where the
 * file cannot be had: no directory, no space, no permission.
 */
extern bool tcls_prepared_file_map(TclsModel *model, const TclsVersion *version, TclsModelReader read,
								   MemoryContext context);

#endif							/* TEXTCLS_PREPARED_FILE_H */

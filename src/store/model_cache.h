/*
 * model_cache.h
 *		A version's ready model: mapped from the prepared file, kept for the backend.
 */
#ifndef TEXTCLS_MODEL_CACHE_H
#define TEXTCLS_MODEL_CACHE_H

#include "model/prepared.h"
#include "store/model_catalog.h"

/*
 * The ready model of a version, valid to the end of the transaction at least.  On a miss
 * the prepared file is mapped, or built first (once a server, see README.md of this room), or, where that
 * is impossible, the model is read into private memory with one WARNING.  Starts the engine.  The precision is
 * that of model_precision.h.
 */
extern const TclsPrepared *tcls_cache_model(const TclsVersion *version);

/* The same for a kernel that the caller chose, after the engine was started. */
extern const TclsPrepared *tcls_cache_packed_model(const TclsVersion *version, const TclsPackedKernel *kernel);

/*
 * Make sure that there is a prepared file for this kernel; its size, and whether it was built now.  An ERROR
 * where it cannot be made.
 */
extern size_t tcls_cache_prepare(bool *was_built, const TclsVersion *version, const TclsPackedKernel *kernel);

/* The stored form read into memory of the host, for training and export; sha256 checked. */
extern void tcls_cache_read_stored(TclsStoredModel *out, const TclsVersion *version, TclsHost *host);

#endif							/* TEXTCLS_MODEL_CACHE_H */

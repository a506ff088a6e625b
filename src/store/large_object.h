/*
 * large_object.h
 *		Bytes of models and checkpoints in large objects.
 *
 * Writing goes through be_lo_* and lives in the caller's transaction; reading
 * is an ordered index scan of pg_largeobject under the active snapshot, safe in
 * parallel workers and on standbys.
 */
#ifndef TEXTCLS_LARGE_OBJECT_H
#define TEXTCLS_LARGE_OBJECT_H

#include "common/sha2.h"
#include "common/cryptohash.h"

#include "base/host.h"

typedef struct TclsObjectWriter
{
	TclsWriter	writer;			/* hand this to the core */
	Oid			object;
	int			descriptor;
	size_t		size;
	pg_cryptohash_ctx *hash;
} TclsObjectWriter;

/* Create an object owned by the current user and open it for writing. */
extern TclsObjectWriter *tcls_object_create(void);

/* Close; sha256 of all that was written.  Returns the object. */
extern Oid	tcls_object_finish(TclsObjectWriter *writer, uint8 sha256[PG_SHA256_DIGEST_LENGTH]);

/*
 * All bytes of an object in one block of tcls_alloc alignment; no privilege
 * check.  Raises data_corrupted for a hole, undefined_object where it is gone.
 */
extern void *tcls_object_read(Oid object, size_t *size, TclsHost *host);

/* Whether role may read it (pg_largeobject ACL under the active snapshot). */
extern bool tcls_object_readable(Oid object, Oid role);

extern bool tcls_object_exists(Oid object);
extern void tcls_object_unlink(Oid object);

extern void tcls_sha256(uint8 digest[PG_SHA256_DIGEST_LENGTH], const void *data, size_t size);

#endif							/* TEXTCLS_LARGE_OBJECT_H */

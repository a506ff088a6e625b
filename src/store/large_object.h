/*
 * large_object.h
 *		Bytes of models and checkpoints in large objects.
 *
 * Writing goes through be_lo_* and lives in the caller's transaction; reading
 * is an ordered index scan of pg_largeobject under the active snapshot, safe in
 * parallel workers and on standbys.
 *
 * Each object carries a comment that begins with TCLS_OBJECT_COMMENT, so that an object
 * that lost its row (DROP EXTENSION, a partial restore) can still be told from others.
 */
#ifndef TEXTCLS_LARGE_OBJECT_H
#define TEXTCLS_LARGE_OBJECT_H

#include "common/cryptohash.h"
#include "common/sha2.h"

#include "base/host.h"

#define TCLS_OBJECT_COMMENT "textcls: "

typedef struct TclsObjectWriter
{
	TclsWriter	writer;			/* hand this to the core */
	Oid			object;
	int			descriptor;
	size_t		size;			/* written so far */
	char	   *buffer;
	int			buffered;
	pg_cryptohash_ctx *hash;
} TclsObjectWriter;

/* Create an object owned by the current user and open it for writing. */
extern TclsObjectWriter *tcls_object_create(void);

/* Close; sha256 of all that was written.  Returns the object. */
extern Oid	tcls_object_finish(TclsObjectWriter *writer, uint8 sha256[PG_SHA256_DIGEST_LENGTH]);

/* Say what the object is, e.g. "model \"spam\" version 3". */
extern void tcls_object_describe(Oid object, const char *what);

/*
 * All bytes of an object in one block of tcls_alloc alignment; no privilege
 * check.  Raises data_corrupted for a hole, undefined_object where it is gone.
 */
extern void *tcls_object_read(Oid object, size_t *size, TclsHost *host);

/*
 * The same bytes front to back to a writer (NULL: nowhere) with their sha256, in memory that does
 * not depend on their number.  Where a page is missing it stops, and sha256 is all zeros.
 */
extern void tcls_object_stream(uint8 sha256[PG_SHA256_DIGEST_LENGTH], const TclsWriter *writer, Oid object,
							   TclsHost *host);

/* Whether role may read it (pg_largeobject ACL under the active snapshot); false where it is gone. */
extern bool tcls_object_readable(Oid object, Oid role);

/* Its owner under the active snapshot; InvalidOid where it is gone. */
extern Oid	tcls_object_owner(Oid object);

extern bool tcls_object_exists(Oid object);

/* As lo_unlink(): the caller must own it. */
extern void tcls_object_unlink(Oid object);

extern void tcls_sha256(uint8 digest[PG_SHA256_DIGEST_LENGTH], const void *data, size_t size);

#endif							/* TEXTCLS_LARGE_OBJECT_H */

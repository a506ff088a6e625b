/*
 * prepared_directory.h
 *		The prepared files of a server as a set: names, last use, room.
 *
 * All of it is in the names and times of files, so that nothing is lost with the server:
 *
 *		"<fingerprint>-<version>-<layout>"	its mtime is when it was prepared
 *		the same with ".ok"	its content says whether the file was verified in this life of the server,
 *							its mtime when the file was last used
 */
#ifndef TEXTCLS_PREPARED_DIRECTORY_H
#define TEXTCLS_PREPARED_DIRECTORY_H

#include <sys/stat.h>

#include "common/sha2.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#define TCLS_PREPARED_LOCK "build.lock"	/* the builders' lock file */

typedef struct TclsPreparedFile
{
	char	   *name;
	uint8		fingerprint[PG_SHA256_DIGEST_LENGTH];
	const char *layout;			/* within name */
	struct stat status;
	TimestampTz prepared_at;
	TimestampTz last_used_at;
	bool		is_verified;	/* since the server started */
} TclsPreparedFile;

/* The name of a file, palloc'ed. */
extern char *tcls_prepared_name(const uint8 *fingerprint, const char *layout);

/* What the directory holds (TclsPreparedFile *), least recently used first. */
extern List *tcls_prepared_list(void);

/* Whether the open file with this status was verified since the server started; note that it was. */
extern bool tcls_prepared_is_verified(const char *name, const struct stat *status);
extern void tcls_prepared_set_verified(const char *name, const struct stat *status);

/* Note that a file is used now. */
extern void tcls_prepared_touch(const char *name);

/* Remove a file; who has mapped it keeps it. */
extern void tcls_prepared_remove(const char *name);

/* Remove what a crash left and what has not been used for a week.  Under the builders' lock. */
extern void tcls_prepared_sweep(void);

/*
 * Remove least recently used files until so many bytes more are within textcls.prepared_size_limit.
 * False, and nothing is removed, where they are not within it alone.
 */
extern bool tcls_prepared_make_room(size_t size);

#endif							/* TEXTCLS_PREPARED_DIRECTORY_H */

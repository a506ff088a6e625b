/*
 * prepared_file.h
 *		A prepared file of this server: mapped where sound, built by one session else.
 *
 * README.md of this room draws the protocol.  A fingerprint is that of TclsVersion, a layout that of
 * the kernel the weights are packed for: the two together name a file.  What cannot be made is reported
 * with elevel WARNING (once in a session; the caller goes on with memory of its own) or ERROR.
 */
#ifndef TEXTCLS_PREPARED_FILE_H
#define TEXTCLS_PREPARED_FILE_H

#include <sys/stat.h>

#include "model/prepared.h"

typedef struct TclsMappedFile TclsMappedFile;

/*
 * Borrow the model from its prepared file; the mapping goes with the context.  NULL where
 * there is no sound file.
 */
extern TclsMappedFile *tcls_prepared_file_map(TclsPrepared *model, const uint8 *fingerprint,
											  const TclsPackedKernel *kernel, MemoryContext context);

/* To be told at each use: the time of the last one decides which files are removed first.  Cheap. */
extern void tcls_prepared_file_used(TclsMappedFile *file);

extern size_t tcls_prepared_file_size(const TclsMappedFile *file);

/* Whether this process has mapped the file that has this name and status. */
extern bool tcls_prepared_file_is_mapped(const char *name, const struct stat *status);

/*
 * Keep other builders out; waits and can be cancelled.  Given back by unlock or at the end of the
 * transaction.  -1 where files cannot be made.
 */
extern int	tcls_prepared_file_lock(int elevel);
extern void tcls_prepared_file_unlock(int lock);

/*
 * Write the image of a ready model to its file, under the lock, after others have made room.  False where there is no
 * space, no permission, or the file alone is over the limit.
 */
extern bool tcls_prepared_file_write(const void *image, size_t size, const uint8 *fingerprint, const char *layout,
									 int elevel);

/* Remove the files of all layouts that are no longer wanted; sessions that have mapped one keep it. */
extern void tcls_prepared_file_remove(const uint8 *fingerprint);

#endif							/* TEXTCLS_PREPARED_FILE_H */

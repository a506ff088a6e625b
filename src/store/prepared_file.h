/*
 * prepared_file.h
 *		The prepared files of a server: mapped where sound, built by one session else.
 *
 * README.md of this room draws the protocol.  A fingerprint is that of TclsVersion, a layout that of
 * the kernel the weights are packed for: the two together name a file.
 */
#ifndef TEXTCLS_PREPARED_FILE_H
#define TEXTCLS_PREPARED_FILE_H

#include "model/model.h"

/*
 * Borrow the model from its prepared file; the mapping goes with the context.  False where
 * there is no sound file.
 */
extern bool tcls_prepared_file_map(TclsModel *model, const uint8 *fingerprint, const char *layout,
								   MemoryContext context);

/*
 * Keep other builders out; waits and can be cancelled.  Given back by unlock or at the end of the
 * transaction.  -1, with one WARNING a backend, where files cannot be made.
 */
extern int	tcls_prepared_file_lock(void);
extern void tcls_prepared_file_unlock(int lock);

/*
 * Write a ready model's file, under the lock.  False, with one WARNING a backend, where there is
 * no space or no permission.
 */
extern bool tcls_prepared_file_write(const TclsModel *model, const uint8 *fingerprint, const char *layout);

/* Remove the files of all layouts of a content that is no longer wanted; sessions that have mapped one keep it. */
extern void tcls_prepared_file_remove(const uint8 *fingerprint);

#endif							/* TEXTCLS_PREPARED_FILE_H */

/*
 * marker.h
 *		Small facts that hold for the life of the server, in files of the engine's directory.
 *
 * A fact is found out by one session (a self-test, a checksum) and read by the later ones.  It is
 * bound to the start of the postmaster, so that none outlives a restart, an
 * upgrade or a move to another machine.  Losing one costs only the work to find it out again.
 */
#ifndef TEXTCLS_MARKER_H
#define TEXTCLS_MARKER_H

#include <sys/stat.h>

/* The text noted under the name since the server started, palloc'ed; NULL when there is none. */
extern char *tcls_marker_read(const char *name);

/* Note it; a failure to write is silent. */
extern void tcls_marker_write(const char *name, const char *content);

/* Whether the open file is one that this server made: regular, own, one link.  Fills *status. */
extern bool tcls_marker_is_own_file(int fd, struct stat *status);

#endif							/* TEXTCLS_MARKER_H */

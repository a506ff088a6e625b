/*
 * server_files.h
 *		Model directories in the server's file system: read for import, made for export.
 *
 * Both check the caller's role: pg_read_server_files, pg_write_server_files.
 */
#ifndef TEXTCLS_SERVER_FILES_H
#define TEXTCLS_SERVER_FILES_H

#include "model/import.h"
#include "store/model_catalog.h"

/* The files of the directory that an import wants, in memory of the host. */
extern void tcls_server_files_read(TclsFile **files, int *count, const char *directory, TclsHost *host);

/* Make the directory where it is absent; its canonical path. */
extern char *tcls_server_files_make_directory(const char *directory);

/* Create a file that is not there yet, and fill it from data, or from a version's large object (sha256 checked). */
extern void tcls_server_files_write(const char *directory, const char *name, const void *data, size_t size);
extern void tcls_server_files_write_weights(const char *directory, const char *name, const TclsVersion *version,
											TclsHost *host);

#endif							/* TEXTCLS_SERVER_FILES_H */

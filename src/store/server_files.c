/*
 * server_files.c
 *		Model directories in the server's file system.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"

#include "bridge/host_pg.h"
#include "store/large_object.h"
#include "store/server_files.h"

/* Most bytes of one read or write call. */
#define PIECE ((size_t) 1 << 20)

/* Most bytes of a file that is not weights: far above any vocabulary. */
#define MAX_TEXT_FILE ((off_t) 256 << 20)

static void
check_role(Oid role, const char *role_name, const char *verb)
{
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser or have privileges of the %s role to %s", role_name, verb),
				 errhint("Without it, models go through large objects or bytea, see textcls.import_model() and "
						 "textcls.model_files().")));
}

static char *
canonical_directory(const char *directory)
{
	char	   *path = pstrdup(directory);

	canonicalize_path(path);
	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("path of the directory must be absolute: \"%s\"", directory)));
	return path;
}

static void
report_file(const char *what, const char *path)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s \"%s\": %m", what, path)));
}

/* Whole regular file into memory of the host. */
static void
read_file(TclsFile *file, const char *directory, const char *name, TclsHost *host)
{
	char	   *path = psprintf("%s/%s", directory, name);
	int			fd = OpenTransientFile(path, O_RDONLY | O_CLOEXEC | PG_BINARY);
	size_t		length = strlen(name);
	bool		is_weights = length > 12 && strcmp(name + length - 12, ".safetensors") == 0;
	struct stat status;
	char	   *data;

	if (fd < 0)
		report_file("open file", path);
	if (fstat(fd, &status) != 0)
		report_file("stat file", path);
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", path)));
	if (!is_weights && status.st_size > MAX_TEXT_FILE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\" is too large: %lld bytes", path, (long long) status.st_size)));
	tcls_host_check(tcls_alloc(&data, status.st_size, 1, host), host);
	for (size_t done = 0; done < (size_t) status.st_size;)
	{
		ssize_t		got = read(fd, data + done, Min(PIECE, (size_t) status.st_size - done));

		CHECK_FOR_INTERRUPTS();
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			report_file("read file", path);
		if (got == 0)
			ereport(ERROR,
					(errcode(ERRCODE_IO_ERROR),
					 errmsg("file \"%s\" became shorter while it was read", path)));
		done += got;
	}
	CloseTransientFile(fd);
	file->name = pstrdup(name);
	file->data = data;
	file->size = status.st_size;
}

/*
 * Names below the directory, relative to it, that an import wants.  One level of subdirectories
 * is looked into.
 */
static List *
wanted_names(const char *directory, const char *prefix)
{
	char	   *path = prefix[0] == '\0' ? pstrdup(directory) : psprintf("%s/%s", directory, prefix);
	DIR		   *dir = AllocateDir(path);
	List	   *names = NIL;
	struct dirent *entry;

	while ((entry = ReadDir(dir, path)) != NULL)
	{
		char	   *name = psprintf("%s%s", prefix, entry->d_name);
		struct stat status;

		CHECK_FOR_INTERRUPTS();
		if (tcls_import_wants(name))
			names = lappend(names, name);
		else if (prefix[0] == '\0' && entry->d_name[0] != '.' &&
				 stat(psprintf("%s/%s", path, entry->d_name), &status) == 0 && S_ISDIR(status.st_mode) &&
				 access(psprintf("%s/%s", path, entry->d_name), R_OK | X_OK) == 0)
			names = list_concat(names, wanted_names(directory, psprintf("%s/", entry->d_name)));
	}
	FreeDir(dir);
	return names;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

void
tcls_server_files_read(TclsFile **files, int *count, const char *directory, TclsHost *host)
{
	char	   *path;
	List	   *names;
	ListCell   *cell;

	check_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files", "import a model from a directory");
	path = canonical_directory(directory);
	names = wanted_names(path, "");
	list_sort(names, compare_names);
	*files = palloc(list_length(names) * sizeof(TclsFile) + 1);
	*count = 0;
	foreach(cell, names)
		read_file(&(*files)[(*count)++], path, lfirst(cell), host);
}

char *
tcls_server_files_make_directory(const char *directory)
{
	char	   *path;

	check_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files", "export a model to a directory");
	path = canonical_directory(directory);
	if (path_is_prefix_of_path(DataDir, path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a model cannot be exported into the data directory of the server")));
	if (mkdir(path, pg_dir_create_mode) != 0 && errno != EEXIST)
		report_file("create directory", path);
	return path;
}

typedef struct FileWriter
{
	TclsWriter	writer;
	int			fd;
	const char *path;
} FileWriter;

static TclsStatus
file_write(void *context, const void *data, size_t size)
{
	FileWriter *file = context;
	const char *bytes = data;

	while (size > 0)
	{
		ssize_t		written = write(file->fd, bytes, Min(PIECE, size));

		CHECK_FOR_INTERRUPTS();
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			errno = written < 0 ? errno : ENOSPC;
			report_file("write file", file->path);
		}
		bytes += written;
		size -= written;
	}
	return TCLS_OK;
}

static void
create_file(FileWriter *file, const char *directory, const char *name)
{
	file->path = psprintf("%s/%s", directory, name);
	file->writer.write = file_write;
	file->writer.context = file;
	file->fd = OpenTransientFilePerm(file->path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC | PG_BINARY,
									 pg_file_create_mode);
	if (file->fd < 0 && errno == EEXIST)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_FILE),
				 errmsg("file \"%s\" already exists", file->path),
				 errhint("Export into a new directory; existing files are not replaced.")));
	if (file->fd < 0)
		report_file("create file", file->path);
}

static void
close_file(FileWriter *file)
{
	if (pg_fsync(file->fd) != 0 || CloseTransientFile(file->fd) != 0)
		report_file("close file", file->path);
}

void
tcls_server_files_write(const char *directory, const char *name, const void *data, size_t size)
{
	FileWriter	file;

	create_file(&file, directory, name);
	file_write(&file, data, size);
	close_file(&file);
}

void
tcls_server_files_write_weights(const char *directory, const char *name, const TclsVersion *version, TclsHost *host)
{
	FileWriter	file;
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];

	create_file(&file, directory, name);
	tcls_object_stream(sha256, &file.writer, version->weights, host);
	close_file(&file);
	tcls_catalog_check_sha256(version, sha256);
}

/*
 * prepared_file.c
 *		Files of prepared weights in the engine's directory.
 *
 * A file has its name only when it is complete and on disk, and is never written again;
 * it is replaced or removed as a whole.  So a mapping is always of one content.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/parallel.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "bridge/engine.h"
#include "bridge/host_pg.h"
#include "bridge/marker.h"
#include "model/prepared.h"
#include "store/prepared_file.h"

#define LOCK_NAME "build.lock"
#define LOCK_POLL_MS 20

/* Files that nobody has opened for so long are removed when the next one is built. */
#define KEEP_SECONDS (7 * 24 * 3600)

/* Most bytes that are allocated or written between two looks for interrupts, and sent to disk at a time. */
#define WRITE_PIECE ((size_t) 8 << 20)

typedef struct Mapping
{
	void	   *data;
	size_t		size;
	MemoryContextCallback callback;
} Mapping;

typedef struct FileWriter
{
	TclsWriter	writer;
	int			fd;
	int			error;			/* errno of the first failure */
	size_t		size;			/* written so far */
} FileWriter;

/* "<fingerprint in hex>-": what the files of one content have in common. */
static char *
file_prefix(const uint8 *fingerprint)
{
	StringInfoData name;

	initStringInfo(&name);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		appendStringInfo(&name, "%02x", fingerprint[i]);
	appendStringInfoChar(&name, '-');
	return name.data;
}

/* "<fingerprint in hex>-<version of the format>-<layout>" */
static char *
file_name(const uint8 *fingerprint, const char *layout)
{
	return psprintf("%s%d-%s", file_prefix(fingerprint), TCLS_PREPARED_VERSION, layout);
}

/* Say once in a session why each model takes memory of its own; %m of error. */
static void
warn_private(const char *what, int error)
{
	static bool warned = false;

	errno = error;
	if (!warned && !IsParallelWorker())
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not share prepared weights: %s: %m", what),
				 errdetail("This session reads models into memory of its own."),
				 errhint("Set textcls.share_weights to off if that is meant to be.")));
	warned = true;
}

static void
unmap(void *arg)
{
	Mapping    *mapping = arg;

	munmap(mapping->data, mapping->size);
}

/* Map the whole file for as long as the context lives; NULL on failure. */
static Mapping *
map_file(const char *path, struct stat *status, MemoryContext context)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | PG_BINARY);
	Mapping    *mapping = NULL;
	void	   *data = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (tcls_marker_is_own_file(fd, status) && status->st_size > 0)
	{
		mapping = MemoryContextAllocZero(context, sizeof(Mapping));
		data = mmap(NULL, status->st_size, PROT_READ, MAP_SHARED, fd, 0);
	}
	CloseTransientFile(fd);
	if (data == MAP_FAILED)
		return NULL;
	mapping->data = data;
	mapping->size = status->st_size;
	mapping->callback.func = unmap;
	mapping->callback.arg = mapping;
	MemoryContextRegisterResetCallback(context, &mapping->callback);
	return mapping;
}

/* What must be the same for the checksums not to be computed again. */
static char *
file_identity(const struct stat *status)
{
	return psprintf("%llu %llu %lld %lld.%09ld",
					(unsigned long long) status->st_dev, (unsigned long long) status->st_ino,
					(long long) status->st_size, (long long) status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
}

/* Open what is mapped; the checksums are verified once in a server's life. */
static TclsStatus
open_mapping(TclsModel *model, const Mapping *mapping, const char *name, const struct stat *status, TclsHost *host)
{
	char	   *marker = psprintf("%s.ok", name);
	char	   *identity = file_identity(status);
	char	   *verified = tcls_marker_read(marker);
	bool		verify = verified == NULL || strcmp(verified, identity) != 0;

	TCLS_TRY(tcls_prepared_open(model, mapping->data, mapping->size, verify, host));
	if (verify)
		tcls_marker_write(marker, identity);
	return TCLS_OK;
}

bool
tcls_prepared_file_map(TclsModel *model, const uint8 *fingerprint, const char *layout, MemoryContext context)
{
	const char *directory = tcls_engine_directory();
	MemoryContext attempt;
	TclsHost   *host;
	char	   *name;
	Mapping    *mapping;
	struct stat status;
	TclsStatus	result;

	if (directory == NULL)
		return false;
	name = file_name(fingerprint, layout);
	attempt = AllocSetContextCreate(context, "textcls mapping", ALLOCSET_SMALL_SIZES);
	mapping = map_file(psprintf("%s/%s", directory, name), &status, attempt);
	if (mapping == NULL)
	{
		MemoryContextDelete(attempt);
		return false;
	}
	host = tcls_host_create(attempt);
	result = open_mapping(model, mapping, name, &status, host);
	if (result == TCLS_OK)
		return true;
	if (result != TCLS_BAD_FILE)
		tcls_host_check(result, host);
	ereport(LOG,
			(errmsg("prepared file \"%s/%s\" is damaged and will be built again", directory, name),
			 errdetail_internal("%s.", host->detail)));
	MemoryContextDelete(attempt);
	return false;
}

int
tcls_prepared_file_lock(void)
{
	const char *directory = tcls_engine_directory();
	int			fd;

	if (directory == NULL)
	{
		warn_private("no directory for them", errno);
		return -1;
	}
	fd = OpenTransientFilePerm(psprintf("%s/" LOCK_NAME, directory),
							   O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, 0600);
	if (fd < 0)
	{
		warn_private("could not open the lock file", errno);
		return -1;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0)
	{
		if (errno != EWOULDBLOCK && errno != EINTR)
		{
			int			error = errno;

			CloseTransientFile(fd);
			warn_private("could not lock the lock file", error);
			return -1;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return fd;
}

void
tcls_prepared_file_unlock(int lock)
{
	CloseTransientFile(lock);
}

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t		length = strlen(name);

	return length >= strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
}

/*
 * Remove what a crash left and what has not been used for long.  The lock says that no file
 * of weights is being written; a session that writes a marker at this moment only loses it.
 */
static void
sweep(const char *directory)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = ReadDirExtended(dir, directory, LOG)) != NULL)
	{
		char	   *path = psprintf("%s/%s", directory, entry->d_name);
		struct stat status;

		if (lstat(path, &status) == 0 && S_ISREG(status.st_mode) && strcmp(entry->d_name, LOCK_NAME) != 0 &&
			(has_suffix(entry->d_name, ".tmp") ||
			 Max(status.st_atime, status.st_mtime) < time(NULL) - KEEP_SECONDS))
			unlink(path);
		pfree(path);
	}
	FreeDir(dir);
}

static TclsStatus
file_write(void *context, const void *data, size_t size)
{
	FileWriter *file = context;
	const char *bytes = data;

	while (size > 0)
	{
		ssize_t		written = write(file->fd, bytes, Min(size, WRITE_PIECE));

		CHECK_FOR_INTERRUPTS();
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			file->error = written < 0 ? errno : ENOSPC;
			return TCLS_IO;
		}
		bytes += written;
		size -= written;
		pg_flush_data(file->fd, file->size, written);
		file->size += written;
	}
	return TCLS_OK;
}

/* Blocks for the whole file: a hole would turn a full disk into SIGBUS for those who map it.  0 or errno. */
static int
allocate_file(int fd, size_t size)
{
	size_t		done = 0;

	while (done < size)
	{
		size_t		piece = Min(WRITE_PIECE, size - done);
		int			error = posix_fallocate(fd, done, piece);

		CHECK_FOR_INTERRUPTS();
		if (error != 0 && error != EINTR)
			return error;
		if (error == 0)
			done += piece;
	}
	return 0;
}

/* Fill the open file and bring it to disk; 0 or errno. */
static int
fill_file(int fd, const TclsModel *model)
{
	TclsHost   *host = tcls_host_create(CurrentMemoryContext);
	FileWriter	file = {{file_write, &file}, fd, 0, 0};
	size_t		size = tcls_prepared_size(model);
	TclsStatus	status;
	int			error;

	error = allocate_file(fd, size);
	if (error != 0)
		return error;
	status = tcls_prepared_write(&file.writer, model, host);
	if (file.error != 0)
		return file.error;
	tcls_host_check(status, host);
	if (file.size != size)
		elog(ERROR, "prepared file has %zu bytes, not %zu", file.size, size);
	return pg_fsync(fd) == 0 ? 0 : errno;
}

bool
tcls_prepared_file_write(const TclsModel *model, const uint8 *fingerprint, const char *layout)
{
	const char *directory = tcls_engine_directory();
	char	   *path;
	char	   *temporary;
	int			fd;
	int			error;

	if (directory == NULL)
		return false;
	sweep(directory);
	path = psprintf("%s/%s", directory, file_name(fingerprint, layout));
	temporary = psprintf("%s.%d.tmp", path, MyProcPid);
	fd = OpenTransientFilePerm(temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, 0600);
	if (fd < 0)
	{
		warn_private("could not create a file", errno);
		return false;
	}
	error = fill_file(fd, model);
	CloseTransientFile(fd);
	if (error == 0 && durable_rename(temporary, path, LOG) != 0)
		error = errno;
	if (error == 0)
		return true;
	unlink(temporary);
	warn_private("could not write a file", error);
	return false;
}

void
tcls_prepared_file_remove(const uint8 *fingerprint)
{
	const char *directory = tcls_engine_directory();
	char	   *prefix = file_prefix(fingerprint);
	DIR		   *dir = directory != NULL ? AllocateDir(directory) : NULL;
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = ReadDirExtended(dir, directory, LOG)) != NULL)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && !has_suffix(entry->d_name, ".tmp"))
			unlink(psprintf("%s/%s", directory, entry->d_name));
	FreeDir(dir);
}

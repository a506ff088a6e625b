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
#include <unistd.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "bridge/engine.h"
#include "bridge/host_pg.h"
#include "bridge/marker.h"
#include "bridge/settings.h"
#include "model/prepared.h"
#include "store/prepared_directory.h"
#include "store/prepared_file.h"

#define LOCK_POLL_MS 20

/* Most bytes that are allocated, written or sent to disk between two looks for interrupts. */
#define WRITE_PIECE ((size_t) 1 << 20)

/* How often the use of a mapped file is noted. */
#define TOUCH_INTERVAL_MS (3600 * 1000)

struct TclsMappedFile
{
	dlist_node	node;
	char	   *name;
	void	   *data;
	struct stat status;
	TimestampTz touched_at;
	MemoryContextCallback callback;
};

/* What this process has mapped. */
static dlist_head mapped_files = DLIST_STATIC_INIT(mapped_files);

/* Whether this process is to say why a model takes memory of its own: once in a session. */
static bool
first_warning(void)
{
	static bool warned = false;
	bool		first = !warned && !IsParallelWorker();

	warned = true;
	return first;
}

/* Report that files cannot be made; %m of error. */
static void
refuse(int elevel, const char *what, int error)
{
	if (elevel < ERROR && !first_warning())
		return;
	errno = error;
	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not share prepared weights: %s: %m", what),
			 elevel < ERROR ? errdetail("This session reads models into memory of its own.") : 0,
			 elevel < ERROR ? errhint("Set textcls.share_weights to off if that is meant to be.") : 0));
}

static void
refuse_size(int elevel, size_t size)
{
	if (elevel < ERROR && !first_warning())
		return;
	ereport(elevel,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not share prepared weights: a file of %zu kB is over textcls.prepared_size_limit (%d kB)",
					(size >> 10) + 1, tcls_setting_prepared_size_limit_kb),
			 elevel < ERROR ? errdetail("This session reads models into memory of its own.") : 0,
			 errhint("Raise textcls.prepared_size_limit, or set it to 0 for no limit.")));
}

static void
unmap(void *arg)
{
	TclsMappedFile *file = arg;

	dlist_delete(&file->node);
	munmap(file->data, file->status.st_size);
}

/* Map the whole file for as long as the context lives; NULL on failure. */
static TclsMappedFile *
map_file(const char *name, MemoryContext context)
{
	int			fd = OpenTransientFile(psprintf(TCLS_ENGINE_DIRECTORY "/%s", name),
									   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | PG_BINARY);
	struct stat status;
	TclsMappedFile *file;
	void	   *data = MAP_FAILED;

	if (fd < 0)
		return NULL;
	file = MemoryContextAllocZero(context, sizeof(TclsMappedFile));
	file->name = MemoryContextStrdup(context, name);
	if (tcls_marker_is_own_file(fd, &status) && status.st_size > 0)
		data = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	CloseTransientFile(fd);
	if (data == MAP_FAILED)
		return NULL;
	file->data = data;
	file->status = status;
	dlist_push_head(&mapped_files, &file->node);
	file->callback.func = unmap;
	file->callback.arg = file;
	MemoryContextRegisterResetCallback(context, &file->callback);
	return file;
}

/* Open what is mapped; the checksums are verified once in a server's life. */
static TclsStatus
open_mapping(TclsPrepared *model, const TclsMappedFile *file, const TclsPackedKernel *kernel, TclsHost *host)
{
	bool		verify = !tcls_prepared_is_verified(file->name, &file->status);

	TCLS_TRY(tcls_prepared_open(model, file->data, file->status.st_size, kernel, verify, host));
	if (verify)
		tcls_prepared_set_verified(file->name, &file->status);
	return TCLS_OK;
}

TclsMappedFile *
tcls_prepared_file_map(TclsPrepared *model, const uint8 *fingerprint, const TclsPackedKernel *kernel,
					   MemoryContext context)
{
	MemoryContext attempt;
	TclsMappedFile *file;
	TclsHost   *host;
	TclsStatus	result;

	if (tcls_engine_directory() == NULL)
		return NULL;
	attempt = AllocSetContextCreate(context, "textcls mapping", ALLOCSET_SMALL_SIZES);
	file = map_file(tcls_prepared_name(fingerprint, kernel->layout), attempt);
	if (file == NULL)
	{
		MemoryContextDelete(attempt);
		return NULL;
	}
	host = tcls_host_create(attempt);
	result = open_mapping(model, file, kernel, host);
	if (result == TCLS_OK)
	{
		tcls_prepared_file_used(file);
		return file;
	}
	if (result != TCLS_BAD_FILE)
		tcls_host_check(result, host);
	ereport(LOG,
			(errmsg("prepared file \"%s\" is damaged and will be built again", file->name),
			 errdetail_internal("%s.", host->detail)));
	MemoryContextDelete(attempt);
	return NULL;
}

void
tcls_prepared_file_used(TclsMappedFile *file)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (file->touched_at != 0 && !TimestampDifferenceExceeds(file->touched_at, now, TOUCH_INTERVAL_MS))
		return;
	file->touched_at = now;
	tcls_prepared_touch(file->name);
}

size_t
tcls_prepared_file_size(const TclsMappedFile *file)
{
	return file->status.st_size;
}

bool
tcls_prepared_file_is_mapped(const char *name, const struct stat *status)
{
	dlist_iter	iter;

	dlist_foreach(iter, &mapped_files)
	{
		TclsMappedFile *file = dlist_container(TclsMappedFile, node, iter.cur);

		if (strcmp(file->name, name) == 0 && file->status.st_ino == status->st_ino)
			return true;
	}
	return false;
}

int
tcls_prepared_file_lock(int elevel)
{
	int			fd;

	if (tcls_engine_directory() == NULL)
	{
		refuse(elevel, "no directory for them", errno);
		return -1;
	}
	fd = OpenTransientFilePerm(TCLS_ENGINE_DIRECTORY "/" TCLS_PREPARED_LOCK,
							   O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, 0600);
	if (fd < 0)
	{
		refuse(elevel, "could not open the lock file", errno);
		return -1;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0)
	{
		if (errno != EWOULDBLOCK && errno != EINTR)
		{
			int			error = errno;

			CloseTransientFile(fd);
			refuse(elevel, "could not lock the lock file", error);
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

/*
 * Wait until a piece is on disk; 0 or errno.  By pieces and not by one fsync, which could not be
 * interrupted for as long as the disk needs.  What a crash of the machine loses nevertheless is found by the
 * checksums, which are verified in the server's next life.
 */
static int
sync_piece(int fd, size_t offset, size_t size)
{
#ifdef HAVE_SYNC_FILE_RANGE
	if (enableFsync && sync_file_range(fd, offset, size, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0 &&
		errno != ENOSYS)
		return errno;
#endif
	return 0;
}

/* 0 or errno. */
static int
write_pieces(int fd, const char *bytes, size_t size)
{
	size_t		done = 0;

	while (done < size)
	{
		ssize_t		written = write(fd, bytes + done, Min(size - done, WRITE_PIECE));
		int			error;

		CHECK_FOR_INTERRUPTS();
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? errno : ENOSPC;
		error = sync_piece(fd, done, written);
		if (error != 0)
			return error;
		done += written;
	}
	return 0;
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

/* Fill the open file; 0 or errno. */
static int
fill_file(int fd, const void *image, size_t size)
{
	int			error = allocate_file(fd, size);

	return error == 0 ? write_pieces(fd, image, size) : error;
}

/* A half-written file goes with its context, so that an error or a cancel leaves none. */
static void
unlink_temporary(void *path)
{
	unlink(path);
}

static char *
temporary_path(const char *path, MemoryContext context)
{
	char	   *temporary = MemoryContextAlloc(context, MAXPGPATH);
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	snprintf(temporary, MAXPGPATH, "%s.%d.tmp", path, MyProcPid);
	callback->func = unlink_temporary;
	callback->arg = temporary;
	MemoryContextRegisterResetCallback(context, callback);
	return temporary;
}

/* Write the file under its temporary name and give it its own; 0 or errno. */
static int
write_file(const char *path, const void *image, size_t size)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "textcls file", ALLOCSET_SMALL_SIZES);
	char	   *temporary = temporary_path(path, context);
	int			fd;
	int			error;

	fd = OpenTransientFilePerm(temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, 0600);
	if (fd < 0)
		return errno;
	error = fill_file(fd, image, size);
	CloseTransientFile(fd);
	if (error == 0 && rename(temporary, path) != 0)
		error = errno;
	MemoryContextDelete(context);
	return error;
}

bool
tcls_prepared_file_write(const void *image, size_t size, const uint8 *fingerprint, const char *layout, int elevel)
{
	int			error;

	if (tcls_engine_directory() == NULL)
	{
		refuse(elevel, "no directory for them", errno);
		return false;
	}
	tcls_prepared_sweep();
	if (!tcls_prepared_make_room(size))
	{
		refuse_size(elevel, size);
		return false;
	}
	error = write_file(psprintf(TCLS_ENGINE_DIRECTORY "/%s", tcls_prepared_name(fingerprint, layout)), image, size);
	if (error != 0)
		refuse(elevel, "could not write a file", error);
	return error == 0;
}

void
tcls_prepared_file_remove(const uint8 *fingerprint)
{
	ListCell   *cell;

	foreach(cell, tcls_prepared_list())
	{
		TclsPreparedFile *file = lfirst(cell);

		if (memcmp(file->fingerprint, fingerprint, PG_SHA256_DIGEST_LENGTH) == 0)
			tcls_prepared_remove(file->name);
	}
}

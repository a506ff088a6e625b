/*
 * prepared_directory.c
 *		Names, last use and room of the prepared files.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bridge/engine.h"
#include "bridge/marker.h"
#include "bridge/settings.h"
#include "model/prepared.h"
#include "store/prepared_directory.h"

#define HEX_DIGITS (2 * PG_SHA256_DIGEST_LENGTH)
#define MARKER_SUFFIX ".ok"

/* Files that nobody has used for so long are removed when the next one is built. */
#define KEEP_MS (7 * 24 * 3600 * 1000)

static char *
path_of(const char *name)
{
	return psprintf(TCLS_ENGINE_DIRECTORY "/%s", name);
}

static char *
marker_of(const char *name)
{
	return psprintf("%s" MARKER_SUFFIX, name);
}

char *
tcls_prepared_name(const uint8 *fingerprint, const char *layout)
{
	char		digits[HEX_DIGITS + 1] = {0};

	(void) hex_encode((const char *) fingerprint, PG_SHA256_DIGEST_LENGTH, digits);
	return psprintf("%s-%d-%s", digits, TCLS_PREPARED_VERSION, layout);
}

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t		length = strlen(name);

	return length >= strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
}

/* Take a name apart; false where it is not that of a prepared file. */
static bool
parse_name(TclsPreparedFile *file, const char *name)
{
	size_t		version;

	if (strspn(name, "0123456789abcdef") != HEX_DIGITS || name[HEX_DIGITS] != '-' ||
		has_suffix(name, MARKER_SUFFIX) || has_suffix(name, ".tmp"))
		return false;
	version = strspn(name + HEX_DIGITS + 1, "0123456789");
	if (version == 0 || name[HEX_DIGITS + 1 + version] != '-')
		return false;
	(void) hex_decode(name, HEX_DIGITS, (char *) file->fingerprint);
	file->name = pstrdup(name);
	file->layout = file->name + HEX_DIGITS + version + 2;
	return true;
}

static TimestampTz
modified_at(const struct stat *status)
{
	return time_t_to_timestamptz(status->st_mtim.tv_sec) + status->st_mtim.tv_nsec / 1000;
}

/* What is known of a file that is there. */
static void
describe(TclsPreparedFile *file)
{
	struct stat marker;

	file->prepared_at = modified_at(&file->status);
	file->last_used_at = lstat(path_of(marker_of(file->name)), &marker) == 0 ? modified_at(&marker) : file->prepared_at;
	file->is_verified = tcls_prepared_is_verified(file->name, &file->status);
}

static int
compare_last_use(const ListCell *a, const ListCell *b)
{
	const TclsPreparedFile *left = lfirst(a);
	const TclsPreparedFile *right = lfirst(b);

	if (left->last_used_at != right->last_used_at)
		return left->last_used_at < right->last_used_at ? -1 : 1;
	return strcmp(left->name, right->name);
}

List *
tcls_prepared_list(void)
{
	DIR		   *dir = tcls_engine_directory() != NULL ? AllocateDir(TCLS_ENGINE_DIRECTORY) : NULL;
	struct dirent *entry;
	List	   *files = NIL;

	if (dir == NULL)
		return NIL;
	while ((entry = ReadDirExtended(dir, TCLS_ENGINE_DIRECTORY, LOG)) != NULL)
	{
		TclsPreparedFile file;

		if (!parse_name(&file, entry->d_name) || lstat(path_of(file.name), &file.status) != 0 ||
			!S_ISREG(file.status.st_mode))
			continue;
		describe(&file);
		files = lappend(files, memcpy(palloc(sizeof(file)), &file, sizeof(file)));
	}
	FreeDir(dir);
	list_sort(files, compare_last_use);
	return files;
}

/* What must be the same for the checksums not to be computed again. */
static char *
file_identity(const struct stat *status)
{
	return psprintf("%llu %llu %lld %lld.%09ld",
					(unsigned long long) status->st_dev, (unsigned long long) status->st_ino,
					(long long) status->st_size, (long long) status->st_mtim.tv_sec, status->st_mtim.tv_nsec);
}

bool
tcls_prepared_is_verified(const char *name, const struct stat *status)
{
	char	   *verified = tcls_marker_read(marker_of(name));

	return verified != NULL && strcmp(verified, file_identity(status)) == 0;
}

void
tcls_prepared_set_verified(const char *name, const struct stat *status)
{
	tcls_marker_write(marker_of(name), file_identity(status));
}

/* By hand, since file systems that are mounted with noatime or relatime do not tell who reads. */
void
tcls_prepared_touch(const char *name)
{
	if (tcls_engine_directory() != NULL)
		(void) utimensat(AT_FDCWD, path_of(marker_of(name)), NULL, AT_SYMLINK_NOFOLLOW);
}

void
tcls_prepared_remove(const char *name)
{
	unlink(path_of(name));
	unlink(path_of(marker_of(name)));
}

/* Is this one no prepared file, and can be removed: half written, or a marker of long ago? */
static bool
is_left_over(const char *name, TimestampTz now)
{
	struct stat status;

	if (has_suffix(name, ".tmp"))
		return true;
	return lstat(path_of(name), &status) == 0 && S_ISREG(status.st_mode) &&
		TimestampDifferenceExceeds(modified_at(&status), now, KEEP_MS);
}

void
tcls_prepared_sweep(void)
{
	TimestampTz now = GetCurrentTimestamp();
	DIR		   *dir = AllocateDir(TCLS_ENGINE_DIRECTORY);
	struct dirent *entry;
	ListCell   *cell;

	foreach(cell, tcls_prepared_list())
	{
		TclsPreparedFile *file = lfirst(cell);

		if (TimestampDifferenceExceeds(file->last_used_at, now, KEEP_MS))
			tcls_prepared_remove(file->name);
	}
	while (dir != NULL && (entry = ReadDirExtended(dir, TCLS_ENGINE_DIRECTORY, LOG)) != NULL)
	{
		TclsPreparedFile file;

		if (!parse_name(&file, entry->d_name) && strcmp(entry->d_name, TCLS_PREPARED_LOCK) != 0 &&
			is_left_over(entry->d_name, now))
			unlink(path_of(entry->d_name));
	}
	if (dir != NULL)
		FreeDir(dir);
}

bool
tcls_prepared_make_room(size_t size)
{
	uint64		limit = (uint64) tcls_setting_prepared_size_limit_kb * 1024;
	uint64		total = size;
	List	   *files;
	ListCell   *cell;

	if (limit == 0)
		return true;
	if (size > limit)
		return false;
	files = tcls_prepared_list();
	foreach(cell, files)
		total += ((TclsPreparedFile *) lfirst(cell))->status.st_size;
	foreach(cell, files)
	{
		TclsPreparedFile *file = lfirst(cell);

		if (total <= limit)
			break;
		ereport(LOG,
				(errmsg("prepared file \"%s\" is removed to make room for another one", file->name),
				 errhint("See textcls.prepared_size_limit.")));
		tcls_prepared_remove(file->name);
		total -= file->status.st_size;
	}
	return true;
}

/*
 * marker.c
 *		Files that hold one line about the server's life and one fact.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "bridge/engine.h"
#include "bridge/marker.h"

#define MAX_MARKER_SIZE 4096

/* The first line, which is another one after each start of the server. */
static char *
life_line(void)
{
	return psprintf("%d " INT64_FORMAT "\n", PostmasterPid, (int64) PgStartTime);
}

bool
tcls_marker_is_own_file(int fd, struct stat *status)
{
	return fstat(fd, status) == 0 && S_ISREG(status->st_mode) &&
		status->st_uid == geteuid() && status->st_nlink == 1;
}

char *
tcls_marker_read(const char *name)
{
	const char *directory = tcls_engine_directory();
	char	   *life = life_line();
	char	   *content;
	struct stat status;
	ssize_t		size = -1;
	int			fd;

	if (directory == NULL)
		return NULL;
	fd = OpenTransientFile(psprintf("%s/%s", directory, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | PG_BINARY);
	if (fd < 0)
		return NULL;
	content = palloc(MAX_MARKER_SIZE);
	if (tcls_marker_is_own_file(fd, &status))
		size = read(fd, content, MAX_MARKER_SIZE - 1);
	CloseTransientFile(fd);
	if (size < 0)
		return NULL;
	content[size] = '\0';
	return strncmp(content, life, strlen(life)) == 0 ? content + strlen(life) : NULL;
}

void
tcls_marker_write(const char *name, const char *content)
{
	const char *directory = tcls_engine_directory();
	char	   *text = psprintf("%s%s", life_line(), content);
	ssize_t		size = strlen(text);
	char	   *temporary;
	int			fd;
	bool		written;

	if (directory == NULL || size >= MAX_MARKER_SIZE)
		return;
	temporary = psprintf("%s/%s.%d.tmp", directory, name, MyProcPid);
	unlink(temporary);
	fd = OpenTransientFilePerm(temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, 0600);
	if (fd < 0)
		return;
	written = write(fd, text, size) == size;
	CloseTransientFile(fd);
	if (!written || rename(temporary, psprintf("%s/%s", directory, name)) != 0)
		unlink(temporary);
}

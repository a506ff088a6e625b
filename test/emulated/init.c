/*
 * init.c
 *		The first program of the emulated machine: runs every other program of its file system,
 *		says how each ended, and that it is done.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
run(const char *path)
{
	int			status = -1;
	pid_t		child = fork();

	if (child == 0)
	{
		execl(path, path, (char *) NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("emulated: %s ended by signal %d\n", path, WTERMSIG(status));
	else
		printf("emulated: %s ended with status %d\n", path, WEXITSTATUS(status));
}

int
main(void)
{
	DIR		   *directory;
	struct dirent *entry;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	directory = opendir("/tests");
	while (directory != NULL && (entry = readdir(directory)) != NULL)
	{
		char		path[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/tests/%s", entry->d_name);
		printf("emulated: %s begins\n", path);
		run(path);
	}
	printf("emulated: done\n");
	for (;;)
		pause();
}

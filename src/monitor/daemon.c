/* SPDX-License-Identifier: MIT */
#include "monitor/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

/* One byte means ready; the end of the pipe means that the child, which has said why on stderr, is gone. */
static _Noreturn void wait_for_daemon(int fd)
{
	char byte;
	ssize_t got;

	do
		got = read(fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	_exit(got == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int daemon_fork(int *ready_fd)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid > 0) {
		close(ends[1]);
		wait_for_daemon(ends[0]);
	}
	close(ends[0]);
	if (pid < 0) {
		int error = -errno;

		close(ends[1]);
		return error;
	}
	setsid();
	*ready_fd = ends[1];
	return 0;
}

static void detach_stdio(void)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
}

void daemon_ready(int *ready_fd)
{
	ssize_t written;

	log_open(LOG_TO_SYSLOG);
	detach_stdio();
	written = write(*ready_fd, "", 1);
	(void)written; /* the parent may have been killed */
	descriptor_close(ready_fd);
}

/* SPDX-License-Identifier: MIT */
#include "monitor/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

int ready_check(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	int error = flags < 0 ? -errno : 0;

	if (!error && ((flags & O_ACCMODE) == O_RDONLY || flags & O_PATH))
		error = -EBADF;
	if (error)
		log_error("--ready-fd %d: %s; give the number of an inherited descriptor that can be written to", fd,
		          strerror(-error));
	return error;
}

void ready_tell(int *fd)
{
	if (*fd < 0)
		return;
	/* Whoever waited may be gone, and its guests may not. */
	if (write(*fd, "\n", 1) != 1)
		log_warning("cannot write to the descriptor of --ready-fd: %s", strerror(errno));
	descriptor_close(fd);
}

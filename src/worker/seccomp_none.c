/* SPDX-License-Identifier: MIT */
/* Without libseccomp: see seccomp.c. */
#include <errno.h>

#include "common/log.h"
#include "worker/seccomp.h"

int seccomp_enter(enum seccomp_mode mode)
{
	(void)mode;
	log_error("this build cannot filter system calls: it was made without libseccomp");
	return -ENOSYS;
}

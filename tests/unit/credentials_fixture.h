/* SPDX-License-Identifier: MIT */
/* A child process with the capabilities of a worker, and what the kernel says of a thread's identity. */
#ifndef TESTS_CREDENTIALS_FIXTURE_H
#define TESTS_CREDENTIALS_FIXTURE_H

#include "unit.h"

#include <sys/types.h>

/* As the kernel reports them: real, effective, saved, file system; not as the C library may remember them. */
struct identity {
	uid_t uid[4];
	gid_t gid[4];
	uint64_t effective, permitted, inheritable;
};

#define DAC_OVERRIDE UINT64_C(2) /* 1 << CAP_DAC_OVERRIDE */

/* For children: leaves the calling thread, which must be root, with the seven capabilities. Dumps no core. */
void become_worker(void);

struct identity read_identity(void);

/* Runs `body` in a child process, in a directory of its own. */
void run_in_directory(void (*body)(const void *path));

/* Asserts, in a child, what the calling thread is. */
void check_is_root(void);
void check_is_guest(uid_t uid, gid_t gid);

#endif

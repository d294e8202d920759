/* SPDX-License-Identifier: MIT */
/* How the worker shall be confined: what the administrator chose, from the command line to worker/sandbox.c. */
#ifndef COMMON_CONFINEMENT_H
#define COMMON_CONFINEMENT_H

#include "common/idmap.h"

enum sandbox_kind {
	SANDBOX_AUTO,      /* namespaces if the kernel and our privileges allow them, otherwise chroot */
	SANDBOX_NAMESPACE, /* or refuse to start */
	SANDBOX_CHROOT,
};

enum seccomp_mode {
	SECCOMP_KILL, /* what is not on the list kills the worker */
	SECCOMP_LOG,  /* the kernel logs it, and lets it pass */
	SECCOMP_OFF,
};

struct confinement {
	enum sandbox_kind kind;
	enum seccomp_mode seccomp;
	struct idmap idmap; /* empty: ids are what they are */
};

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Whose request a thread is serving. The only module that changes identity.
 *
 * Credentials belong to a thread in the kernel; it is the C library that makes them the process's, with a signal to
 * every thread and a lock (nptl(7)). We want them per thread, and use raw system calls.
 */
#ifndef WORKER_CREDENTIALS_H
#define WORKER_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a worker keeps, as a mask of 1 << CAP_...: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, MKNOD. */
extern const uint64_t credentials_capabilities;

/*
 * Makes the calling thread create as uid:gid. For 0:0 nothing changes, so that a guest's root can make a device
 * node; for anyone else CAP_DAC_OVERRIDE alone stays effective, because the guest's kernel has checked permissions
 * already, and the thread's supplementary groups are none, as ever.
 *
 * Returns 0; or -EINVAL for an id that is -1 or has no mapping in the user namespace, or another errno, and then
 * the thread is what it was.
 */
int credentials_assume(uid_t uid, gid_t gid);

/* Ends credentials_assume(uid, gid). A thread that could not become root again must not go on: abort(3). */
void credentials_restore(uid_t uid, gid_t gid);

/*
 * Whether the kernel holds the calling thread to be root with the kept capabilities, effective and permitted, none
 * of them inheritable. `difference`, of `size` bytes, says what is not as it should be.
 */
bool credentials_verify(char *difference, size_t size);

#endif

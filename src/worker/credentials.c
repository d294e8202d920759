/* SPDX-License-Identifier: MIT */
#include "worker/credentials.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the plain names are of the calls of old, with 16 bits: i386, arm. */
#ifdef SYS_setresuid32
#define SETRESUID SYS_setresuid32
#define SETRESGID SYS_setresgid32
#define GETRESUID SYS_getresuid32
#define GETRESGID SYS_getresgid32
#else
#define SETRESUID SYS_setresuid
#define SETRESGID SYS_setresgid
#define GETRESUID SYS_getresuid
#define GETRESGID SYS_getresgid
#endif

#define BIT(capability) (UINT64_C(1) << (capability))
#define KEEP ((uint32_t)-1)

const uint64_t credentials_capabilities = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
                                          BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_MKNOD);

/* capset(2) for the calling thread: `effective` of the kept capabilities. */
static int set_effective(uint64_t effective)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)credentials_capabilities, 0 },
		{ (uint32_t)(effective >> 32), (uint32_t)(credentials_capabilities >> 32), 0 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* The effective and file system ids; real and saved ones stay root's, and with them the permitted capabilities. */
static int set_effective_gid(gid_t gid)
{
	return syscall(SETRESGID, KEEP, gid, KEEP) ? -errno : 0;
}

static int set_effective_uid(uid_t uid)
{
	return syscall(SETRESUID, KEEP, uid, KEEP) ? -errno : 0;
}

int credentials_assume(uid_t uid, gid_t gid)
{
	int error;

	if (uid == KEEP || gid == KEEP)
		return -EINVAL;
	if (uid == 0 && gid == 0)
		return 0;

	error = set_effective_gid(gid);
	if (error)
		return error;
	error = set_effective_uid(uid);
	if (!error)
		error = set_effective(BIT(CAP_DAC_OVERRIDE));
	if (error)
		credentials_restore(uid, gid);
	return error;
}

/*
 * Root's real ids need no capability for any of this. When the effective uid goes back to 0, the kernel makes the
 * permitted capabilities effective again (capabilities(7), "Effect of user ID changes"; the sandbox sees to the
 * securebits that could forbid it), which saves a system call of six for nearly every guest's user.
 */
void credentials_restore(uid_t uid, gid_t gid)
{
	if (uid == 0 && gid == 0)
		return;
	if ((uid == 0 ? set_effective(credentials_capabilities) : set_effective_uid(0)) || set_effective_gid(0))
		abort();
}

bool credentials_verify(char *difference, size_t size)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	uid_t uid[3];
	gid_t gid[3];
	uint64_t effective, permitted, inheritable;

	if (syscall(SYS_capget, &header, data) || syscall(GETRESUID, &uid[0], &uid[1], &uid[2]) ||
	    syscall(GETRESGID, &gid[0], &gid[1], &gid[2])) {
		snprintf(difference, size, "credentials cannot be read: errno %d", errno);
		return false;
	}
	effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;

	if (uid[0] || uid[1] || uid[2] || gid[0] || gid[1] || gid[2]) {
		snprintf(difference, size, "uids %u %u %u, gids %u %u %u, all should be 0", uid[0], uid[1], uid[2], gid[0],
		         gid[1], gid[2]);
		return false;
	}
	if (effective != credentials_capabilities || permitted != credentials_capabilities || inheritable != 0) {
		snprintf(difference, size,
		         "capabilities effective %#" PRIx64 ", permitted %#" PRIx64 ", inheritable %#" PRIx64
		         "; should be %#" PRIx64 " twice, and 0",
		         effective, permitted, inheritable, credentials_capabilities);
		return false;
	}
	return true;
}

/* SPDX-License-Identifier: MIT */
#include "worker/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/private_attributes.h"

#define SET_ID (unsigned)(S_ISUID | S_ISGID)

/* Seconds. No file is older than that to a guest that touches it, and garbage hardly ever younger. */
#define TEN_YEARS INT64_C(315576000)

static struct policy policy;

void policy_enforce(const struct policy *given)
{
	policy = *given;
}

int policy_change(struct op_call *call)
{
	(void)call;
	return policy.readonly ? -EROFS : 0;
}

/* Access mode 3 is not for reading alone: open(2) asks for both permissions. */
int policy_open(struct op_call *call)
{
	int flags = (int)call->request->flags;

	return (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC ? policy_change(call) : 0;
}

int policy_create(struct op_call *call)
{
	return policy.no_setid && call->request->mode & SET_ID ? -EPERM : 0;
}

/* A character device 0:0, which marks a name as removed for overlayfs, is one of them. */
int policy_mknod(struct op_call *call)
{
	mode_t mode = call->request->mode;

	if (policy.no_devices && (S_ISCHR(mode) || S_ISBLK(mode)))
		return -EPERM;
	return policy_create(call);
}

/* A directory may have them: what they say there is who owns what is made in it. */
int policy_chmod(struct op_call *call)
{
	call->directories_only = policy.no_setid && call->request->mode & SET_ID;
	return 0;
}

/*
 * QEMU sends mtime's nanoseconds in both places and, where the guest gave no time of last access, garbage for its
 * seconds. UTIME_NOW in both places is what a plain touch(1) sends, and UTIME_OMIT does no harm.
 */
static bool is_garbage(const struct proxyfs_request *request)
{
	time_t now = time(NULL);

	return request->atime_nsec == request->mtime_nsec && request->atime_nsec != UTIME_NOW &&
	       (request->atime_sec < now - TEN_YEARS || request->atime_sec > now + TEN_YEARS);
}

int policy_utime(struct op_call *call)
{
	call->keep_atime = policy.utime_quirk && is_garbage(call->request);
	return 0;
}

static bool is_hidden(const char *name)
{
	return policy.xattrs == XATTR_POLICY_HOST && private_attributes_include(name);
}

int policy_lgetxattr(struct op_call *call)
{
	if (policy.xattrs == XATTR_POLICY_NONE)
		return -ENOTSUP;
	return is_hidden(call->name) ? -ENODATA : 0;
}

int policy_llistxattr(struct op_call *call)
{
	call->hides = policy.xattrs == XATTR_POLICY_HOST ? private_attributes_include : NULL;
	return policy.xattrs == XATTR_POLICY_NONE ? -ENOTSUP : 0;
}

/* Programs that copy attributes take ENOTSUP for "not here" and go on, and EPERM for a failure. */
int policy_change_xattr(struct op_call *call)
{
	return policy.xattrs == XATTR_POLICY_NONE || is_hidden(call->name) ? -ENOTSUP : 0;
}

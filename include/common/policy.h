/* SPDX-License-Identifier: MIT */
/* What the export's administrator forbids its guests: the command line says it, worker/policy.h enforces it. */
#ifndef COMMON_POLICY_H
#define COMMON_POLICY_H

#include <stdbool.h>
#include <stddef.h>

/* Which extended attributes there are for a guest. */
enum xattr_policy {
	XATTR_POLICY_HOST, /* all but those that are private to the host: common/private_attributes.h */
	XATTR_POLICY_ALL,
	XATTR_POLICY_NONE,
};

/* All zero is the default. */
struct policy {
	bool readonly;    /* nothing in the export is changed */
	bool no_devices;  /* no device nodes are made */
	bool no_setid;    /* no file gets a set-uid or set-gid bit */
	bool utime_quirk; /* a time of last access that QEMU cannot have meant is left alone */
	enum xattr_policy xattrs;
};

#define POLICY_TEXT_MAX 128 /* bytes */

/* For the log: what differs from the default, as in ", read-only, no devices"; otherwise nothing. */
void policy_describe(const struct policy *policy, char text[static POLICY_TEXT_MAX]);

#endif

/* SPDX-License-Identifier: MIT */
#include "common/policy.h"

#include <stdio.h>

void policy_describe(const struct policy *policy, char text[static POLICY_TEXT_MAX])
{
	static const char *const xattrs[] = {
		[XATTR_POLICY_HOST] = "",
		[XATTR_POLICY_ALL] = ", all attributes",
		[XATTR_POLICY_NONE] = ", no attributes",
	};

	snprintf(text, POLICY_TEXT_MAX, "%s%s%s%s%s", policy->readonly ? ", read-only" : "",
	         policy->no_devices ? ", no devices" : "", policy->no_setid ? ", no set-id files" : "",
	         xattrs[policy->xattrs], policy->utime_quirk ? ", UTIME quirk" : "");
}

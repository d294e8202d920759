/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: libattr reads the file when it is asked for the first time, and remembers its rules if there
 * were any. A file that is missing or holds none is not remembered: the library would look for it again whenever it
 * is asked, and once the process is inside the export, find the guests' own. So it is found out in time whether the
 * library has anything in memory, and if it has not, it is never asked again.
 */
#include "common/private_attributes.h"

#include <attr/libattr.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "common/log.h"

#define HOST_FILE "/etc/xattr.conf" /* the library's, for messages */

static bool has_rules;

/* Asks the library nothing in particular. 0, or -errno if it wanted to read the file and could not make sense of it. */
static int ask(void)
{
	errno = 0;
	attr_copy_action("user.any", NULL);
	return -errno;
}

/* With no descriptor to be had for the file, the library answers from memory or not at all. */
static int find_rules_in_memory(void)
{
	struct rlimit limit, none;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &none))
		return -errno;
	has_rules = !ask();
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

int private_attributes_read(void)
{
	int error = ask();

	if (!error || error == -ENOENT)
		error = find_rules_in_memory();
	if (error)
		log_error("cannot tell from " HOST_FILE " which attributes are private to the host: %s; correct it, or "
		          "choose another --xattr-policy",
		          strerror(-error));
	else if (!has_rules)
		log_info("there are no rules in " HOST_FILE ", or no such file: only security.evm and security.ima are hidden");
	return error;
}

bool private_attributes_include(const char *name)
{
	if (!strcmp(name, "security.evm") || !strcmp(name, "security.ima"))
		return true;
	return has_rules && attr_copy_action(name, NULL) == ATTR_ACTION_SKIP;
}

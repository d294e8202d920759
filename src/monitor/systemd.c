/* SPDX-License-Identifier: MIT */
#include "monitor/systemd.h"

#include <dlfcn.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"

#define LIBRARY "libsystemd.so.0"

/* Also when there is no such function, which dlsym(3) says with NULL. */
#define FIND(library, member, name)                                                                                    \
	do {                                                                                                           \
		void *found = dlsym(library, #name);                                                                   \
                                                                                                                       \
		_Static_assert(__builtin_types_compatible_p(__typeof__(functions.member), __typeof__(&(name))),        \
		               #name "() is declared otherwise");                                                      \
		memcpy(&functions.member, &found, sizeof found);                                                       \
	} while (0)

const struct systemd *systemd_load(void)
{
	static struct systemd functions;
	void *library;

	if (functions.notify)
		return &functions;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		log_error("a service manager is there, but not " LIBRARY ": %s", dlerror());
		return NULL;
	}
	FIND(library, watchdog_enabled, sd_watchdog_enabled);
	FIND(library, listen_fds_with_names, sd_listen_fds_with_names);
	FIND(library, notify_with_fds, sd_pid_notify_with_fds);
	FIND(library, is_socket_unix, sd_is_socket_unix);
	FIND(library, notify, sd_notify);
	if (functions.notify && functions.watchdog_enabled && functions.listen_fds_with_names &&
	    functions.notify_with_fds && functions.is_socket_unix)
		return &functions;
	log_error(LIBRARY " lacks a function of <systemd/sd-daemon.h>");
	functions.notify = NULL;
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: the jail is entered in an order in which no step gives back what an earlier one took.
 *
 *   1. groups       need CAP_SETGID over the launcher's groups
 *   2. root         the export, as the only mounts of a namespace of our own (worker/namespace.c) or by chroot, through
 *                   a descriptor opened outside: nothing of the path is looked up again
 *   3. bounding     and securebits need CAP_SETPCAP, which step 4 takes
 *   4. capabilities seven of them, the rest gone for good
 *   5. no_new_privs nothing that is executed can gain anything; the worker executes nothing
 *   6. no core dump, which would lie in the export for every guest to read
 *   7. seccomp      what the worker does from here on is a short list (worker/seccomp.c)
 *
 * The worker must: be inside the export, with the seven capabilities. It must not: hold a descriptor of a directory
 * outside (the caller closed them), keep a group of whoever started it, or keep any way to get a capability back.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "worker/credentials.h"
#include "worker/namespace.h"
#include "worker/seccomp.h"

/* Groups that a user namespace does not let us drop: user_namespaces(7), "setgroups". */
static int groups_left;

static bool filtered; /* its system calls shall be */

static dev_t root_dev;
static ino_t root_ino;

static int failed(const char *what)
{
	int error = errno;

	log_error("cannot confine the worker: %s: %s", what, strerror(error));
	return -error;
}

static bool has_capability(cap_value_t capability)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t set = cap_get_proc();
	bool has = set && !cap_get_flag(set, capability, CAP_EFFECTIVE, &value) && value == CAP_SET;

	cap_free(set);
	return has;
}

static int clear_groups(void)
{
	int count = getgroups(0, NULL);

	if (count == 0 || !setgroups(0, NULL))
		return 0;
	if (errno != EPERM || !has_capability(CAP_SETGID))
		return failed("clear the supplementary groups (it needs CAP_SETGID: start the helper as root)");
	groups_left = count;
	log_warning("this user namespace forbids dropping supplementary groups: %d of them stay with the worker; files "
	            "created in their setgid directories keep set-gid bits. Start the helper without supplementary groups",
	            count);
	return 0;
}

static int enter_chroot(int export_fd)
{
	if (fchdir(export_fd) || chroot("."))
		return failed("chroot (it needs CAP_SYS_CHROOT: start the helper as root)");
	return chdir("/") ? failed("chdir to the new root") : 0;
}

/* With the ids mapped, if that is wished for. */
static int enter_namespace(int export_fd, const struct confinement *confinement, const char **step)
{
	AUTO_CLOSE int idmap_fd = -1;

	if (idmap_exists(&confinement->idmap)) {
		idmap_fd = namespace_make_idmap(&confinement->idmap, step);
		if (idmap_fd < 0)
			return idmap_fd;
	}
	return namespace_enter(export_fd, idmap_fd, step);
}

static int enter_root(int export_fd, const struct confinement *confinement)
{
	const char *step = "";
	int error;

	if (confinement->kind == SANDBOX_CHROOT) {
		log_info("sandbox: chroot");
		return enter_chroot(export_fd);
	}
	error = enter_namespace(export_fd, confinement, &step);
	if (!error) {
		log_info("sandbox: namespace%s", idmap_exists(&confinement->idmap) ? ", with mapped ids" : "");
		return 0;
	}
	if (confinement->kind == SANDBOX_NAMESPACE || idmap_exists(&confinement->idmap)) {
		errno = -error;
		return failed(step);
	}
	log_info("sandbox: chroot (no namespace: cannot %s: %s)", step, strerror(-error));
	return enter_chroot(export_fd);
}

/* The root is the export from here on, whichever way. */
static int become_jailed(int export_fd, const struct confinement *confinement)
{
	struct stat root;
	int error;

	if (fstat(export_fd, &root))
		return failed("look at the export");
	root_dev = root.st_dev;
	root_ino = root.st_ino;
	error = enter_root(export_fd, confinement);
	close(export_fd);
	return error;
}

/* What a launcher has set here survives fork and exec; with no_setuid_fixup root's return would bring nothing back. */
static int clear_securebits(void)
{
	return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) ? failed("clear the securebits (it needs CAP_SETPCAP, and a launcher that has not locked them)") : 0;
}

static int drop_bounding_set(void)
{
	for (cap_value_t capability = 0; CAP_IS_SUPPORTED(capability); capability++)
		if (cap_drop_bound(capability))
			return failed("drop the bounding set (it needs CAP_SETPCAP)");
	return cap_reset_ambient() ? failed("clear the ambient set") : 0;
}

static int keep_seven_capabilities(void)
{
	cap_t set = cap_init();
	int error = 0;

	if (!set)
		return failed("cap_init");
	for (cap_value_t capability = 0; capability < 64; capability++)
		if (credentials_capabilities & UINT64_C(1) << capability)
			error |= cap_set_flag(set, CAP_PERMITTED, 1, &capability, CAP_SET) |
			         cap_set_flag(set, CAP_EFFECTIVE, 1, &capability, CAP_SET);
	if (error || cap_set_proc(set))
		error = failed("keep chown, dac_override, fowner, fsetid, setgid, setuid and mknod (start the helper as root)");
	cap_free(set);
	return error;
}

/* The caller's ids in full: a set-uid launcher may have left a saved one behind. */
static int become_root(void)
{
	return setresgid(0, 0, 0) || setresuid(0, 0, 0) ? failed("become root") : 0;
}

pid_t sandbox_fork(const struct confinement *confinement)
{
	return confinement->kind == SANDBOX_CHROOT ? fork() : namespace_fork();
}

int sandbox_enter(int export_fd, const struct confinement *confinement)
{
	int error;

	umask(0);
	error = clear_groups();
	if (!error)
		error = become_root();
	if (!error)
		error = become_jailed(export_fd, confinement);
	if (!error)
		error = clear_securebits();
	if (!error)
		error = drop_bounding_set();
	if (!error)
		error = keep_seven_capabilities();
	if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		error = failed("no_new_privs");
	if (!error && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		error = failed("forbid core dumps");
	if (!error && confinement->seccomp != SECCOMP_OFF) {
		filtered = true;
		error = seccomp_enter(confinement->seccomp);
	}
	return error;
}

static bool differs(const char *what)
{
	log_error("the worker is not confined as it should be: %s; refusing to serve", what);
	return false;
}

/* The root is the export, and there is nothing above it. */
static bool verify_root(void)
{
	struct stat root, above;

	if (stat("/", &root) || stat("/..", &above))
		return differs("the root cannot be looked at");
	if (root.st_dev != root_dev || root.st_ino != root_ino)
		return differs("the root is not the export");
	return above.st_dev == root_dev && above.st_ino == root_ino ? true : differs("the root has a parent");
}

bool sandbox_verify(void)
{
	char difference[256];

	if (!credentials_verify(difference, sizeof difference))
		return differs(difference);
	for (cap_value_t capability = 0; CAP_IS_SUPPORTED(capability); capability++) {
		if (cap_get_bound(capability))
			return differs("the bounding set is not empty");
		if (cap_get_ambient(capability))
			return differs("the ambient set is not empty");
	}
	if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != 0)
		return differs("securebits are set");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return differs("no_new_privs is not set");
	if (filtered && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
		return differs("system calls are not filtered");
	if (getgroups(0, NULL) != groups_left)
		return differs("supplementary groups are left");
	return verify_root();
}

static bool is_known(int fd, const int *known, unsigned count)
{
	bool found = fd <= STDERR_FILENO;

	for (unsigned i = 0; i < count; i++)
		found |= known[i] == fd;
	return found;
}

/* All above were closed by their numbers; a table of descriptors begins with the low ones. */
#define DESCRIPTORS_LOOKED_AT 1024

bool sandbox_verify_descriptors(const int *known, unsigned count)
{
	for (int fd = 0; fd < DESCRIPTORS_LOOKED_AT; fd++)
		if (fcntl(fd, F_GETFD) >= 0 && !is_known(fd, known, count))
			return differs("it holds a descriptor that it should not have");
	return true;
}

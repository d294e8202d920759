/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: everything is opened before anything is given up. The export and the socket are made first,
 * under no name; then a worker is started, which confines itself; when that says it is ready, the socket gets its
 * name and clients are accepted.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "common/private_attributes.h"
#include "monitor/activation.h"
#include "monitor/daemon.h"
#include "monitor/inherited.h"
#include "monitor/monitor.h"
#include "monitor/parts.h"
#include "monitor/peer.h"
#include "monitor/ready.h"

static int open_export(struct monitor *monitor)
{
	const char *path = monitor->options->path;

	monitor->export_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (monitor->export_fd >= 0)
		return 0;
	log_error("cannot export %s: %s", path, strerror(errno));
	return -errno;
}

static int check_privilege(void)
{
	if (geteuid() != 0) {
		log_error("this needs root's privileges: start it as root, or as root of a user namespace");
		return -EPERM;
	}
	/* Anybody could then export anything, and read and change it as root. */
	if (getuid() != 0) {
		log_error("this was started with privileges that its caller, uid %u, does not have: never make it set-user-ID",
		          (unsigned)getuid());
		return -EPERM;
	}
	return 0;
}

int monitor_provide(struct monitor *monitor)
{
	int error = check_privilege();

	/* For every worker there will be: one that takes another's place goes by the same rules. */
	if (!error && monitor->options->policy.xattrs == XATTR_POLICY_HOST)
		error = private_attributes_read();
	if (!error)
		error = open_export(monitor);
	if (!error)
		error = limits_fit(&monitor->limits, monitor->options->rlimit_nofile);
	return error;
}

/* --- the sockets --------------------------------------------------------------------------------------------- */

/* Whoever connected it, --allow-uid means what it says; and without its one client there is nothing to start for. */
static int check_single(const struct monitor *monitor)
{
	struct peer peer;

	peer_read(monitor->single_fd, &peer);
	if (peer_is_allowed(&peer, monitor->options))
		return 0;
	refuse_only_client(monitor->single_fd, &peer, PEER_NOT_ALLOWED);
	return -EACCES;
}

static int take_inherited(struct monitor *monitor)
{
	bool listening = false;
	int fd = inherited_socket_take(monitor->inherited_fd, &listening);

	if (fd < 0)
		return fd;
	monitor->single = !listening;
	*(listening ? &monitor->bound_fd : &monitor->single_fd) = fd;
	return monitor->single ? check_single(monitor) : 0;
}

/* The directories first: a relative name means something else once a socket is made, which changes ours. */
static int find_named(struct monitor *monitor)
{
	const struct options *options = monitor->options;
	int error = 0;

	if (options->socket) {
		error = socket_name_open(&monitor->name, options->socket, options->uid, options->gid);
		monitor->named = true;
	}
	return !error && options->control ? control_open(&monitor->control, options->control) : error;
}

static int make_named(struct monitor *monitor)
{
	int error = 0;

	if (monitor->options->socket)
		error = socket_name_bind(&monitor->name, &monitor->bound_fd);
	if (!error && monitor->options->control)
		error = socket_name_bind(&monitor->control.name, &monitor->control_fd);
	return error;
}

/* Before the directory changes, to which relative names belong. */
static int open_all(struct monitor *monitor)
{
	int error = monitor_provide(monitor);

	if (!error && monitor->options->pid_file)
		error = pid_file_open(&monitor->pid_file, monitor->options->pid_file);
	if (!error)
		error = find_named(monitor);
	if (!error && !monitor->options->socket)
		error = take_inherited(monitor);
	return error ? error : make_named(monitor);
}

/* With the guests of an earlier monitor, if there are some. */
static int make_custody(struct monitor *monitor)
{
	int error = legacy_adopt(&monitor->legacy, &monitor->custody, monitor->limits.clients);

	legacy_finish(&monitor->legacy);
	if (error == 0)
		error = custody_create(&monitor->custody, monitor->limits.clients);
	if (error < 0)
		return error;
	if (monitor->options->fd_store && !monitor->notify.wanted)
		log_warning("--fd-store: there is no service manager to keep anything (NOTIFY_SOCKET)");
	else if (monitor->options->fd_store)
		store_begin(&monitor->custody);
	return 0;
}

static int prepare(struct monitor *monitor)
{
	int error;

	monitor->directory = getcwd(NULL, 0);
	error = open_all(monitor);
	if (error)
		return error;

	monitor->started = scoreboard_now();
	monitor->base = event_base_new();
	error = chdir("/") ? -errno : 0;
	if (!error)
		error = monitor->base ? make_custody(monitor) : -ENOMEM;
	if (!error)
		error = monitor_equip(monitor);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return error;
	}
	return workforce_start(&monitor->workforce);
}

/* What the launcher, or the service manager, has meant for us. Says what is wrong with it. */
static int take_from_launcher(struct monitor *monitor)
{
	const struct options *options = monitor->options;
	int error;

	notify_init(&monitor->notify);
	monitor->inherited_fd = options->fd;
	error = activation_take(!options->socket && options->fd < 0, &monitor->inherited_fd, &monitor->legacy);
	if (!error && options->ready_fd >= 0)
		error = ready_check(options->ready_fd);
	if (!error)
		monitor->ready_fd = options->ready_fd;
	return error;
}

/* Nothing else of the launcher's but the standard descriptors. */
static int shed_launcher(const struct monitor *monitor)
{
	int *keep = calloc(monitor->legacy.count + 4, sizeof *keep);
	unsigned count;
	sigset_t none;
	int error;

	if (!keep)
		return -ENOMEM;
	count = legacy_list(&monitor->legacy, keep);
	keep[count++] = monitor->inherited_fd;
	keep[count++] = monitor->ready_fd;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(0);
	error = descriptor_close_all_but(keep, count);
	free(keep);
	return error;
}

/* The part of it that is another process's business: who started us, and who we become. */
static int part_from_launcher(struct monitor *monitor)
{
	int error = descriptor_fill_standard();

	if (!error && take_from_launcher(monitor))
		return -EINVAL;
	if (!error)
		error = shed_launcher(monitor);
	if (!error && !monitor->options->foreground)
		error = daemon_fork(&monitor->daemon_fd);
	if (error)
		log_error("cannot start: %s", strerror(-error));
	return error;
}

int monitor_main(const struct options *options)
{
	struct monitor monitor;

	monitor_init(&monitor, options);
	log_level = options->log_level;
	log_open(log_find_stderr());
	if (part_from_launcher(&monitor))
		return EXIT_FAILURE;
	prctl(PR_SET_NAME, "vph-monitor");

	if (prepare(&monitor)) {
		monitor.status = EXIT_FAILURE;
		monitor.over = true;
	}
	return monitor_serve(&monitor);
}

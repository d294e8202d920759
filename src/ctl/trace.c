/* SPDX-License-Identifier: MIT */
/* Listens in a helper's place, and hands each client, with a connection to the helper, to a session. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <proxyfs/client.h>

#include "ctl/command.h"
#include "ctl/print.h"
#include "ctl/session.h"

struct place {
	const struct command_line *line;
	const char *name, *real;
	int listener, poll;
	struct stat made; /* the name, as we made it */
	unsigned clients; /* so far */
};

/* A session in the list of all, to be ended in order. */
struct member {
	struct member *next;
	struct session *session;
};

static volatile sig_atomic_t stopping, asked; /* for what waits */

static void note(int signal)
{
	if (signal == SIGUSR1)
		asked = 1;
	else
		stopping = 1;
}

/* They arrive in epoll_pwait(2) alone. SIGPIPE: the name must be removed although nobody reads what is printed. */
static void catch_signals(sigset_t *in_wait)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
	struct sigaction action = { .sa_handler = note };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, in_wait);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigdelset(in_wait, signals[i]);
	signal(SIGPIPE, SIG_IGN);
}

/*
 * Whoever may connect to the real socket may connect to ours, and nobody else: it has that one's owner and mode before
 * it listens.
 */
static int make_name(struct place *place)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat real;
	mode_t mask;
	int error;

	if (stat(place->real, &real))
		return -errno;
	if (strlen(place->name) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, place->name, strlen(place->name));

	mask = umask(~real.st_mode & 0777);
	error = bind(place->listener, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	umask(mask);
	if (error)
		return error;
	if (lstat(place->name, &place->made) || lchown(place->name, real.st_uid, real.st_gid) ||
	    listen(place->listener, SOMAXCONN)) {
		error = -errno;
		unlink(place->name);
	}
	return error;
}

/* Unless QEMU has removed the name, or somebody has put another in its place. */
static void remove_name(const struct place *place)
{
	struct stat seen;

	if (!lstat(place->name, &seen) && seen.st_dev == place->made.st_dev && seen.st_ino == place->made.st_ino)
		unlink(place->name);
}

/* To the helper: a connected socket, or -1, which has been said. */
static int reach_helper(const struct place *place)
{
	struct proxyfs_client *client;
	int error = proxyfs_client_connect(place->real, &client), fd;

	if (error) {
		command_failed(place->line, "cannot connect to %s: %s", place->real, strerror(-error));
		return -1;
	}
	fd = fcntl(proxyfs_client_fd(client), F_DUPFD_CLOEXEC, 0);
	proxyfs_client_close(client);
	return fd;
}

/* Each change on either socket wakes us once; session_pump() then does all that there is. */
static int watch(const struct place *place, int fd, void *whose)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = whose };

	return fd < 0 ? 0 : epoll_ctl(place->poll, EPOLL_CTL_ADD, fd, &event);
}

static void say_connected(const struct place *place, int client)
{
	struct ucred who = { .pid = 0 };
	socklen_t size = sizeof who;
	char event[60];

	getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size);
	snprintf(event, sizeof event, "connected, process %d of user %u", who.pid, who.uid);
	print_event(stdout, place->line->json, place->clients, event);
}

/* The session does what it can; at its end, it goes. */
static void attend(struct member **members, struct member *member)
{
	if (member->session && session_pump(member->session))
		return;
	while (*members && *members != member)
		members = &(*members)->next;
	if (*members)
		*members = member->next;
	if (member->session)
		session_destroy(member->session);
	free(member);
}

static void welcome(struct place *place, struct member **members)
{
	int client = accept4(place->listener, NULL, NULL, SOCK_CLOEXEC), server;
	struct member *member;

	if (client < 0)
		return;
	place->clients++;
	say_connected(place, client);
	server = reach_helper(place);

	member = malloc(sizeof *member);
	if (!member) {
		command_failed(place->line, "%s", strerror(ENOMEM));
		close(client);
		close(server);
		return;
	}
	*member = (struct member){ *members, session_create(client, server, place->clients, place->line->json) };
	*members = member;
	if (member->session && (watch(place, client, member) || watch(place, server, member))) {
		command_failed(place->line, "epoll: %s", strerror(errno));
		session_destroy(member->session);
		member->session = NULL;
	}
	if (!member->session)
		attend(members, member);
}

static void print_pending(const struct member *members)
{
	asked = 0;
	for (const struct member *member = members; member; member = member->next)
		session_print_pending(member->session);
}

/* One event at a time: the next could be that of a session that has just gone. */
static enum command_status serve(struct place *place, const sigset_t *in_wait)
{
	struct member *members = NULL;
	struct epoll_event event;

	while (!stopping && !ferror(stdout)) {
		int count = epoll_pwait(place->poll, &event, 1, -1, in_wait);

		if (count > 0 && !event.data.ptr)
			welcome(place, &members);
		else if (count > 0)
			attend(&members, event.data.ptr);
		if (asked)
			print_pending(members);
	}
	while (members) {
		struct member *next = members->next;

		if (members->session)
			session_destroy(members->session);
		free(members);
		members = next;
	}
	return COMMAND_DONE;
}

static enum command_status trace(struct place *place)
{
	struct epoll_event event = { .events = EPOLLIN };
	enum command_status status;
	sigset_t in_wait;
	int error;

	catch_signals(&in_wait);
	error = make_name(place);
	if (error) {
		command_failed(place->line, "cannot listen at %s in the place of %s: %s", place->name, place->real,
		               strerror(-error));
		return COMMAND_TRANSPORT;
	}
	if (epoll_ctl(place->poll, EPOLL_CTL_ADD, place->listener, &event)) {
		command_failed(place->line, "epoll: %s", strerror(errno));
		status = COMMAND_TRANSPORT;
	} else {
		status = serve(place, &in_wait);
	}
	remove_name(place);
	return status;
}

static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };

static enum command_status run_trace(struct command_line *line)
{
	struct place place = { .line = line };
	enum command_status status;

	if (!command_arguments(line, options, 2, 2))
		return line->status;
	place.name = line->words[0];
	place.real = line->words[1];
	place.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	place.poll = epoll_create1(EPOLL_CLOEXEC);
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (place.listener >= 0 && place.poll >= 0) {
		status = trace(&place);
	} else {
		command_failed(line, "%s", strerror(errno));
		status = COMMAND_TRANSPORT;
	}
	close(place.listener);
	close(place.poll);
	return status;
}

const struct command command_trace = {
	"trace", "[--json] LISTEN-SOCKET REAL-SOCKET", "Print what QEMUs and a helper say to each other",
	"Give LISTEN-SOCKET to QEMU instead of the helper's own, REAL-SOCKET. It is made anew, with that one's owner and\n"
	"mode, and removed at the end, by SIGINT or SIGTERM. SIGUSR1 prints the requests that wait for their replies.\n",
	run_trace,
};

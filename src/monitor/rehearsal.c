/* SPDX-License-Identifier: MIT */
#include "monitor/rehearsal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/descriptor.h"

static const struct timeval time_limit = { .tv_sec = REHEARSAL_SECONDS };

static const struct rehearsal none = { .report_fd = -1, .log_fd = -1, .child_report_fd = -1, .child_log_fd = -1 };

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void rehearsal_stop(struct rehearsal *rehearsal)
{
	int status;

	free_event(rehearsal->report_event);
	free_event(rehearsal->log_event);
	descriptor_close(&rehearsal->report_fd);
	descriptor_close(&rehearsal->log_fd);
	descriptor_close(&rehearsal->child_report_fd);
	descriptor_close(&rehearsal->child_log_fd);
	if (rehearsal->pid > 0) {
		kill(rehearsal->pid, SIGKILL);
		while (waitpid(rehearsal->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	rehearsal->pid = 0;
	rehearsal->report_event = rehearsal->log_event = NULL;
}

/* --- what it says -------------------------------------------------------------------------------------------- */

/* What is wrong is worth a line in our log as well; that its sandbox is made in such a way is not. */
static void hear(void *context, const char *line)
{
	struct rehearsal *rehearsal = context;
	const bool has_priority = line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>';

	if (has_priority && line[1] - '0' > LOG_WARNING)
		return;
	log_relay(line);
	if (!rehearsal->complaint[0])
		snprintf(rehearsal->complaint, sizeof rehearsal->complaint, "%s", has_priority ? line + 3 : line);
}

/* One read(2): its result. */
static ssize_t listen_to(struct rehearsal *rehearsal)
{
	return lines_read(&rehearsal->lines, rehearsal->log_fd, hear, rehearsal);
}

static void on_log(evutil_socket_t fd, short what, void *argument)
{
	struct rehearsal *rehearsal = argument;

	(void)fd;
	(void)what;
	if (listen_to(rehearsal) == 0)
		event_del(rehearsal->log_event);
}

/* A byte, the end of the pipe, or the end of our patience. */
static void on_report(evutil_socket_t fd, short what, void *argument)
{
	struct rehearsal *rehearsal = argument;
	char byte;
	ssize_t got = what & EV_READ ? read(fd, &byte, 1) : 0;

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	while (listen_to(rehearsal) > 0)
		;
	if (what & EV_TIMEOUT && !rehearsal->complaint[0])
		snprintf(rehearsal->complaint, sizeof rehearsal->complaint, "it was not ready after %d seconds",
		         REHEARSAL_SECONDS);
	rehearsal_stop(rehearsal);
	rehearsal->ended(rehearsal->context, got == 1);
}

/* --- running it ---------------------------------------------------------------------------------------------- */

int rehearsal_open(struct rehearsal *rehearsal, int *report)
{
	int ends[2];

	*rehearsal = none;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	rehearsal->report_fd = ends[0];
	rehearsal->child_report_fd = *report = ends[1];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		int error = -errno;

		rehearsal_stop(rehearsal);
		return error;
	}
	rehearsal->log_fd = ends[0];
	rehearsal->child_log_fd = ends[1];
	return 0;
}

/* In the child: only what it is to have, and nothing that the monitor does with signals. */
static _Noreturn void play(const struct rehearsal *rehearsal, const struct piece *piece, const sigset_t *mask)
{
	for (unsigned i = 0; i < piece->count; i++)
		fcntl(piece->keep[i], F_SETFD, 0);
	fcntl(rehearsal->child_report_fd, F_SETFD, 0);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (dup2(rehearsal->child_log_fd, STDERR_FILENO) >= 0)
		execve(piece->program, piece->arguments, piece->environment);
	dprintf(STDERR_FILENO, "cannot execute %s: %s\n", piece->program, strerror(errno));
	_exit(EXIT_FAILURE);
}

static int begin(struct rehearsal *rehearsal, const struct piece *piece)
{
	sigset_t all, before;

	/* libevent's handlers must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	rehearsal->pid = fork();
	if (rehearsal->pid == 0)
		play(rehearsal, piece, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rehearsal->pid < 0 ? -errno : 0;
}

int rehearsal_start(struct rehearsal *rehearsal, struct event_base *base, const struct piece *piece,
                    void (*ended)(void *context, bool well), void *context)
{
	int error;

	rehearsal->ended = ended;
	rehearsal->context = context;
	rehearsal->report_event = event_new(base, rehearsal->report_fd, EV_READ | EV_PERSIST, on_report, rehearsal);
	rehearsal->log_event = event_new(base, rehearsal->log_fd, EV_READ | EV_PERSIST, on_log, rehearsal);
	if (!rehearsal->report_event || !rehearsal->log_event || event_add(rehearsal->report_event, &time_limit) ||
	    event_add(rehearsal->log_event, NULL))
		error = -ENOMEM;
	else
		error = begin(rehearsal, piece);
	descriptor_close(&rehearsal->child_report_fd);
	descriptor_close(&rehearsal->child_log_fd);
	if (error)
		rehearsal_stop(rehearsal);
	return error;
}

/* SPDX-License-Identifier: MIT */
#include "monitor/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

#define CONTROL_MODE 0600

/* After an accept(2) that failed for want of descriptors or memory. */
static const struct timeval pause_time = { .tv_sec = 1 };

/* For a line to come, and for an answer to be taken, each time a part of it is. */
static const struct timeval patience = { .tv_sec = 2 };

static const struct {
	const char *line;
	void (*write)(const struct status *status, struct evbuffer *out);
} commands[] = {
	{ "status", status_write_json },
	{ "rows", status_write_rows },
	{ "metrics", status_write_metrics },
};

static void end_session(struct control_session *session)
{
	struct control *control = session->control;

	if (session->event)
		event_free(session->event);
	evbuffer_free(session->out);
	descriptor_close(&session->fd);
	*session = (struct control_session){ .fd = -1 };
	if (control->count-- == CONTROL_SESSIONS_MOST && control->accept)
		event_add(control->accept, NULL);
}

static void on_session(evutil_socket_t fd, short what, void *argument);

static void wait_for(struct control_session *session, short what)
{
	if (session->event)
		event_free(session->event);
	session->event = event_new(session->control->base, session->fd, what, on_session, session);
	if (!session->event || event_add(session->event, &patience))
		end_session(session);
}

static void send_answer(struct control_session *session)
{
	int sent = evbuffer_write(session->out, session->fd);

	if (evbuffer_get_length(session->out) == 0 || (sent < 0 && errno != EAGAIN && errno != EINTR))
		end_session(session);
	else
		wait_for(session, EV_WRITE);
}

/* What is answered later takes the socket with it. */
static void ask_for_reload(struct control_session *session)
{
	const struct control *control = session->control;
	int asker = descriptor_take(&session->fd);

	/* It may be closed before the event that waits for it is gone: libevent is told first. */
	end_session(session);
	control->host->reload(control->context, asker);
}

static void answer(struct control_session *session)
{
	struct control *control = session->control;
	struct status status;

	if (!strcmp(session->line, "reload")) {
		ask_for_reload(session);
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(session->line, commands[i].line) != 0)
			continue;
		control->host->describe(control->context, &status);
		commands[i].write(&status, session->out);
	}
	if (!strcmp(session->line, "restart-worker"))
		control->host->restart_worker(control->context, session->out);
	if (evbuffer_get_length(session->out) == 0)
		evbuffer_add_printf(session->out, "error: no such command; there are status, rows, metrics, reload and restart-worker\n");
	send_answer(session);
}

/* One recv(2): what a client sends without end must not keep us from all else. */
static void read_line(struct control_session *session)
{
	ssize_t got = recv(session->fd, session->line + session->size, sizeof session->line - session->size, MSG_DONTWAIT);
	char *end;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		got = 0;
	else if (got <= 0) {
		end_session(session);
		return;
	}
	session->size += (size_t)got;
	end = memchr(session->line, '\n', session->size);
	if (end || session->size == sizeof session->line) {
		*(end ? end : session->line) = '\0';
		answer(session);
		return;
	}
	wait_for(session, EV_READ);
}

static void on_session(evutil_socket_t fd, short what, void *argument)
{
	struct control_session *session = argument;

	(void)fd;
	if (what & EV_TIMEOUT)
		end_session(session);
	else if (what & EV_READ)
		read_line(session);
	else
		send_answer(session);
}

static struct control_session *find_unused(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_SESSIONS_MOST; i++)
		if (!control->sessions[i].out)
			return &control->sessions[i];
	return NULL;
}

/* One at a time: an evconnlistener would accept all that wait, however many are served. */
static void on_accept(evutil_socket_t listener, short what, void *argument)
{
	struct control *control = argument;
	struct control_session *session = find_unused(control);
	struct evbuffer *out = evbuffer_new();
	int fd = session && out ? accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;

	(void)what;
	if (fd < 0) {
		if (out)
			evbuffer_free(out);
		event_del(control->accept);
		evtimer_add(control->resume, &pause_time);
		return;
	}
	*session = (struct control_session){ .control = control, .out = out, .fd = fd };
	if (++control->count == CONTROL_SESSIONS_MOST)
		event_del(control->accept);
	wait_for(session, EV_READ);
}

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
	struct control *control = argument;

	(void)fd;
	(void)what;
	if (control->count < CONTROL_SESSIONS_MOST)
		event_add(control->accept, NULL);
}

int control_open(struct control *control, const char *path)
{
	int error = socket_name_open(&control->name, path, (uid_t)-1, (gid_t)-1);

	control->named = true;
	control->name.mode = CONTROL_MODE;
	return error;
}

int control_start(struct control *control, struct event_base *base, int fd, const struct control_host *host,
                  void *context)
{
	control->base = base;
	control->host = host;
	control->context = context;
	control->listener = fd;
	control->accept = event_new(base, fd, EV_READ | EV_PERSIST, on_accept, control);
	control->resume = evtimer_new(base, on_resume, control);
	if (control->accept && control->resume && !event_add(control->accept, NULL))
		return 0;
	log_error("cannot listen on the control socket: %s", strerror(ENOMEM));
	return -ENOMEM;
}

void control_stop(struct control *control)
{
	if (control->named)
		socket_name_close(&control->name);
	if (control->accept)
		event_free(control->accept);
	if (control->resume)
		event_free(control->resume);
	control->accept = control->resume = NULL;
	descriptor_close(&control->listener);
	for (unsigned i = 0; i < CONTROL_SESSIONS_MOST; i++)
		if (control->sessions[i].out)
			end_session(&control->sessions[i]);
	control->named = false;
}

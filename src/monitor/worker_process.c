/* SPDX-License-Identifier: MIT */
#include "monitor/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/process.h"
#include "worker/worker.h"

#define GRACE_MS   150 /* that a worker has to end, twice at most */
#define KILL_MS    500 /* that one has which is killed; what it still does in the kernel may take longer */
#define LOOK_MS    10  /* between two looks at what is left of one */
#define LOOKS      100 /* of those; then there is one a second */
#define HUNG_LOOKS 20  /* in a row that find it hanging: then it does */

static void relay(void *context, const char *line)
{
	(void)context;
	log_relay(line);
}

/* One read(2) of the pipe: its result. */
static ssize_t read_log(struct worker_process *worker)
{
	return lines_read(&worker->lines, worker->log_fd, relay, NULL);
}

static void on_log(evutil_socket_t fd, short what, void *argument)
{
	struct worker_process *worker = argument;

	(void)fd;
	(void)what;
	/* One read a turn: a worker that logs without end must not keep the monitor from all else. */
	if (read_log(worker) == 0)
		event_del(worker->log_event);
}

static void on_channel(evutil_socket_t fd, short what, void *argument)
{
	struct worker_process *worker = argument;
	struct channel_message message;
	AUTO_CLOSE int descriptor = -1;
	int error = channel_receive(fd, &message, &descriptor);

	(void)what;
	if (error == -EAGAIN)
		return;
	if (error) {
		worker->events->gone(worker->context, worker);
		return;
	}
	if (message.type == CHANNEL_READY && !worker->ready) {
		worker->ready = true;
		worker->events->ready(worker->context, worker);
	} else if (message.type == CHANNEL_CLOSED) {
		worker->events->closed(worker->context, worker);
	} else if (message.type == CHANNEL_STUCK || message.type == CHANNEL_RETURNED) {
		worker->events->stuck(worker->context, message.slot, message.type == CHANNEL_RETURNED);
	}
}

/* Sends a command, later if there is no room. Whoever takes no message any more is gone, or on its way. */
static void command(struct worker_process *worker, enum channel_type type, bool *owed)
{
	int error = channel_send(worker->channel, &(struct channel_message){ .type = type }, -1);

	*owed = error == -EAGAIN;
	if (*owed)
		event_add(worker->room_event, NULL);
	else if (error)
		worker->events->gone(worker->context, worker);
}

void worker_process_release(struct worker_process *worker)
{
	worker->retired = true;
	command(worker, CHANNEL_RELEASE, &worker->owes_release);
}

void worker_process_stop(struct worker_process *worker)
{
	command(worker, CHANNEL_STOP, &worker->owes_stop);
}

static uint32_t count_executing(const struct worker_process *worker)
{
	const struct custody *custody = worker->custody;
	uint32_t count = 0;

	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		count += custody->holders[i] == worker->number && slot_phase(&custody->scoreboard.slots[i]) == SLOT_EXECUTING;
	return count;
}

/*
 * Whether nothing more can come from a worker that was killed and does not end, so that another one may answer in its
 * place. A thread that hangs is in the file system call of a request, which may still take effect, but is not answered by
 * it; unless it is the sending of a reply that hangs, for want of memory: then more threads hang than requests execute.
 */
static bool hangs(struct worker_process *worker)
{
	return process_is_over(worker->pid, &worker->hanging) && worker->hanging > 0 &&
	       worker->hanging <= count_executing(worker);
}

/* Whether the process has ended, after waiting for at most so many milliseconds. */
static bool ended_within(int pidfd, int milliseconds)
{
	return poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, milliseconds) > 0;
}

/* One look at a worker that is dying: whether it is over. What ends takes its time on a busy machine. */
static bool is_over(struct worker_process *worker, int pidfd, int milliseconds)
{
	worker->hanging = 0;
	if (ended_within(pidfd, milliseconds))
		return true;
	worker->hung = hangs(worker) ? worker->hung + 1 : 0;
	return worker->hung >= HUNG_LOOKS;
}

/* What keeps it may be short, or for ever. */
static void look_again(struct worker_process *worker)
{
	struct timeval soon = { .tv_usec = LOOK_MS * 1000L }, later = { .tv_sec = 1 };

	evtimer_add(worker->dying, worker->looks++ < LOOKS ? &soon : &later);
}

static void on_dying(evutil_socket_t fd, short what, void *argument)
{
	struct worker_process *worker = argument;
	AUTO_CLOSE int pidfd = pidfd_open(worker->pid, 0);

	(void)fd;
	(void)what;
	if (is_over(worker, pidfd, 0))
		worker->events->gone(worker->context, worker);
	else
		look_again(worker);
}

/* Its canary is dead. The others may still be on their way, and the channel's end come after all. */
static void on_life(evutil_socket_t fd, short what, void *argument)
{
	struct worker_process *worker = argument;

	(void)fd;
	event_del(worker->life_event);
	on_dying(-1, what, worker);
}

static void on_room(evutil_socket_t fd, short what, void *argument)
{
	struct worker_process *worker = argument;

	(void)fd;
	(void)what;
	if (worker->owes_release)
		worker_process_release(worker);
	else if (worker->owes_stop)
		worker_process_stop(worker);
	else
		worker->events->room(worker->context, worker);
}

/* In the child. Returns only in the parent: the pid or -errno. */
static pid_t fork_worker(const struct worker_setup *setup)
{
	sigset_t all, before;
	pid_t pid;

	/* libevent's signal handlers must not run in the child before worker_run() has replaced them. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = worker_fork(setup);
	if (pid == 0) {
		for (int signal_number = 1; signal_number < NSIG; signal_number++)
			signal(signal_number, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		worker_run(setup);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -errno : pid;
}

static int watch(struct worker_process *worker, struct event_base *base)
{
	worker->channel_event = event_new(base, worker->channel, EV_READ | EV_PERSIST, on_channel, worker);
	worker->room_event = event_new(base, worker->channel, EV_WRITE, on_room, worker);
	worker->log_event = event_new(base, worker->log_fd, EV_READ | EV_PERSIST, on_log, worker);
	worker->life_event = event_new(base, worker->life_fd, EV_READ | EV_PERSIST, on_life, worker);
	worker->dying = evtimer_new(base, on_dying, worker);
	if (!worker->channel_event || !worker->room_event || !worker->log_event || !worker->life_event || !worker->dying ||
	    event_add(worker->channel_event, NULL) || event_add(worker->log_event, NULL) ||
	    event_add(worker->life_event, NULL))
		return -ENOMEM;
	return 0;
}

/* As new, but for what all of them have. */
static void clear(struct worker_process *worker)
{
	*worker = (struct worker_process){
		.channel = -1,
		.log_fd = -1,
		.life_fd = -1,
		.custody = worker->custody,
		.remains = worker->remains,
		.events = worker->events,
		.context = worker->context,
	};
}

static int make_pipe(int *ours, int *its)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	*ours = ends[0];
	*its = ends[1];
	return 0;
}

int worker_process_start(struct worker_process *worker, uint32_t number, struct event_base *base,
                         const struct worker_setup *setup)
{
	struct worker_setup complete = *setup;
	AUTO_CLOSE int worker_channel = -1;
	AUTO_CLOSE int worker_log = -1;
	AUTO_CLOSE int worker_life = -1;
	int channel[2];
	int error;

	clear(worker);
	worker->number = number;
	worker->slots = setup->scoreboard.count;
	error = channel_create(channel);
	if (!error) {
		worker->channel = channel[0];
		worker_channel = channel[1];
		error = make_pipe(&worker->log_fd, &worker_log);
	}
	if (!error)
		error = make_pipe(&worker->life_fd, &worker_life);
	if (!error)
		error = watch(worker, base);
	if (!error) {
		complete.channel = worker_channel;
		complete.log_fd = worker_log;
		complete.life_fd = worker_life;
		worker->pid = fork_worker(&complete);
		error = worker->pid < 0 ? (int)worker->pid : 0;
	}
	if (error) {
		worker->pid = 0;
		log_error("cannot start a worker: %s", strerror(-error));
		worker_process_finish(worker, true);
	}
	return error;
}

int worker_process_resume(struct worker_process *worker, struct event_base *base)
{
	int error = watch(worker, base);

	if (error)
		log_error("cannot go on with the worker: %s", strerror(-error));
	return error;
}

int worker_process_give(struct worker_process *worker, uint32_t slot, int fd)
{
	int error = channel_send(worker->channel, &(struct channel_message){ CHANNEL_CONNECTION, slot }, fd);

	if (error == -EAGAIN)
		event_add(worker->room_event, NULL);
	return error;
}

static void log_end(int status)
{
	if (WIFSIGNALED(status))
		log_error("the worker was killed by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
		          WTERMSIG(status) == SIGSYS ? ": a system call that it should not make; --seccomp=log shows which" : "");
	else if (WEXITSTATUS(status))
		log_error("the worker has exited with status %d", WEXITSTATUS(status));
}

/* Whether it is over, after waiting for at most so many milliseconds. */
static bool over_within(struct worker_process *worker, int pidfd, int milliseconds)
{
	for (; milliseconds > 0; milliseconds -= LOOK_MS)
		if (is_over(worker, pidfd, LOOK_MS))
			return true;
	return false;
}

bool worker_process_kill(struct worker_process *worker)
{
	AUTO_CLOSE int pidfd = pidfd_open(worker->pid, 0);

	kill(worker->pid, SIGKILL);
	return over_within(worker, pidfd, KILL_MS);
}

/*
 * It is on its way out, if not dead. A thread that hangs in the kernel can keep even a killed process from ending, so
 * that it is not waited for without limit: that is for its remains.
 */
static void reap(struct worker_process *worker, bool expected)
{
	AUTO_CLOSE int pidfd = pidfd_open(worker->pid, 0);
	bool killed = false;
	int status;

	if (!over_within(worker, pidfd, GRACE_MS)) {
		kill(worker->pid, SIGKILL);
		killed = true;
		over_within(worker, pidfd, GRACE_MS);
	}
	if (waitpid(worker->pid, &status, WNOHANG) == 0) {
		log_warning("the worker, pid %d, ends when what it waits for in the kernel returns", (int)worker->pid);
		remains_keep(worker->remains, event_get_base(worker->dying), worker->pid, descriptor_take(&pidfd), true);
	} else if (!expected && !killed)
		log_end(status);
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

/* Its last lines, and all that is ours. */
static void let_go(struct worker_process *worker)
{
	free_event(worker->dying);
	free_event(worker->log_event);
	while (worker->log_fd >= 0 && read_log(worker) > 0)
		;
	descriptor_close(&worker->log_fd);
	clear(worker);
}

static void hang_up(struct worker_process *worker)
{
	free_event(worker->channel_event);
	free_event(worker->room_event);
	free_event(worker->life_event);
	if (worker->channel >= 0)
		channel_send(worker->channel, &(struct channel_message){ .type = CHANNEL_STOP }, -1);
	descriptor_close(&worker->channel);
	descriptor_close(&worker->life_fd);
}

void worker_process_finish(struct worker_process *worker, bool expected)
{
	hang_up(worker);
	if (worker->pid > 0)
		reap(worker, expected);
	let_go(worker);
}

void worker_process_dismiss(struct worker_process *worker)
{
	hang_up(worker);
	remains_keep(worker->remains, event_get_base(worker->dying), worker->pid, pidfd_open(worker->pid, 0), false);
	let_go(worker);
}

/* SPDX-License-Identifier: MIT */
#include "monitor/workforce.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"

/* The worker takes 4 s for its clients' last replies; after this it is no longer waited for. */
static const struct timeval stop_time = { .tv_sec = 4, .tv_usec = 200000 };

/* For a worker that has nothing to do but to answer what a dead one left: with the above, less than 5 s. */
static const struct timeval settle_time = { .tv_usec = 400000 };

/* For an old worker to give up its connections; those in the middle of a message may take longer, without anybody waiting. */
static const struct timeval succession_time = { .tv_sec = 1 };

/*
 * Before a worker is replaced that was a replacement itself: what kills one after another, as a lack of memory may, is
 * not to keep the machine busy. Doubled each time.
 */
#define BACKOFF_FIRST_US 10000U
#define BACKOFF_MOST_US  1000000U

static bool is_used(const struct worker_process *worker)
{
	return worker->number > 0;
}

struct worker_process *workforce_place(struct workforce *workforce)
{
	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		if (!is_used(&workforce->workers[i]))
			return &workforce->workers[i];
	return NULL;
}

unsigned workforce_retired(const struct workforce *workforce)
{
	unsigned retired = 0;

	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		retired += is_used(&workforce->workers[i]) && workforce->workers[i].retired;
	return retired;
}

static bool all_gone(const struct workforce *workforce)
{
	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		if (is_used(&workforce->workers[i]))
			return false;
	return true;
}

/* --- connections --------------------------------------------------------------------------------------------- */

/* Whom somebody else keeps besides us is not to be ended: he goes on with the helper that comes next. */
static void dismiss(struct workforce *workforce, struct worker_process *worker)
{
	if (workforce->setup.release)
		worker_process_release(worker);
	if (is_used(worker))
		worker_process_stop(worker);
}

/*
 * Before it is sent, because the worker may have it at once: what the last one released is released no more. Otherwise a
 * worker that is retired before it has looked would seem to have released it, too.
 */
static int give(struct worker_process *worker, struct custody *custody, uint32_t index)
{
	struct slot *slot = &custody->scoreboard.slots[index];

	if (slot_phase(slot) == SLOT_RELEASED)
		slot_set_phase(slot, SLOT_IDLE);
	return worker_process_give(worker, index, custody->copies[index]);
}

void workforce_hand_over(struct workforce *workforce)
{
	struct custody *custody = workforce->custody;
	struct worker_process *worker = workforce->serving;

	if (!worker || !worker->ready)
		return;
	for (int slot = 0; (slot = custody_next_unhanded(custody, (uint32_t)slot)) >= 0; slot++) {
		int error;

		/* There is room for more clients since a reload whose worker is on its way. */
		if ((uint32_t)slot >= worker->slots)
			return;
		error = give(worker, custody, (uint32_t)slot);
		/* Full, or its end is closed: that is noticed next, and another worker gets what this one did not. */
		if (error == -EAGAIN || error == -EPIPE || error == -ECONNRESET)
			return;
		if (error) {
			log_error("cannot hand a connection to the worker: %s", strerror(-error));
			slot_set_phase(&custody->scoreboard.slots[slot], SLOT_CLOSED);
		}
		custody->holders[slot] = worker->number;
	}
	if (workforce->stopping)
		dismiss(workforce, worker);
}

static void reap(struct workforce *workforce)
{
	if (custody_reap(workforce->custody) > 0)
		workforce->events->reaped(workforce->context);
}

/* Connections that are not with the worker that serves: their old one has something of theirs in hand. */
static uint32_t count_staying(const struct workforce *workforce)
{
	uint32_t staying = 0;

	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		if (is_used(&workforce->workers[i]) && workforce->workers[i].retired)
			staying += custody_held_by(workforce->custody, workforce->workers[i].number);
	return staying;
}

static void end_succession(struct workforce *workforce, int staying)
{
	if (!workforce->succeeding)
		return;
	workforce->succeeding = false;
	evtimer_del(workforce->patience);
	workforce->events->succeeded(workforce->context, staying);
}

static void on_patience(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	end_succession(argument, (int)count_staying(argument));
}

static void look_at_succession(struct workforce *workforce)
{
	if (!workforce->successor && count_staying(workforce) == 0)
		end_succession(workforce, 0);
}

/* What a retired worker has released goes to the one that serves; when it has nothing left it may go. */
static void take_over(struct workforce *workforce, struct worker_process *retired)
{
	custody_take_released(workforce->custody, retired->number);
	workforce_hand_over(workforce);
	if (is_used(retired) && custody_held_by(workforce->custody, retired->number) == 0)
		worker_process_stop(retired);
	look_at_succession(workforce);
}

/* --- starting ------------------------------------------------------------------------------------------------ */

static const struct worker_events worker_events;

static int start_worker(struct workforce *workforce, struct worker_process **worker)
{
	struct worker_process *place = workforce_place(workforce);
	int error;

	if (!place) {
		log_error("%u old workers have not ended yet: there can be no other", workforce_retired(workforce));
		return -EBUSY;
	}
	error = worker_process_start(place, workforce->started + 1, workforce->base, &workforce->setup);
	if (error)
		return error;
	workforce->started++;
	*worker = place;
	return 0;
}

int workforce_start(struct workforce *workforce)
{
	return start_worker(workforce, &workforce->serving);
}

/* Everything but what is this program's own. */
static void take_worker(struct workforce *workforce, struct worker_process *worker, const struct worker_process *handed)
{
	*worker = *handed;
	worker->custody = workforce->custody;
	worker->remains = &workforce->remains;
	worker->events = &worker_events;
	worker->context = workforce;
}

int workforce_resume(struct workforce *workforce, const struct workforce *handed)
{
	int error = 0;

	for (unsigned i = 0; i < WORKFORCE_MOST; i++) {
		struct worker_process *worker = &workforce->workers[i];

		if (!is_used(&handed->workers[i]))
			continue;
		take_worker(workforce, worker, &handed->workers[i]);
		if (!error)
			error = worker_process_resume(worker, workforce->base);
		if (&handed->workers[i] == handed->serving)
			workforce->serving = worker;
	}
	workforce->started = handed->started;
	workforce->restarts = handed->restarts;
	workforce->crashes = handed->crashes;
	workforce->first_crash = handed->first_crash;
	workforce->was_ready = true;
	/* A successor is about to start, which makes this needless; should it not, there would be none. */
	if (!workforce->serving)
		evtimer_add(workforce->replace, &(struct timeval){ .tv_sec = 1 });
	return error;
}

int workforce_succeed(struct workforce *workforce)
{
	int error;

	if (workforce->stopping || workforce->succeeding)
		return -EBUSY;
	error = start_worker(workforce, &workforce->successor);
	workforce->succeeding = !error;
	return error;
}

static void retire(struct workforce *workforce, struct worker_process *worker)
{
	worker_process_release(worker);
	if (is_used(worker))
		take_over(workforce, worker);
}

static void inaugurate(struct workforce *workforce)
{
	struct worker_process *old = workforce->serving;

	workforce->serving = workforce->successor;
	workforce->successor = NULL;
	evtimer_del(workforce->replace);
	evtimer_add(workforce->patience, &succession_time);
	if (old)
		retire(workforce, old);
	workforce_hand_over(workforce);
	look_at_succession(workforce);
}

static void on_ready(void *context, struct worker_process *worker)
{
	struct workforce *workforce = context;

	if (worker == workforce->successor) {
		inaugurate(workforce);
		return;
	}
	/* After a crash: those that the last worker had. */
	workforce_hand_over(workforce);
	if (workforce->was_ready)
		return;
	workforce->was_ready = true;
	workforce->events->ready(workforce->context);
}

static void on_room(void *context, struct worker_process *worker)
{
	(void)worker;
	workforce_hand_over(context);
}

static void on_closed(void *context, struct worker_process *worker)
{
	struct workforce *workforce = context;

	reap(workforce);
	if (worker->retired && !workforce->stopping)
		take_over(workforce, worker);
}

/* --- ends ---------------------------------------------------------------------------------------------------- */

static void settle(struct workforce *workforce);

static bool crashes_too_often(struct workforce *workforce)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (workforce->crashes == 0 || now.tv_sec - workforce->first_crash > (time_t)workforce->crash_seconds) {
		workforce->crashes = 0;
		workforce->first_crash = now.tv_sec;
	}
	return ++workforce->crashes > workforce->crash_count;
}

/* Microseconds; less than a second, which timeval counts apart. */
static suseconds_t backoff(unsigned crashes)
{
	unsigned pause = 0;

	for (; crashes > 1; crashes--)
		pause = pause == 0 ? BACKOFF_FIRST_US : 2 * pause < BACKOFF_MOST_US ? 2 * pause : BACKOFF_MOST_US - 1;
	return (suseconds_t)pause;
}

static void replace(struct workforce *workforce)
{
	if (crashes_too_often(workforce)) {
		log_error("the worker has died %u times in %u seconds (--crash-limit); giving up", workforce->crashes,
		          workforce->crash_seconds);
		workforce->events->failed(workforce->context);
		return;
	}
	workforce->restarts++;
	log_warning("starting another worker for %u clients", workforce->custody->count);
	evtimer_add(workforce->replace, &(struct timeval){ .tv_usec = backoff(workforce->crashes) });
}

static void on_replace(evutil_socket_t fd, short what, void *argument)
{
	struct workforce *workforce = argument;

	(void)fd;
	(void)what;
	if (start_worker(workforce, &workforce->serving))
		workforce->events->failed(workforce->context);
}

/* It is gone, or shall be: what it had belongs to nobody, but for the connections that it has ended. */
static void part_from(struct workforce *workforce, struct worker_process *worker)
{
	const uint32_t number = worker->number;
	const bool is_done = worker->retired && custody_held_by(workforce->custody, number) == 0;

	if (worker == workforce->serving)
		workforce->serving = NULL;
	if (worker == workforce->successor)
		workforce->successor = NULL;
	/* One that has left with nothing in hand may take its time, for which nobody waits. */
	if (is_done && !workforce->stopping)
		worker_process_dismiss(worker);
	else
		worker_process_finish(worker, workforce->stopping || is_done);
	workforce->custody->held_elsewhere |= remains_hang(&workforce->remains);
	custody_take_back(workforce->custody, number);
	workforce->events->lost(workforce->context);
	reap(workforce);
}

static void on_stuck(void *context, uint32_t slot, bool returned)
{
	const struct workforce *workforce = context;

	workforce->events->stuck(workforce->context, slot, returned);
}

static void on_gone(void *context, struct worker_process *worker)
{
	struct workforce *workforce = context;
	const bool succeeds = worker == workforce->successor;

	part_from(workforce, worker);
	if (workforce->stopping) {
		settle(workforce);
		return;
	}
	if (!workforce->was_ready) {
		workforce->events->failed(workforce->context);
		return;
	}
	if (succeeds)
		end_succession(workforce, -1);
	/* A successor is about to take over what is nobody's. */
	if (!workforce->serving && !workforce->successor && !evtimer_pending(workforce->replace, NULL))
		replace(workforce);
	workforce_hand_over(workforce);
	look_at_succession(workforce);
}

static const struct worker_events worker_events = {
	.ready = on_ready,
	.room = on_room,
	.closed = on_closed,
	.stuck = on_stuck,
	.gone = on_gone,
};

void workforce_restart(struct workforce *workforce, struct restart *restart)
{
	if (!restart_kill(restart, workforce->serving, workforce->custody))
		return;
	if (workforce->serving)
		part_from(workforce, workforce->serving);
	workforce->restarts++;
	evtimer_del(workforce->replace);
	if (workforce->successor)
		restart->started = workforce->successor->pid;
	else if (start_worker(workforce, &workforce->serving))
		workforce->events->failed(workforce->context);
	else
		restart->started = workforce->serving->pid;
}

/* --- stopping ------------------------------------------------------------------------------------------------ */

/*
 * A client that is still owed a reply must not see its socket end instead (protocol.h): when there is no worker any
 * more, another one answers, and leaves.
 */
static void settle(struct workforce *workforce)
{
	if (!all_gone(workforce))
		return;
	evtimer_del(workforce->replace);
	if (workforce->settling || !custody_is_owing(workforce->custody) || start_worker(workforce, &workforce->serving)) {
		evtimer_del(workforce->deadline);
		workforce->events->over(workforce->context);
		return;
	}
	workforce->settling = true;
	evtimer_add(workforce->deadline, &settle_time);
}

static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
	struct workforce *workforce = argument;

	(void)fd;
	(void)what;
	log_error("the worker does not end in time; leaving it");
	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		if (is_used(&workforce->workers[i]))
			part_from(workforce, &workforce->workers[i]);
	settle(workforce);
}

/* With a worker on its way, on_ready() goes on from here. */
void workforce_stop(struct workforce *workforce)
{
	if (workforce->stopping)
		return;
	workforce->stopping = true;
	evtimer_del(workforce->patience);
	evtimer_add(workforce->deadline, &stop_time);
	if (workforce->successor)
		part_from(workforce, workforce->successor);
	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		if (workforce->workers[i].ready)
			dismiss(workforce, &workforce->workers[i]);
	settle(workforce);
}

int workforce_init(struct workforce *workforce, struct event_base *base, struct custody *custody,
                   const struct worker_setup *setup, const struct workforce_events *events, void *context)
{
	*workforce = (struct workforce){
		.base = base, .custody = custody, .setup = *setup, .events = events, .context = context
	};
	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		workforce->workers[i] = (struct worker_process){
			.channel = -1,
			.log_fd = -1,
			.life_fd = -1,
			.custody = custody,
			.remains = &workforce->remains,
			.events = &worker_events,
			.context = workforce,
		};
	workforce->replace = evtimer_new(base, on_replace, workforce);
	workforce->deadline = evtimer_new(base, on_deadline, workforce);
	workforce->patience = evtimer_new(base, on_patience, workforce);
	return workforce->replace && workforce->deadline && workforce->patience ? 0 : -ENOMEM;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void workforce_finish(struct workforce *workforce)
{
	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		if (is_used(&workforce->workers[i]))
			worker_process_finish(&workforce->workers[i], true);
	remains_finish(&workforce->remains);
	free_event(workforce->replace);
	free_event(workforce->deadline);
	free_event(workforce->patience);
	workforce->replace = workforce->deadline = workforce->patience = NULL;
}

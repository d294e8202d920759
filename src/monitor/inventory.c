/* SPDX-License-Identifier: MIT */
#include "monitor/inventory.h"

#include <errno.h>
#include <sys/pidfd.h>

void inventory_names(struct parcel *parcel, struct names *names)
{
	parcel_pass_text(parcel, &names->directory);
	parcel_pass_text(parcel, &names->socket);
	parcel_pass_text(parcel, &names->control);
	parcel_pass_text(parcel, &names->pid_file);
}

static void pass_name(struct parcel *parcel, struct socket_name *name)
{
	parcel_pass_fd(parcel, &name->directory);
	PARCEL_PASS(parcel, name->base);
	PARCEL_PASS(parcel, name->dev);
	PARCEL_PASS(parcel, name->ino);
}

static void pass_client(struct parcel *parcel, struct custody *custody, uint32_t index)
{
	parcel_pass_fd(parcel, &custody->copies[index]);
	PARCEL_PASS(parcel, custody->holders[index]);
	PARCEL_PASS(parcel, custody->clients[index]);
}

#define NO_SLOT UINT32_MAX

/* The next slot from `index` on that somebody has. */
static uint32_t next_client(const struct custody *custody, uint32_t index)
{
	while (index < custody->scoreboard.count && custody->copies[index] < 0)
		index++;
	return index < custody->scoreboard.count ? index : NO_SLOT;
}

/* The slots in use, each with its number before it. */
static void pass_clients(struct parcel *parcel, struct custody *custody)
{
	for (uint32_t index = 0;; index++) {
		if (parcel->writing)
			index = next_client(custody, index);
		PARCEL_PASS(parcel, index);
		if (parcel->error || index == NO_SLOT)
			return;
		if (index >= custody->scoreboard.count) {
			parcel->error = -EPROTO;
			return;
		}
		pass_client(parcel, custody, index);
		if (!parcel->writing)
			custody->count++;
	}
}

/* With room for `most` clients where it is read. */
static void pass_custody(struct parcel *parcel, struct custody *custody, uint32_t most)
{
	parcel_pass_fd(parcel, &custody->scoreboard.slots_fd);
	parcel_pass_fd(parcel, &custody->scoreboard.ledgers_fd);
	if (!parcel->writing && !parcel->error)
		parcel->error = custody_adopt(custody, most);
	if (parcel->error)
		return;
	PARCEL_PASS(parcel, custody->gone);
	PARCEL_PASS(parcel, custody->admitted);
	PARCEL_PASS(parcel, custody->reaped_requests);
	PARCEL_PASS(parcel, custody->held_elsewhere);
	pass_clients(parcel, custody);
}

static void pass_worker(struct parcel *parcel, struct worker_process *worker)
{
	PARCEL_PASS(parcel, worker->number);
	if (worker->number == 0)
		return;
	PARCEL_PASS(parcel, worker->pid);
	PARCEL_PASS(parcel, worker->slots);
	PARCEL_PASS(parcel, worker->ready);
	PARCEL_PASS(parcel, worker->retired);
	PARCEL_PASS(parcel, worker->owes_release);
	PARCEL_PASS(parcel, worker->owes_stop);
	parcel_pass_fd(parcel, &worker->channel);
	parcel_pass_fd(parcel, &worker->log_fd);
	parcel_pass_fd(parcel, &worker->life_fd);
	PARCEL_PASS(parcel, worker->lines);
}

void inventory_remains(struct parcel *parcel, struct remains *remains, struct event_base *base)
{
	bool hangs;
	pid_t pid = remains_pid(remains, 0, &hangs);

	for (unsigned i = 0; !parcel->error; pid = remains_pid(remains, ++i, &hangs)) {
		PARCEL_PASS(parcel, pid);
		PARCEL_PASS(parcel, hangs);
		if (pid == 0)
			return;
		if (!parcel->writing)
			remains_keep(remains, base, pid, pidfd_open(pid, 0), hangs);
	}
}

void inventory_workforce(struct parcel *parcel, struct workforce *workforce)
{
	int serving = workforce->serving ? (int)(workforce->serving - workforce->workers) : -1;

	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		pass_worker(parcel, &workforce->workers[i]);
	PARCEL_PASS(parcel, serving);
	PARCEL_PASS(parcel, workforce->started);
	PARCEL_PASS(parcel, workforce->restarts);
	PARCEL_PASS(parcel, workforce->crashes);
	PARCEL_PASS(parcel, workforce->first_crash);
	if (!parcel->writing && !parcel->error && serving >= 0 && serving < WORKFORCE_MOST)
		workforce->serving = &workforce->workers[serving];
}

void inventory_monitor(struct parcel *parcel, struct monitor *monitor, int *listening, int *control)
{
	PARCEL_PASS(parcel, monitor->started);
	PARCEL_PASS(parcel, monitor->reload_began);
	PARCEL_PASS(parcel, monitor->single);
	PARCEL_PASS(parcel, monitor->named);
	PARCEL_PASS(parcel, monitor->notify.wanted);
	PARCEL_PASS(parcel, monitor->notify.watchdog_us);
	parcel_pass_fd(parcel, &monitor->export_fd);
	parcel_pass_fd(parcel, &monitor->asker_fd);
	parcel_pass_fd(parcel, &monitor->pid_file.directory);
	parcel_pass_fd(parcel, &monitor->pid_file.fd);
	PARCEL_PASS(parcel, monitor->pid_file.base);
	pass_name(parcel, &monitor->name);
	pass_name(parcel, &monitor->control.name);
	parcel_pass_fd(parcel, listening);
	parcel_pass_fd(parcel, control);
	pass_custody(parcel, &monitor->custody, monitor->limits.clients);
}

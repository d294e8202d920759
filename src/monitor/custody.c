/* SPDX-License-Identifier: MIT */
#include "monitor/custody.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/descriptor.h"
#include "common/log.h"

/* For twice as many clients as there are by default, at once; then one a second. */
#define LINES_AT_ONCE  1024
#define LINES_INTERVAL 1000000000U

/* Its own memory, beside the scoreboard. */
static int make_room(struct custody *custody, uint32_t most)
{
	const uint32_t slots = custody->scoreboard.count;

	custody->most = most;
	custody->count = 0;
	custody->lines = (struct ration){ .burst = LINES_AT_ONCE, .interval = LINES_INTERVAL };
	custody->reaped_requests = 0;
	custody->held_elsewhere = false;
	custody->copies = malloc(slots * sizeof *custody->copies);
	custody->holders = calloc(slots, sizeof *custody->holders);
	custody->clients = calloc(slots, sizeof *custody->clients);
	if (!custody->copies || !custody->holders || !custody->clients)
		return -ENOMEM;
	memset(custody->copies, -1, slots * sizeof *custody->copies);
	return 0;
}

int custody_create(struct custody *custody, uint32_t most)
{
	int error = scoreboard_create(&custody->scoreboard, most);

	return error ? error : make_room(custody, most);
}

/* Each client's coming and going is told, but for one that does nothing else. */
static bool may_log(struct custody *custody)
{
	uint64_t left_out;

	if (!ration_take(&custody->lines, scoreboard_now()))
		return false;
	left_out = ration_left_out(&custody->lines);
	if (left_out > 0)
		log_info("%" PRIu64 " lines of clients that came or went were left out", left_out);
	return true;
}

/* Makes a slot as new. The page of a ledger that was not used is left untouched. */
static void prepare_slot(struct custody *custody, uint32_t index)
{
	const struct client_identity *client = &custody->clients[index];
	struct slot *slot = &custody->scoreboard.slots[index];

	memset(slot, 0, sizeof *slot);
	if (client->number > 0)
		memset(&custody->scoreboard.ledgers[index], 0, sizeof *custody->scoreboard.ledgers);
}

static void introduce(struct custody *custody, uint32_t index, const struct peer *peer)
{
	struct client_identity *client = &custody->clients[index];
	struct slot *slot = &custody->scoreboard.slots[index];

	client->arrived = scoreboard_now();
	client->pid = peer->pid;
	client->uid = peer->uid;
	client->gid = peer->gid;
	peer_program(peer, client->program);
	client->number = ++custody->admitted;
	slot->pid = client->pid;
	slot->uid = client->uid;
	slot->gid = client->gid;
}

static void log_arrival(struct custody *custody, uint32_t index, const char *how)
{
	const struct client_identity *client = &custody->clients[index];

	if (may_log(custody))
		log_info("client pid %d (%s), uid %u: %s", (int)client->pid, client->program, (unsigned)client->uid, how);
}

int custody_adopt(struct custody *custody, uint32_t most)
{
	struct scoreboard *scoreboard = &custody->scoreboard;
	int error = scoreboard_adopt(scoreboard, scoreboard->slots_fd, scoreboard->ledgers_fd, most);

	if (!error)
		error = make_room(custody, most);
	/* Who had a slot before may have left something in its ledger. */
	for (uint32_t i = 0; !error && i < scoreboard->count; i++)
		custody->clients[i].number = 1;
	return error;
}

int custody_admit(struct custody *custody, int fd, const struct peer *peer)
{
	for (uint32_t i = 0; i < custody->scoreboard.count && custody->count < custody->most; i++) {
		if (custody->copies[i] >= 0)
			continue;
		prepare_slot(custody, i);
		introduce(custody, i, peer);
		custody->copies[i] = fd;
		custody->holders[i] = 0;
		custody->count++;
		/* First of all: what the service manager does not have yet is lost with us. */
		if (custody->store)
			custody->store->put(custody, i);
		log_arrival(custody, i, "connected");
		return (int)i;
	}
	return -ENOSPC;
}

static bool is_connected(int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNSPEC };
	socklen_t size = sizeof address;

	return !getpeername(fd, (struct sockaddr *)&address, &size) && address.sun_family == AF_UNIX;
}

bool custody_readmit(struct custody *custody, uint32_t index, int fd)
{
	struct slot *slot;
	struct peer peer;

	if (index >= custody->scoreboard.count || custody->copies[index] >= 0 || !is_connected(fd))
		return false;
	slot = &custody->scoreboard.slots[index];
	if (slot_phase(slot) == SLOT_CLOSED)
		return false;
	peer_read(fd, &peer);
	introduce(custody, index, &peer);
	log_arrival(custody, index, "goes on");
	custody->copies[index] = fd;
	custody->count++;
	return true;
}

int custody_next_unhanded(const struct custody *custody, uint32_t first)
{
	for (uint32_t i = first; i < custody->scoreboard.count; i++)
		if (custody->copies[i] >= 0 && custody->holders[i] == 0)
			return (int)i;
	return -1;
}

uint32_t custody_held_by(const struct custody *custody, uint32_t worker)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		held += custody->copies[i] >= 0 && custody->holders[i] == worker;
	return held;
}

void custody_take_back(struct custody *custody, uint32_t worker)
{
	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		if (custody->holders[i] == worker)
			custody->holders[i] = 0;
}

void custody_take_released(struct custody *custody, uint32_t worker)
{
	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		if (custody->holders[i] == worker && slot_phase(&custody->scoreboard.slots[i]) == SLOT_RELEASED)
			custody->holders[i] = 0;
}

bool custody_is_owing(const struct custody *custody)
{
	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		if (custody->copies[i] >= 0 && slot_phase(&custody->scoreboard.slots[i]) != SLOT_RELEASED)
			return true;
	return false;
}

/*
 * Where another process holds the socket, the client could send a request that nobody answers: that fails, instead. What
 * it may receive is left alone: an end of file would be success to an OPEN.
 */
static void close_copy(struct custody *custody, uint32_t index)
{
	if (custody->held_elsewhere && custody->copies[index] >= 0)
		shutdown(custody->copies[index], SHUT_RD);
	descriptor_close(&custody->copies[index]);
}

/* Logs that a client is gone, and keeps what it asked for. */
static void close_account(struct custody *custody, uint32_t index)
{
	const struct client_identity *client = &custody->clients[index];
	const struct slot *slot = &custody->scoreboard.slots[index];

	if (may_log(custody))
		log_info("client pid %d (%s), uid %u: gone after %" PRIu64 " requests, %" PRIu64 " of them failed",
		         (int)client->pid, client->program, (unsigned)client->uid, slot_load(slot->requests),
		         slot_load(slot->errors));
	for (unsigned i = 0; i < LEDGER_OPS; i++)
		tally_add(&custody->gone[i], &custody->scoreboard.ledgers[index].rows[i]);
}

uint32_t custody_reap(struct custody *custody)
{
	uint32_t reaped = 0;

	for (uint32_t i = 0; i < custody->scoreboard.count; i++) {
		struct slot *slot = &custody->scoreboard.slots[i];

		if (custody->copies[i] < 0 || slot_phase(slot) != SLOT_CLOSED)
			continue;
		close_account(custody, i);
		custody->reaped_requests += slot_load(slot->requests);
		if (custody->store)
			custody->store->remove(i);
		close_copy(custody, i);
		slot_set_phase(slot, SLOT_FREE);
		custody->count--;
		reaped++;
	}
	return reaped;
}

uint64_t custody_requests(const struct custody *custody)
{
	uint64_t requests = custody->reaped_requests;

	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		if (custody->copies[i] >= 0)
			requests += slot_load(custody->scoreboard.slots[i].requests);
	return requests;
}

void custody_destroy(struct custody *custody)
{
	for (uint32_t i = 0; custody->copies && i < custody->scoreboard.count; i++) {
		if (custody->store)
			descriptor_close(&custody->copies[i]);
		else
			close_copy(custody, i);
	}
	free(custody->copies);
	free(custody->holders);
	free(custody->clients);
	custody->clients = NULL;
	custody->copies = NULL;
	custody->holders = NULL;
	scoreboard_destroy(&custody->scoreboard);
}

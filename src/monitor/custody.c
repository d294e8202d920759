/* SPDX-License-Identifier: MIT */
#include "monitor/custody.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/descriptor.h"
#include "common/log.h"

int custody_create(struct custody *custody, uint32_t most)
{
	int error = scoreboard_create(&custody->scoreboard, most);

	if (error)
		return error;
	custody->count = 0;
	custody->reaped_requests = 0;
	custody->copies = malloc(most * sizeof *custody->copies);
	custody->handed = calloc(most, sizeof *custody->handed);
	if (!custody->copies || !custody->handed)
		return -ENOMEM;
	memset(custody->copies, -1, most * sizeof *custody->copies);
	return 0;
}

static void describe(struct slot *slot, const struct peer *peer)
{
	char program[PEER_PROGRAM_SIZE];

	slot->pid = peer->pid;
	slot->uid = peer->uid;
	slot->gid = peer->gid;
	peer_program(peer, program);
	log_info("client pid %d (%s), uid %u: connected", (int)peer->pid, program, (unsigned)peer->uid);
}

int custody_admit(struct custody *custody, int fd, const struct peer *peer)
{
	for (uint32_t i = 0; i < custody->scoreboard.count; i++) {
		struct slot *slot = &custody->scoreboard.slots[i];

		if (custody->copies[i] >= 0)
			continue;
		memset(slot, 0, sizeof *slot);
		describe(slot, peer);
		custody->copies[i] = fd;
		custody->handed[i] = false;
		custody->count++;
		return (int)i;
	}
	return -ENOSPC;
}

int custody_next_unhanded(const struct custody *custody, uint32_t first)
{
	for (uint32_t i = first; i < custody->scoreboard.count; i++)
		if (custody->copies[i] >= 0 && !custody->handed[i])
			return (int)i;
	return -1;
}

void custody_take_back(struct custody *custody)
{
	memset(custody->handed, 0, custody->scoreboard.count * sizeof *custody->handed);
}

uint32_t custody_reap(struct custody *custody)
{
	uint32_t reaped = 0;

	for (uint32_t i = 0; i < custody->scoreboard.count; i++) {
		struct slot *slot = &custody->scoreboard.slots[i];

		if (custody->copies[i] < 0 || slot_phase(slot) != SLOT_CLOSED)
			continue;
		log_info("client pid %d, uid %u: gone after %" PRIu64 " requests, %" PRIu64 " of them failed", (int)slot->pid,
		         (unsigned)slot->uid, slot_load(slot->requests), slot_load(slot->errors));
		custody->reaped_requests += slot_load(slot->requests);
		descriptor_close(&custody->copies[i]);
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
	for (uint32_t i = 0; custody->copies && i < custody->scoreboard.count; i++)
		descriptor_close(&custody->copies[i]);
	free(custody->copies);
	free(custody->handed);
	custody->copies = NULL;
	custody->handed = NULL;
}

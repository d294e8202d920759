/* SPDX-License-Identifier: MIT */
#include "monitor/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/systemd.h"

/* Of struct slot and struct ledger: to be counted up with each change, also of what a member means. */
#define LAYOUT 1

#define SLOTS   "slots-"
#define LEDGERS "ledgers-"
#define CLIENT  "client-"

#define NAME_SIZE 32

/* --- what is left -------------------------------------------------------------------------------------------- */

static bool note_client(struct legacy *legacy, int fd, uint32_t slot)
{
	struct legacy_client *grown = realloc(legacy->clients, (legacy->count + 1) * sizeof *grown);

	if (!grown) {
		log_error("a client that the service manager has kept is lost: %s", strerror(ENOMEM));
		descriptor_close(&fd);
		return true;
	}
	legacy->clients = grown;
	legacy->clients[legacy->count++] = (struct legacy_client){ fd, slot };
	return true;
}

/* The number behind `prefix`, or -1. */
static long number_behind(const char *name, const char *prefix)
{
	const char *digits = name + strlen(prefix);
	char *end;
	long number;

	if (strncmp(name, prefix, strlen(prefix)) != 0 || *digits < '0' || *digits > '9')
		return -1;
	number = strtol(digits, &end, 10);
	return *end == '\0' && number < SCOREBOARD_MOST ? number : -1;
}

static bool note_memory(int *place, int fd, long layout)
{
	if (layout < 0)
		return false;
	if (layout == LAYOUT && *place < 0)
		*place = fd;
	else
		descriptor_close(&fd);
	return true;
}

bool legacy_note(struct legacy *legacy, int fd, const char *name)
{
	long slot = number_behind(name, CLIENT);

	if (slot >= 0)
		return note_client(legacy, fd, (uint32_t)slot);
	return note_memory(&legacy->slots_fd, fd, number_behind(name, SLOTS)) ||
	       note_memory(&legacy->ledgers_fd, fd, number_behind(name, LEDGERS));
}

unsigned legacy_list(const struct legacy *legacy, int *fds)
{
	unsigned count = 0;

	for (; count < legacy->count; count++)
		fds[count] = legacy->clients[count].fd;
	fds[count++] = legacy->slots_fd;
	fds[count++] = legacy->ledgers_fd;
	return count;
}

int legacy_adopt(struct legacy *legacy, struct custody *custody, uint32_t most)
{
	int error;

	if (legacy->slots_fd < 0 || legacy->ledgers_fd < 0) {
		if (legacy->count > 0)
			log_warning("%u clients that the service manager has kept are cut: this version does not know what an "
			            "earlier one has noted of them",
			            legacy->count);
		return 0;
	}
	custody->scoreboard.slots_fd = descriptor_take(&legacy->slots_fd);
	custody->scoreboard.ledgers_fd = descriptor_take(&legacy->ledgers_fd);
	error = custody_adopt(custody, most);
	if (error)
		return error;
	for (unsigned i = 0; i < legacy->count; i++) {
		struct legacy_client *client = &legacy->clients[i];

		if (custody_readmit(custody, client->slot, client->fd))
			client->fd = -1;
	}
	log_info("%u clients go on that the service manager has kept", custody->count);
	return 1;
}

void legacy_finish(struct legacy *legacy)
{
	for (unsigned i = 0; i < legacy->count; i++)
		descriptor_close(&legacy->clients[i].fd);
	free(legacy->clients);
	descriptor_close(&legacy->slots_fd);
	descriptor_close(&legacy->ledgers_fd);
	*legacy = (struct legacy){ .slots_fd = -1, .ledgers_fd = -1 };
}

/* --- what is kept -------------------------------------------------------------------------------------------- */

static void tell(const char *verb, const char *name, const int *fds, unsigned count)
{
	const struct systemd *systemd = systemd_load();
	char text[NAME_SIZE + 32];
	int result;

	if (!systemd)
		return;
	snprintf(text, sizeof text, "%s=1\nFDNAME=%s", verb, name);
	result = systemd->notify_with_fds(0, 0, text, fds, count);
	if (result < 0)
		log_warning("cannot tell the service manager what to keep: %s", strerror(-result));
}

static void name_client(uint32_t index, char name[static NAME_SIZE])
{
	snprintf(name, NAME_SIZE, CLIENT "%" PRIu32, index);
}

static void put_client(const struct custody *custody, uint32_t index)
{
	char name[NAME_SIZE];

	name_client(index, name);
	tell("FDSTORE", name, &custody->copies[index], 1);
}

static void remove_client(uint32_t index)
{
	char name[NAME_SIZE];

	name_client(index, name);
	tell("FDSTOREREMOVE", name, NULL, 0);
}

static const struct custody_store managers = { .put = put_client, .remove = remove_client };

static void put_memory(const char *prefix, int fd)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof name, "%s%d", prefix, LAYOUT);
	tell("FDSTORE", name, &fd, 1);
}

void store_begin(struct custody *custody)
{
	custody->store = &managers;
	put_memory(SLOTS, custody->scoreboard.slots_fd);
	put_memory(LEDGERS, custody->scoreboard.ledgers_fd);
	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		if (custody->copies[i] >= 0)
			put_client(custody, i);
}

/* SPDX-License-Identifier: MIT */
#include "monitor/status.h"

#include <proxyfs/protocol.h>
#include <string.h>

#include "common/escape.h"
#include "monitor/process.h"

_Static_assert(LEDGER_FIRST_OP == PROXYFS_OPEN && LEDGER_OPS == PROXYFS_OP_END - PROXYFS_OPEN, "the ledger's rows");

const char *status_operation_name(unsigned row)
{
	return proxyfs_op_name(row + LEDGER_FIRST_OP);
}

/* A path of the greatest length that is noted was longer, most likely. */
static void read_path(const struct ledger *ledger, char path[static STATUS_PATH_SIZE])
{
	char noted[LEDGER_PATH_SIZE];
	size_t size;

	memcpy(noted, ledger->path, sizeof noted);
	size = strnlen(noted, sizeof noted);
	escape(noted, size, path, STATUS_PATH_SIZE - 3);
	if (size >= sizeof noted - 1)
		memcpy(path + strlen(path), "...", sizeof "...");
}

static void read_request(const struct slot *slot, const struct ledger *ledger, uint64_t now, uint64_t stuck_after,
                         struct status_client *client)
{
	uint64_t since = slot_load(slot->since);
	const char *name = proxyfs_op_name(slot_load(slot->op));

	client->operation = NULL;
	client->since = 0;
	client->stuck = false;
	client->path[0] = '\0';
	if (slot_phase(slot) != SLOT_EXECUTING)
		return;
	client->operation = name ? name : "unknown";
	if (since < now)
		client->since = now - since;
	if (client->since > client->age)
		client->since = client->age;
	client->stuck = stuck_after > 0 && client->since >= stuck_after;
	read_path(ledger, client->path);
}

bool status_read_client(const struct status *status, uint32_t index, uint64_t now, struct status_client *client)
{
	const struct custody *custody = status->custody;
	const struct slot *slot = &custody->scoreboard.slots[index];
	const struct ledger *ledger = &custody->scoreboard.ledgers[index];

	if (custody->copies[index] < 0)
		return false;
	client->identity = &custody->clients[index];
	client->age = now > client->identity->arrived ? now - client->identity->arrived : 0;
	client->requests = slot_load(slot->requests);
	client->errors = slot_load(slot->errors);
	read_request(slot, ledger, now, status->stuck_after, client);
	memset(&client->all, 0, sizeof client->all);
	memset(client->rows, 0, sizeof client->rows);
	for (unsigned i = 0; i < LEDGER_OPS; i++) {
		tally_add(&client->rows[i], &ledger->rows[i]);
		tally_merge(&client->all, &client->rows[i]);
	}
	return true;
}

void status_read_totals(const struct status *status, struct tally totals[static LEDGER_OPS])
{
	const struct custody *custody = status->custody;

	memcpy(totals, custody->gone, LEDGER_OPS * sizeof *totals);
	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		for (unsigned row = 0; custody->copies[i] >= 0 && row < LEDGER_OPS; row++)
			tally_add(&totals[row], &custody->scoreboard.ledgers[i].rows[row]);
}

const char *status_sandbox(const struct status *status)
{
	if (status->worker == 0)
		return "unknown";
	return process_is_in_other_namespace(status->worker) ? "namespace" : "chroot";
}

const char *status_seccomp(const struct status *status)
{
	static const char *const words[] = { [SECCOMP_KILL] = "kill", [SECCOMP_LOG] = "log", [SECCOMP_OFF] = "off" };

	return words[status->confinement->seccomp];
}

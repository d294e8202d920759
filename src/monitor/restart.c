/* SPDX-License-Identifier: MIT */
#include "monitor/restart.h"

#include <event2/buffer.h>
#include <inttypes.h>

#include "common/debt.h"
#include "common/log.h"

/* What becomes of a connection: the next worker goes by the same rules. One that the dead one never had is new to it. */
static void count(struct restart *restart, const struct slot *slot)
{
	enum slot_phase phase = slot_phase(slot);
	enum debt debt = phase == SLOT_FREE ? DEBT_NONE : debt_find(slot);

	if (phase == SLOT_CLOSED)
		return;
	restart->moved += debt != DEBT_BROKEN;
	restart->answered += debt == DEBT_REPLY;
	restart->cut += debt == DEBT_BROKEN;
}

bool restart_kill(struct restart *restart, struct worker_process *worker, const struct custody *custody)
{
	const uint32_t number = worker ? worker->number : 0;

	*restart = (struct restart){ .killed = worker ? worker->pid : 0 };
	if (worker) {
		log_warning("restart-worker: killing the worker, pid %d", (int)worker->pid);
		if (!worker_process_kill(worker))
			return false;
		restart->hanging = worker->hanging;
	}
	for (uint32_t i = 0; i < custody->scoreboard.count; i++)
		if (custody->copies[i] >= 0 && (custody->holders[i] == 0 || custody->holders[i] == number))
			count(restart, &custody->scoreboard.slots[i]);
	return true;
}

static void add(struct evbuffer *out, const char *key, uint64_t value)
{
	evbuffer_add_printf(out, "helper\t%s\t%" PRIu64 "\n", key, value);
}

void restart_write(const struct restart *restart, struct evbuffer *out)
{
	add(out, "killed", (uint64_t)restart->killed);
	add(out, "started", (uint64_t)restart->started);
	add(out, "hanging", restart->hanging);
	add(out, "moved", restart->moved);
	add(out, "answered", restart->answered);
	add(out, "cut", restart->cut);
	evbuffer_add_printf(out, "end\n");
}

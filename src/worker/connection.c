/* SPDX-License-Identifier: MIT */
#include "worker/connection.h"

#include <errno.h>
#include <inttypes.h>

#include "common/descriptor.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/ration.h"
#include "worker/trace.h"

/* Requests served before the reactor's other connections get their turn. */
#define BURST 16

#define REASON_SIZE 96

int connection_init(struct connection *connection, int fd, struct slot *slot)
{
	*connection = (struct connection){ .fd = fd, .slot = slot };
	outbox_init(&connection->outbox, fd, &slot->sending);
	slot_set_position(slot, 0, 0);
	slot_set_phase(slot, SLOT_IDLE);
	return inbox_init(&connection->inbox, fd, 0);
}

void connection_finish(struct connection *connection)
{
	inbox_finish(&connection->inbox);
	outbox_finish(&connection->outbox);
	descriptor_close(&connection->fd);
}

/* A client can come again and break the protocol as often as it likes. */
static struct ration cuts = { .burst = 10, .interval = 2000000000U };

void connection_log_left_out(void)
{
	uint64_t left_out = ration_left_out(&cuts);

	if (left_out > 0)
		log_warning("%" PRIu64 " more connections were cut, which were too many to tell of", left_out);
}

void connection_log_cut(const struct connection *connection, const char *reason)
{
	if (!ration_take(&cuts, scoreboard_now()))
		return;
	connection_log_left_out();
	log_warning("client pid %d, uid %u: %s; its connection is cut", (int)connection->slot->pid,
	            (unsigned)connection->slot->uid, reason);
}

static void note_position(const struct connection *connection, uint32_t in_hand)
{
	slot_set_position(connection->slot, connection->inbox.kept, in_hand);
}

bool connection_is_untidy(const struct connection *connection)
{
	return inbox_wants_trim(&connection->inbox);
}

bool connection_is_between_messages(const struct connection *connection)
{
	return connection->inbox.partial_size == 0 && !outbox_waits(&connection->outbox);
}

void connection_tidy(struct connection *connection)
{
	inbox_trim(&connection->inbox);
	note_position(connection, 0);
}

_Static_assert(LEDGER_FIRST_OP == PROXYFS_OPEN && LEDGER_OPS == PROXYFS_OP_END - PROXYFS_OPEN, "the ledger's rows");

/* Not inlined: its text would lie in the middle of what each request's way touches of the stack. */
static __attribute__((noinline)) void trace(const struct connection *connection, const struct message *message,
                                            int32_t status, uint64_t ns)
{
	char text[TRACE_SIZE];

	trace_describe(connection->slot->pid, (enum proxyfs_op)message->header.type, message->payload,
	               message->header.size, status, ns, text);
	log_write(LOG_DEBUG, "%s", text);
}

/* Before the reply goes: who has that finds itself counted. */
static void note_request(const struct connection *connection, const struct message *message, int32_t status)
{
	struct slot *slot = connection->slot;
	uint64_t ns = scoreboard_now() - slot_load(slot->since);

	if (connection->ledger)
		ledger_note(connection->ledger, message->header.type, status, ns);
	if (log_debugs())
		trace(connection, message, status, ns);
	slot_store(slot->requests, slot_load(slot->requests) + 1);
	if (status)
		slot_store(slot->errors, slot_load(slot->errors) + 1);
}

/* Runs a message. False: somebody else has answered it. */
static bool execute(struct connection *connection, const struct message *message, struct connection_room *room)
{
	struct slot *slot = connection->slot;

	slot_store(slot->op, message->header.type);
	slot_store(slot->since, scoreboard_now());
	if (message->fresh == 0) /* it came in pieces: its bytes are no longer in the socket */
		slot_set_phase(slot, SLOT_READING);
	note_position(connection, message->fresh);
	slot_store(slot->partly, 0);
	slot->sending.msg_len = 0;
	room->dispatch.ledger = connection->ledger;
	FAULT_POINT(noted);
	slot_set_phase(slot, SLOT_EXECUTING);
	FAULT_POINT(executing);
	if (room->let_go)
		room->let_go(room->context);
	FAULT_POINT(let_go);
	dispatch((enum proxyfs_op)message->header.type, message->payload, message->header.size, &room->dispatch,
	         &room->reply);
	FAULT_POINT(encoded);
	if (room->take_hold)
		room->take_hold(room->context);
	FAULT_POINT(taken_hold);
	return slot_claim_reply(slot);
}

enum connection_state connection_replied(struct connection *connection, enum outbox_result result)
{
	switch (result) {
	case OUTBOX_SENT:
		slot_set_phase(connection->slot, SLOT_IDLE);
		FAULT_POINT(idle);
		return CONNECTION_HAS_MORE;
	case OUTBOX_WAITS:
		slot_store(connection->slot->partly, connection->outbox.partly);
		return CONNECTION_WRITES;
	case OUTBOX_NO_MEMORY:
		connection_log_cut(connection, "out of memory for a reply that it does not read");
		break;
	case OUTBOX_GONE:
		break;
	}
	return CONNECTION_ENDED;
}

enum outbox_result connection_reply(struct connection *connection, enum proxyfs_op op, struct dispatch_reply *reply)
{
	slot_store(connection->slot->due, (uint32_t)reply->size);
	FAULT_POINT(due);
	return outbox_send(&connection->outbox, op, reply);
}

/* The client hung up: nothing is due to it, and an end of file is what it may see in turn. */
static enum connection_state ended(struct connection *connection)
{
	inbox_drain(&connection->inbox);
	return CONNECTION_ENDED;
}

/* One message, if there is one. */
static enum connection_state serve_one(struct connection *connection, struct connection_room *room)
{
	char reason[REASON_SIZE];
	struct message message;
	enum outbox_result result;

	switch (inbox_next(&connection->inbox, &room->window, &message, reason, sizeof reason)) {
	case INBOX_MESSAGE:
		break;
	case INBOX_EMPTY:
		note_position(connection, 0);
		slot_set_phase(connection->slot, connection->inbox.partial_size ? SLOT_READING : SLOT_IDLE);
		if (connection->inbox.partial_size)
			connection_tidy(connection); /* its sender may be waiting for room to send the rest */
		return CONNECTION_READS;
	case INBOX_ENDED:
		return ended(connection);
	case INBOX_BROKEN:
		if (reason[0])
			connection_log_cut(connection, reason);
		return CONNECTION_ENDED;
	}

	FAULT_POINT(found);
	if (!execute(connection, &message, room))
		return CONNECTION_ABANDONED;
	FAULT_POINT(claimed);
	note_request(connection, &message, room->reply.status);
	FAULT_POINT(counted);
	result = connection_reply(connection, (enum proxyfs_op)message.header.type, &room->reply);
	FAULT_POINT(sent);
	inbox_done(&connection->inbox, &room->window, &message);
	FAULT_POINT(dealt_with);
	note_position(connection, 0);
	FAULT_POINT(positioned);
	return connection_replied(connection, result);
}

enum connection_state connection_serve(struct connection *connection, struct connection_room *room)
{
	enum connection_state state = CONNECTION_HAS_MORE;

	if (outbox_waits(&connection->outbox))
		state = connection_replied(connection, outbox_flush(&connection->outbox));

	window_open(&room->window);
	for (int served = 0; state == CONNECTION_HAS_MORE && served < BURST; served++)
		state = serve_one(connection, room);
	if (state != CONNECTION_ABANDONED) {
		inbox_close_window(&connection->inbox, &room->window);
		note_position(connection, 0);
	}
	return state;
}

void connection_abandon(struct connection *connection, struct dispatch_reply *reply)
{
	enum proxyfs_op op;

	if (!slot_claim_reply(connection->slot))
		return;
	op = (enum proxyfs_op)slot_load(connection->slot->op);
	log_warning("client pid %d: its %s does not return; answered with an I/O error", (int)connection->slot->pid,
	            proxyfs_op_name(op));
	dispatch_failure(op, -EIO, reply);
	connection_reply(connection, op, reply);
}

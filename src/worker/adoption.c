/* SPDX-License-Identifier: MIT */
/*
 * Connections that another worker has served. One that released them has left everything in order. One that died has
 * not: what it had in mind is in the slot. What it had done is known to the kernel, whose
 * word counts, because a process can be killed between a system call and the note that it makes of it: the offset up
 * to which it had looked into the socket (SO_PEEK_OFF), and what the socket took of the reply (common/debt.h).
 */
#include <errno.h>
#include <sys/socket.h>

#include "common/debt.h"
#include "worker/connection.h"

/*
 * The bytes at the head of the queue that were dealt with, and now are, with the request in hand; less than noted if
 * some were just being taken. A request that was in hand but had not begun to run is run.
 */
static uint32_t find_kept(const struct slot *slot, int socket)
{
	bool in_hand = slot_phase(slot) == SLOT_EXECUTING || slot_phase(slot) == SLOT_REPLYING;
	uint32_t kept = slot_kept(slot) + (in_hand ? slot_in_hand(slot) : 0);
	int looked = 0;
	socklen_t size = sizeof looked;

	if (getsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &looked, &size) || looked < 0)
		return 0;
	return (uint32_t)looked < kept ? (uint32_t)looked : kept;
}

static enum connection_state answer(struct connection *connection, enum proxyfs_op op, struct dispatch_reply *reply)
{
	enum connection_state state;

	dispatch_failure(op, -EIO, reply);
	slot_store(connection->slot->partly, 0);
	connection->slot->sending.msg_len = 0;
	slot_set_phase(connection->slot, SLOT_REPLYING);
	state = connection_replied(connection, connection_reply(connection, op, reply));
	return state == CONNECTION_HAS_MORE ? CONNECTION_READS : state;
}

enum connection_state connection_adopt(struct connection *connection, int fd, struct slot *slot,
                                       struct dispatch_reply *reply)
{
	enum proxyfs_op op = (enum proxyfs_op)slot_load(slot->op);
	enum debt debt = debt_find(slot);

	*connection = (struct connection){ .fd = fd, .slot = slot };
	outbox_init(&connection->outbox, fd, &slot->sending);
	if (debt == DEBT_BROKEN || (debt == DEBT_REPLY && !proxyfs_op_name(op)) ||
	    inbox_init(&connection->inbox, fd, find_kept(slot, fd))) {
		connection_log_cut(connection, "the worker died in the middle of its message or reply");
		return CONNECTION_ENDED;
	}

	slot_set_position(slot, connection->inbox.kept, 0);
	if (debt == DEBT_REPLY)
		return answer(connection, op, reply);
	slot_set_phase(slot, SLOT_IDLE);
	return CONNECTION_READS;
}

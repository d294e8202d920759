/* SPDX-License-Identifier: MIT */
#include "common/debt.h"

static enum debt find_debt_of_reply(const struct slot *slot)
{
	if (slot_load(slot->partly))
		return DEBT_BROKEN;
	if (slot->sending.msg_len == 0)
		return DEBT_REPLY;
	return slot->sending.msg_len == slot_load(slot->due) ? DEBT_NONE : DEBT_BROKEN;
}

enum debt debt_find(const struct slot *slot)
{
	switch (slot_phase(slot)) {
	case SLOT_IDLE:
	case SLOT_RELEASED:
		return DEBT_NONE;
	case SLOT_EXECUTING:
		return DEBT_REPLY;
	case SLOT_REPLYING:
		return find_debt_of_reply(slot);
	case SLOT_READING:
	case SLOT_FREE:
	case SLOT_CLOSED:
	default:
		return DEBT_BROKEN;
	}
}

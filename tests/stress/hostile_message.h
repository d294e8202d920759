/* SPDX-License-Identifier: MIT */
/* Messages that no guest sends: hostile names, numbers and sizes, in the form of the protocol or not. */
#ifndef TESTS_HOSTILE_MESSAGE_H
#define TESTS_HOSTILE_MESSAGE_H

#include "chance.h"

#define HOSTILE_MESSAGE_MAX (65536U + 8U)

/* Where hostile paths lead that are meant to get out; beside the export. Set before the first message. */
extern const char *hostile_canary;

/*
 * Writes a message whose header is valid to `bytes`, of HOSTILE_MESSAGE_MAX: it has a right to a reply, whatever its
 * payload holds. Returns its size, bytes.
 */
size_t hostile_message(struct chance *chance, uint8_t *bytes);

/* Writes the header of one that has none, and for which a connection is cut. Returns its size. */
size_t hostile_header(struct chance *chance, uint8_t *bytes);

#endif

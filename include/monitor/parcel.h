/* SPDX-License-Identifier: MIT */
/*
 * What a monitor hands over to the program that it executes in its own place: memory (memfd_create(2)) with values and
 * the numbers of descriptors, which stay open.
 *
 * It begins with a version, and with the sizes of what both programs must have the same idea of. A program that does
 * not know exactly these takes nothing: it says so in the rehearsal (monitor/rehearsal.h), and the old one goes on.
 * Whoever changes what is written, or what it means, counts PARCEL_VERSION up.
 *
 * Errors stick: one look at `error` at the end is enough.
 */
#ifndef MONITOR_PARCEL_H
#define MONITOR_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PARCEL_VERSION  1U
#define PARCEL_TEXT_MAX 4096 /* bytes of a text, with its NUL */

struct parcel {
	FILE *file;
	bool writing;
	int error;      /* 0 or -errno */
	int *passed;    /* descriptors that were written */
	unsigned count;
};

/* An empty one, to be written. */
void parcel_create(struct parcel *parcel);

/* The one that another program has written to `fd`, which is taken over. -EPROTO: of another version (logged). */
void parcel_open(struct parcel *parcel, int fd);

/*
 * Each writes its value, or reads it, so that one function can say what there is, in which order, for both sides:
 * bytes as they lie in memory; a text or NULL, which is the caller's to free once it was read; and a descriptor or -1,
 * which is close-on-exec again once it was read.
 */
void parcel_pass(struct parcel *parcel, void *value, size_t size);
void parcel_pass_text(struct parcel *parcel, const char **text);
void parcel_free_text(const char **text);
void parcel_pass_fd(struct parcel *parcel, int *fd);

#define PARCEL_PASS(parcel, value) parcel_pass(parcel, &(value), sizeof(value))

/* Ends the writing. Returns the memory's descriptor, which stays the parcel's, or -errno. */
int parcel_seal(struct parcel *parcel);

/* Lets it survive execve(2), with the descriptors that were written, or not. */
void parcel_survive(const struct parcel *parcel, bool survive);

/* Frees what is held; the descriptors in it are not closed. */
void parcel_finish(struct parcel *parcel);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A client and the helper that it believes to talk to, with us between them: bytes and descriptors pass unchanged and in
 * order, ends as ends and resets as resets, and each request is printed with its reply.
 */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include <stdbool.h>

struct session;

/*
 * Takes over a client's connection, and that to the helper; with -1, there is none, and the client is cut as soon as it
 * has sent something: an end of file is not for it, which QEMU could take for success. Returns NULL without memory, or
 * where a socket is none: both are closed then.
 */
struct session *session_create(int client, int server, unsigned number, bool json);

/* Does all that can be done now; to be called whenever a socket changes. Whether the session goes on. */
bool session_pump(struct session *session);

/* Prints the requests that wait for a reply. */
void session_print_pending(const struct session *session);

/* Ends both connections, if they still live by resets, and frees the session. */
void session_destroy(struct session *session);

#endif

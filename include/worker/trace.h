/* SPDX-License-Identifier: MIT */
/* A line of the log for each request, at the level "debug". */
#ifndef WORKER_TRACE_H
#define WORKER_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <proxyfs/protocol.h>

#define TRACE_SIZE 900 /* bytes of a text */

/*
 * Describes a request that the client `pid` sent, as far as it can be decoded, and its result: 0 or -errno, after `ns`.
 * What the guest chose is escaped, and cut where it is long.
 *
 *   pid 4711: chmod "//a" mode 0644 = EROFS, 12 us
 */
void trace_describe(pid_t pid, enum proxyfs_op op, const char *payload, size_t size, int32_t status, uint64_t ns,
                    char text[static TRACE_SIZE]);

#endif

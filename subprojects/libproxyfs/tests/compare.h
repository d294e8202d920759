/* SPDX-License-Identifier: MIT */
/* Member by member: also those that an operation does not use, which are zero. For cmocka tests. */
#ifndef TESTS_COMPARE_H
#define TESTS_COMPARE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <proxyfs/protocol.h>

void assert_same_bytes(struct proxyfs_bytes got, struct proxyfs_bytes expected);
void assert_same_request(const struct proxyfs_request *got, const struct proxyfs_request *expected);
void assert_same_reply(const struct proxyfs_reply *got, const struct proxyfs_reply *expected);

#endif

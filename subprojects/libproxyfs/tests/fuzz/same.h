/* SPDX-License-Identifier: MIT */
/* Whether two decoded messages say the same, member by member. */
#ifndef TESTS_FUZZ_SAME_H
#define TESTS_FUZZ_SAME_H

#include <proxyfs/protocol.h>

bool same_request(const struct proxyfs_request *a, const struct proxyfs_request *b);
bool same_reply(const struct proxyfs_reply *a, const struct proxyfs_reply *b);
bool same_stat(const struct proxyfs_stat *a, const struct proxyfs_stat *b);
bool same_statfs(const struct proxyfs_statfs *a, const struct proxyfs_statfs *b);

#endif

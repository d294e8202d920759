/* SPDX-License-Identifier: MIT */
/*
 * The export's policy, held against each request before its handler runs. The only module that knows it; what a
 * policy wants of the handler itself is said in the call (ops/ops.h).
 */
#ifndef WORKER_POLICY_H
#define WORKER_POLICY_H

#include "common/policy.h"
#include "ops/ops.h"

/* Sets what is enforced from now on. Before there are threads. */
void policy_enforce(const struct policy *policy);

/* What a policy has to say of a request: 0, or the -errno that is its answer. */
typedef int policy_check(struct op_call *call);

/* For each operation that changes something, whatever else is asked of it. */
policy_check policy_change;

/* For the operations of these names; the last is for LSETXATTR and LREMOVEXATTR. */
policy_check policy_open, policy_create, policy_mknod, policy_chmod, policy_utime;
policy_check policy_lgetxattr, policy_llistxattr, policy_change_xattr;

#endif

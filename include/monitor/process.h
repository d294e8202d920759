/* SPDX-License-Identifier: MIT */
/* What the kernel says of a process, in /proc. */
#ifndef MONITOR_PROCESS_H
#define MONITOR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_UNKNOWN (-1)

struct process_facts {
	pid_t pid;
	int64_t descriptors; /* PROCESS_UNKNOWN: the kernel does not say */
	int64_t rss, pss;    /* bytes: proc_pid_smaps_rollup(5) */
};

void process_look(pid_t pid, struct process_facts *facts);

/*
 * Whether none of the threads of a child that was not waited for will run again outside of the kernel: they are dead, or
 * on their way out, or hang where no signal reaches them, with a SIGKILL that ends them when they return. Stores how many
 * of the latter two there are at the moment. What cannot be looked at is not over.
 */
bool process_is_over(pid_t pid, unsigned *hanging);

/* Whether it has another mount namespace than we have. */
bool process_is_in_other_namespace(pid_t pid);

#endif

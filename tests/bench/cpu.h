/* SPDX-License-Identifier: MIT */
/* The CPU time of processes. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <stdint.h>
#include <sys/types.h>

/* Time on a CPU of all living threads of `count` processes, ns: /proc/PID/task/TID/schedstat. */
uint64_t cpu_time(const pid_t *pids, unsigned count);

#endif

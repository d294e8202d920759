/* SPDX-License-Identifier: MIT */
/* The worker's threads: detached, and without signals, which are the monitor's and the main thread's. */
#ifndef WORKER_THREAD_H
#define WORKER_THREAD_H

#include <stddef.h>

/* Starts one with a stack of so many bytes. Returns 0 or -errno. */
int thread_start(size_t stack_size, void *(*run)(void *argument), void *argument);

#endif

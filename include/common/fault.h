/* SPDX-License-Identifier: MIT */
/*
 * Places on a request's way through the worker at which a test can have it die: tests/survive/test_faults.py. In the
 * helper itself they are nothing; only the build `virtfs-proxy-helper-faults`, which is never installed, has them.
 *
 * The environment's VIRTFS_PROXY_FAULT names a file that holds a struct fault_order, which the monitor and so all its
 * workers map, and in which the test writes at any time at which place, and at which passing of it, the next death is
 * due. That death uses the order up: the next worker lives.
 *
 * It is SIGKILL, by the thread that passes. In a PID namespace of its own a process cannot kill itself: the tests use
 * --sandbox=chroot.
 */
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

/* In the order in which a request passes them; the last four are passed now and then. */
#define FAULT_POINTS_ALL(POINT)                                                                                        \
	POINT(before_look)        /* into the socket */                                                                \
	POINT(looked)                                                                                                  \
	POINT(found)              /* a whole message */                                                                \
	POINT(noted)              /* it is in the slot what is in hand, but not that it executes */                    \
	POINT(executing)          /* and that */                                                                       \
	POINT(let_go)             /* the reactor can be taken its other clients */                                     \
	POINT(decoded)                                                                                                 \
	POINT(path_noted)         /* in the ledger */                                                                  \
	POINT(judged)             /* by the export's policy */                                                         \
	POINT(as_guest)           /* the thread has the guest's ids */                                                 \
	POINT(before_call)        /* the operation's function, which makes the system calls */                         \
	POINT(after_call)                                                                                              \
	POINT(as_root)            /* the thread has its own ids again, if it had others */                             \
	POINT(encoded)            /* the reply is there */                                                             \
	POINT(taken_hold)                                                                                              \
	POINT(claimed)            /* the right to answer */                                                            \
	POINT(counted)                                                                                                 \
	POINT(due)                /* how long the reply is, is in the slot */                                          \
	POINT(before_send)                                                                                             \
	POINT(after_send)                                                                                              \
	POINT(sent)               /* a descriptor that went along is closed */                                         \
	POINT(dealt_with)         /* the message, in the worker's memory */                                            \
	POINT(positioned)         /* and in the slot */                                                                \
	POINT(idle)               /* the slot says that nothing is due */                                              \
	POINT(before_offset)      /* SO_PEEK_OFF is set back, for what was looked at and not dealt with */             \
	POINT(after_offset)                                                                                            \
	POINT(before_take)        /* what has been dealt with is taken from the socket */                              \
	POINT(after_take)

#define FAULT_ENUMERATOR(name) FAULT_##name,

enum fault_point { FAULT_POINTS_ALL(FAULT_ENUMERATOR) FAULT_POINTS_COUNT };

struct fault_order {
	_Atomic uint32_t point;    /* 1 + enum fault_point; 0: none */
	_Atomic uint32_t passings; /* the one at which it is due, from 1 on */
	_Atomic uint32_t deaths;   /* so far */
};

#ifdef FAULT_POINTS

#define FAULT_POINT(name) fault_pass(FAULT_##name)

/*
 * For main(): maps the file, if there is one. With the only argument "--fault-points", prints the names of all points,
 * one a line in the table's order, and exits.
 */
void fault_begin(int count, char **arguments);

void fault_pass(enum fault_point point);

#else

#define FAULT_POINT(name) ((void)0)

#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The monitor as its own files see it: monitor.c, which serves; start.c, which gets there; handover.c, which gets there
 * from another monitor; and reload.c, which gives way to one. Everybody else knows monitor.h.
 */
#ifndef MONITOR_PARTS_H
#define MONITOR_PARTS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor/control.h"
#include "monitor/custody.h"
#include "monitor/keeper.h"
#include "monitor/limits.h"
#include "monitor/listener.h"
#include "monitor/name.h"
#include "monitor/notify.h"
#include "monitor/pid_file.h"
#include "monitor/refusal.h"
#include "monitor/rehearsal.h"
#include "monitor/store.h"
#include "monitor/stuck.h"
#include "monitor/workforce.h"
#include "options.h"

struct monitor {
	const struct options *options;
	struct limits limits;
	struct event_base *base;
	int export_fd;
	int inherited_fd; /* the launcher's socket, as it was passed, or -1 */
	int daemon_fd;    /* tells the process that was started that we are ready, or -1 */
	int control_fd;   /* the control socket until it is listened on, or -1 */
	int ready_fd;     /* tells whoever gave --ready-fd, or -1 */
	int bound_fd;     /* the listening socket until it is listened on, or -1 */
	int single_fd;    /* the connected socket of --fd until it is admitted, or -1 */
	bool single;      /* to serve a connected --fd, and end with it */
	bool serving;     /* the start is over */
	bool stopping;
	bool over;        /* there is nothing left to wait for */
	int status;       /* to exit with */
	struct socket_name name;
	bool named;
	struct pid_file pid_file;
	struct notify notify;
	struct legacy legacy; /* until there is a custody */
	struct keeper keeper;
	struct listener listener;
	struct refusals refusals;
	struct control control;
	struct custody custody;
	struct workforce workforce;
	struct stuck stuck;
	struct event *terminate, *interrupt, *hangup, *report;
	uint64_t started; /* CLOCK_MONOTONIC, ns */

	/* a reload */
	char *directory;       /* where relative names of the command line begin; NULL: it had no name */
	struct rehearsal rehearsal;
	int config_fd;         /* the copy of the configuration file that is tried, or -1 */
	int asker_fd;          /* whom to tell how it went, on the control socket, or -1 */
	bool changing;         /* the rehearsal went well: execute the other program now */
	uint64_t reload_began; /* CLOCK_MONOTONIC, ns */
};

/* All that is not zero in one that has not begun. */
void monitor_init(struct monitor *monitor, const struct options *options);

/* start.c: what a worker needs, before there is one. 0 or -errno after logging. */
int monitor_provide(struct monitor *monitor);

/* start.c: the events that every monitor has, and the workforce, with no worker yet. 0 or -errno. */
int monitor_equip(struct monitor *monitor);

/* monitor.c: accepting on what is bound, and keeping the name. 0 or -errno. */
int monitor_listen(struct monitor *monitor);

/* monitor.c: runs until the end; returns the status to exit with. */
int monitor_serve(struct monitor *monitor);

/* monitor.c: frees what is held. */
void monitor_finish(struct monitor *monitor);

/* reload.c: begins a reload; `asker` is told how it went, and closed, unless it is -1. */
void monitor_reload(struct monitor *monitor, int asker);

/* reload.c: says how a reload went. What the text begins with, "error: " or not, is for programs. */
void monitor_reloaded(struct monitor *monitor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* reload.c: executes the program that was rehearsed. Returns if that cannot be done, after logging. */
void monitor_change(struct monitor *monitor);

/* monitor.c */
extern const struct workforce_events monitor_workforce_events;
extern const struct control_host monitor_control_host;

#endif

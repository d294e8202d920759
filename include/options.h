/* SPDX-License-Identifier: MIT */
/* The command line as a structure. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/confinement.h"
#include "common/policy.h"

#define EXIT_USAGE 2 /* the command line makes no sense; 1: the helper could not start */

#define ALLOWED_UIDS_MOST 64

struct options {
	char **arguments;        /* of main() */
	const char *config;      /* file of further options (options_file.h), which those of the command line overrule, or NULL */
	const char *path;        /* the directory to export */
	const char *socket;      /* name of the socket, or NULL */
	int fd;                  /* a connected or a listening socket, or -1; with no name either: LISTEN_FDS says which */
	uid_t uid;               /* owner of the named socket, (uid_t)-1: whoever runs the helper */
	gid_t gid;
	const char *control;     /* name of the control socket, or NULL */
	int log_level;           /* a priority of syslog(3) */
	uid_t allow_uids[ALLOWED_UIDS_MOST]; /* whose clients are served, besides root's */
	unsigned allow_count;    /* 0: all who can connect */
	bool foreground;         /* --nodaemon */
	bool fd_store;           /* have the service manager keep the guests' sockets, too */
	int ready_fd;            /* to write a newline to when clients can connect, or -1 */
	const char *pid_file;    /* NULL: none */
	unsigned max_clients;
	unsigned threads;        /* reactors at most */
	uint32_t busy_poll;      /* microseconds; UINT32_MAX: auto */
	struct confinement confinement;
	unsigned crash_count;    /* a worker that dies more often than this */
	unsigned crash_seconds;  /* within such a time is not replaced any more */
	unsigned stuck_seconds;  /* a request that takes longer is logged; 0: none is */
	struct policy policy;    /* what guests may do */
	unsigned rlimit_nofile;  /* 0: as many as the hard limit allows */
};

enum options_result {
	OPTIONS_RUN,    /* *options is complete and consistent */
	OPTIONS_DONE,   /* help or version was printed: exit with 0 */
	OPTIONS_USAGE,  /* what is wrong was printed to stderr: exit with EXIT_USAGE */
};

/*
 * Parses the arguments of main(). Strings point into them, or are there until the program ends. If this program `resumes`
 * what another was at, there is a socket already; and if `config_fd` is not -1, the file of --config is not opened, but
 * read from there.
 */
enum options_result options_parse(int count, char **arguments, bool resumes, int config_fd, struct options *options);

#endif

/* SPDX-License-Identifier: MIT */
/* The command line of virtfs-proxy-mount. */
#ifndef MOUNT_OPTIONS_H
#define MOUNT_OPTIONS_H

#include <stdbool.h>

struct fuse_args;

struct options {
	const char *socket;
	const char *mountpoint;
	unsigned connections;
	double cache; /* seconds */
	bool reconnect;
	bool direct;
	bool foreground;
};

enum options_verdict {
	OPTIONS_MOUNT,
	OPTIONS_DONE,  /* help or version has been printed */
	OPTIONS_WRONG, /* what is wrong has been said */
};

/* Reads the command line. What is libfuse's or the kernel's is added to `args`, for fuse_session_new(). */
enum options_verdict options_read(int count, char **words, struct options *options, struct fuse_args *args);

#endif

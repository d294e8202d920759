/* SPDX-License-Identifier: MIT */
/*
 * The file of --config: the long options of the command line, one a line, without their dashes; a value follows after
 * white space or "=", and goes on to the end of the line. Empty lines and lines that begin with "#" mean nothing.
 *
 *     # the share of the web servers
 *     path /srv/share
 *     readonly
 */
#ifndef OPTIONS_FILE_H
#define OPTIONS_FILE_H

#define OPTIONS_FILE_MOST 256   /* options */
#define OPTIONS_FILE_SIZE 65536 /* bytes */

struct options_file {
	char *arguments[OPTIONS_FILE_MOST]; /* "--name" or "--name=value", which are there until the program ends */
	int count;
};

/*
 * Reads one from `fd`, from where it stands. `path` is for messages, which go to stderr. Returns 0 or -errno; -EINVAL:
 * what it says makes no sense.
 */
int options_file_read(const char *path, int fd, struct options_file *file);

#endif

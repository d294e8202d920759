/* SPDX-License-Identifier: MIT */
/*
 * A file with the monitor's process id: --pid-file.
 *
 * Theory of operation: the file is written under another name and renamed, so that nobody reads a part of it, and no
 * link that stands there is followed. It is locked, flock(2), for as long as the monitor lives: a file that nobody has
 * locked is left over and is replaced, whatever process has its number by now, and one that is locked is another
 * helper's, which keeps it. At the end it is removed if it is still ours.
 */
#ifndef MONITOR_PID_FILE_H
#define MONITOR_PID_FILE_H

#include <limits.h>

struct pid_file {
	const char *path;        /* as it was given, for messages */
	char base[NAME_MAX + 1]; /* its last component */
	int directory;           /* where it is, or -1: no file is wished for */
	int fd;                  /* the file that we have made, or -1 */
};

/*
 * Opens the directory of `path`, and looks whether another helper has the name. Each function logs what goes wrong and
 * returns -errno then.
 */
int pid_file_open(struct pid_file *file, const char *path);

/* Makes the file, for this process. Does nothing, successfully, if none was opened. */
int pid_file_publish(struct pid_file *file);

/* Removes it if it is ours, and closes what is open. */
void pid_file_remove(struct pid_file *file);

#endif

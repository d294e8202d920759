/* SPDX-License-Identifier: MIT */
#include "monitor/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 48

static int64_t count_descriptors(pid_t pid)
{
	char path[PATH_SIZE];
	const struct dirent *entry;
	int64_t count = 0;
	DIR *directory;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	if (!directory)
		return PROCESS_UNKNOWN;
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* The value of a line "Name:    12 kB", if it is that. */
static void take_kilobytes(const char *line, const char *name, int64_t *bytes)
{
	size_t size = strlen(name);

	if (!strncmp(line, name, size) && line[size] == ':')
		*bytes = (int64_t)strtoll(line + size + 1, NULL, 10) * 1024;
}

static void read_memory(pid_t pid, struct process_facts *facts)
{
	char text[128];
	FILE *file;

	snprintf(text, sizeof text, "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(text, "re");
	if (!file)
		return;
	while (fgets(text, sizeof text, file)) {
		take_kilobytes(text, "Rss", &facts->rss);
		take_kilobytes(text, "Pss", &facts->pss);
	}
	fclose(file);
}

void process_look(pid_t pid, struct process_facts *facts)
{
	*facts = (struct process_facts){ pid, PROCESS_UNKNOWN, PROCESS_UNKNOWN, PROCESS_UNKNOWN };
	if (pid <= 0)
		return;
	facts->descriptors = count_descriptors(pid);
	read_memory(pid, facts);
}

enum thread_state { THREAD_RUNS, THREAD_HANGS, THREAD_OVER };

#define EXITING 0x4U /* PF_EXITING: in the flags of proc_pid_stat(5) once a thread is past its program's last instruction */

/* Whether a line of proc_pid_status(5) is that of the thread's own pending signals, and SIGKILL is one of them. */
static bool has_pending_kill(const char *path)
{
	char text[128];
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && fgets(text, sizeof text, file))
		if (!strncmp(text, "SigPnd:", 7))
			found = strtoull(text + 7, NULL, 16) >> (SIGKILL - 1) & 1;
	if (file)
		fclose(file);
	return found;
}

/*
 * In the state D a thread waits for something in the kernel, and for no signal. SIGKILL is made pending for each thread
 * of the process, and looked at when one returns from the kernel, before anything of its program runs: such a thread may
 * still finish the system call that it is in, but it makes no other one.
 */
static enum thread_state look_at_thread(pid_t pid, const char *task)
{
	char path[PATH_SIZE + 32], text[512];
	unsigned flags = 0;
	char state = 'X';
	const char *rest;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)pid, task);
	file = fopen(path, "re");
	if (!file)
		return THREAD_OVER;
	rest = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
	fclose(file);
	if (!rest)
		return THREAD_OVER; /* it ended just now: ESRCH */
	if (sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) < 1)
		return THREAD_RUNS;
	if (state == 'Z' || state == 'X')
		return THREAD_OVER;
	if (flags & EXITING)
		return THREAD_HANGS; /* mostly not for long, but closing a file may wait as well */
	snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)pid, task);
	return state == 'D' && has_pending_kill(path) ? THREAD_HANGS : THREAD_RUNS;
}

bool process_is_over(pid_t pid, unsigned *hanging)
{
	char path[PATH_SIZE];
	const struct dirent *entry;
	bool runs = false;
	DIR *directory;

	*hanging = 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	directory = opendir(path);
	/* Of a process that may not be dumped, hidepid= of proc(5) shows us what has no memory any more: a dead first thread. */
	if (!directory)
		return false;
	while (!runs && (entry = readdir(directory))) {
		enum thread_state state = entry->d_name[0] == '.' ? THREAD_OVER : look_at_thread(pid, entry->d_name);

		runs = state == THREAD_RUNS;
		*hanging += state == THREAD_HANGS;
	}
	closedir(directory);
	return !runs;
}

/* Calls `take` with the id of each of the process's mounts, as proc_pid_mountinfo(5) has them, until it returns true. */
static bool any_mount(const char *process, bool (*take)(long id, long wanted), long wanted)
{
	char path[PATH_SIZE], *line = NULL;
	size_t room = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%s/mountinfo", process);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getline(&line, &room, file) > 0)
		found = take(strtol(line, NULL, 10), wanted);
	free(line);
	fclose(file);
	return found;
}

static bool is_wanted(long id, long wanted)
{
	return id == wanted;
}

static bool is_not_ours(long id, long wanted)
{
	(void)wanted;
	return !any_mount("self", is_wanted, id);
}

/*
 * By its mounts: no two have the same id. A service has not the capability to look at the namespace itself,
 * /proc/PID/ns/mnt: namespaces(7).
 */
bool process_is_in_other_namespace(pid_t pid)
{
	char process[PATH_SIZE / 2];

	snprintf(process, sizeof process, "%d", (int)pid);
	return any_mount(process, is_not_ours, 0);
}

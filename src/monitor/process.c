/* SPDX-License-Identifier: MIT */
#include "monitor/process.h"

#include <dirent.h>
#include <inttypes.h>
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

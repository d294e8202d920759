/* SPDX-License-Identifier: MIT */
#include "monitor/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

bool process_is_in_other_namespace(pid_t pid)
{
	struct stat ours, its;
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
	return !stat("/proc/self/ns/mnt", &ours) && !stat(path, &its) && ours.st_ino != its.st_ino;
}

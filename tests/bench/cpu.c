/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t thread_time(pid_t pid, const char *tid)
{
	char path[300];
	uint64_t time = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, tid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &time) != 1)
		time = 0;
	fclose(file);
	return time;
}

static uint64_t process_time(pid_t pid)
{
	char path[64];
	uint64_t sum = 0;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return 0;
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			sum += thread_time(pid, entry->d_name);
	closedir(tasks);
	return sum;
}

uint64_t cpu_time(const pid_t *pids, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += process_time(pids[i]);
	return sum;
}

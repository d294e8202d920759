/* SPDX-License-Identifier: MIT */
#include "credentials_fixture.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/credentials.h"

void run_in_directory(void (*body)(const void *path))
{
	char path[32];
	int status;

	make_directory(path);
	status = status_of_child(body, path);
	remove_directory(path);
	assert_int_equal(status, 0);
}

void become_worker(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const uint32_t seven = (uint32_t)credentials_capabilities;
	const struct __user_cap_data_struct data[2] = { { seven, seven, 0 }, { 0, 0, 0 } };

	CHECK_EQUAL(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }), 0);
	CHECK_EQUAL(credentials_capabilities >> 32, 0);
	CHECK_EQUAL(syscall(SYS_capset, &header, data), 0);
}

/* The line of the calling thread's status that begins with `key`, without it. */
static void read_status(const char *key, char line[256])
{
	FILE *file = fopen("/proc/thread-self/status", "re");
	bool found = false;

	CHECK(file != NULL);
	while (!found && fgets(line, 256, file))
		found = !strncmp(line, key, strlen(key));
	fclose(file);
	CHECK(found);
	memmove(line, line + strlen(key), strlen(line + strlen(key)) + 1);
}

static void read_ids(const char *key, unsigned ids[4])
{
	char line[256];

	read_status(key, line);
	CHECK_EQUAL(sscanf(line, "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]), 4);
}

static uint64_t read_capabilities(const char *key)
{
	char line[256];

	read_status(key, line);
	return strtoull(line, NULL, 16);
}

struct identity read_identity(void)
{
	struct identity is;

	read_ids("Uid:", is.uid);
	read_ids("Gid:", is.gid);
	is.effective = read_capabilities("CapEff:");
	is.permitted = read_capabilities("CapPrm:");
	is.inheritable = read_capabilities("CapInh:");
	return is;
}

/* Real and saved ids stay root's. */
static void check_identity(uid_t uid, gid_t gid, uint64_t effective)
{
	struct identity is = read_identity();

	CHECK_EQUAL(is.uid[0], 0);
	CHECK_EQUAL(is.uid[1], uid);
	CHECK_EQUAL(is.uid[2], 0);
	CHECK_EQUAL(is.uid[3], uid);
	CHECK_EQUAL(is.gid[0], 0);
	CHECK_EQUAL(is.gid[1], gid);
	CHECK_EQUAL(is.gid[2], 0);
	CHECK_EQUAL(is.gid[3], gid);
	CHECK_EQUAL(is.effective, effective);
	CHECK_EQUAL(is.permitted, credentials_capabilities);
	CHECK_EQUAL(is.inheritable, 0);
}

void check_is_root(void)
{
	char difference[256];

	check_identity(0, 0, credentials_capabilities);
	CHECK(credentials_verify(difference, sizeof difference));
}

void check_is_guest(uid_t uid, gid_t gid)
{
	char difference[256];

	check_identity(uid, gid, DAC_OVERRIDE);
	CHECK(!credentials_verify(difference, sizeof difference));
}

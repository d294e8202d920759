/* SPDX-License-Identifier: MIT */
#include "honest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <proxyfs/client.h>

#include "offender.h"

#define MODE 0640

static void check_written(struct proxyfs_client *client, const char *path, const char *text)
{
	char read_back[128] = "";
	int fd = proxyfs_open(client, path, O_RDONLY);

	STRESS_CHECK(fd >= 0);
	STRESS_CHECK(read(fd, read_back, sizeof read_back) == (ssize_t)strlen(text) && !strcmp(read_back, text));
	close(fd);
}

static void create_and_look(struct honest *honest, struct proxyfs_client *client, const char *path, const char *text)
{
	int fd = proxyfs_create(client, path, O_RDWR | O_EXCL, MODE, honest->id, honest->id);
	struct stat seen, opened;

	STRESS_CHECK(fd >= 0);
	STRESS_CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fstat(fd, &opened) == 0);
	close(fd);
	STRESS_CHECK(proxyfs_lstat(client, path, &seen) == 0);
	STRESS_CHECK(seen.st_ino == opened.st_ino && seen.st_size == (off_t)strlen(text));
	STRESS_CHECK(seen.st_mode == (S_IFREG | MODE) && seen.st_uid == honest->id && seen.st_gid == honest->id);
	check_written(client, path, text);
}

static void link_and_read(struct honest *honest, struct proxyfs_client *client, const char *path, const char *text)
{
	char target[256];

	STRESS_CHECK(proxyfs_symlink(client, text, path, honest->id, honest->id) == 0);
	STRESS_CHECK(proxyfs_readlink(client, path, target, sizeof target) == (ssize_t)strlen(text));
	STRESS_CHECK(!strcmp(target, text));
	STRESS_CHECK(proxyfs_open(client, path, O_RDONLY) == -ELOOP);
}

static void work_a_round(struct honest *honest, struct proxyfs_client *client)
{
	char file[128], link[128], text[128];
	struct stat stat;

	snprintf(file, sizeof file, "%s/file", honest->directory);
	snprintf(link, sizeof link, "%s/link", honest->directory);
	snprintf(text, sizeof text, "round %llu", (unsigned long long)honest->rounds);
	create_and_look(honest, client, file, text);
	link_and_read(honest, client, link, text);
	STRESS_CHECK(proxyfs_remove(client, file) == 0 && proxyfs_remove(client, link) == 0);
	STRESS_CHECK(proxyfs_lstat(client, file, &stat) == -ENOENT && proxyfs_open(client, file, O_RDONLY) == -ENOENT);
	STRESS_CHECK(proxyfs_client_error(client) == 0);
	honest->rounds++;
}

void honest_begin(struct honest *honest)
{
	STRESS_CHECK(proxyfs_client_connect(honest->socket_path, &honest->client) == 0);
	STRESS_CHECK(proxyfs_mkdir(honest->client, honest->directory, 0755, honest->id, honest->id) == 0);
}

void honest_run(struct honest *honest)
{
	while (!atomic_load(honest->stop) || honest->rounds < HONEST_ROUNDS_LEAST)
		work_a_round(honest, honest->client);
	STRESS_CHECK(proxyfs_remove(honest->client, honest->directory) == 0);
	proxyfs_client_close(honest->client);
}

/* SPDX-License-Identifier: MIT */
#include "ctl/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/descriptor.h"

#define FIRST_ROOM 65536

/*
 * A helper answers at once, whatever its file system does, but for a reload, which takes 12 s at most. One that is
 * stopped does not answer at all.
 */
static const struct timeval patience = { .tv_sec = 15 };

const char *control_path(const struct command_line *line, int argument)
{
	const char *path = line->count > argument ? line->words[argument] : getenv(CONTROL_ENVIRONMENT);

	if (path && path[0])
		return path;
	command_wrong(line, "say which helper: the name of its control socket, here or in " CONTROL_ENVIRONMENT);
	return NULL;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) ||
	    connect(fd, (const struct sockaddr *)&address, sizeof address))
		return -errno;
	return descriptor_take(&fd);
}

static int read_all(int fd, char **text)
{
	size_t room = FIRST_ROOM, size = 0;
	ssize_t got;

	for (;;) {
		char *larger = size + 1 < room && *text ? *text : realloc(*text, *text ? room *= 2 : room);

		if (!larger)
			return -ENOMEM;
		*text = larger;
		got = recv(fd, *text + size, room - size - 1, 0);
		if (got < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (got > 0)
			size += (size_t)got;
		(*text)[size] = '\0';
		if (got == 0)
			return size > 0 ? 0 : -ECONNRESET;
	}
}

static const char refusal[] = "error: ";

static int exchange(const char *path, const char *command, char **answer)
{
	AUTO_CLOSE int fd = connect_to(path);
	int error = fd < 0 ? fd : 0;

	*answer = NULL;
	if (!error && (send(fd, command, strlen(command), MSG_NOSIGNAL) < 0 || send(fd, "\n", 1, MSG_NOSIGNAL) < 0))
		error = -errno;
	return error ? error : read_all(fd, answer);
}

int control_ask(const char *path, const char *command, char **answer)
{
	int error = exchange(path, command, answer);

	if (!error && !strncmp(*answer, refusal, strlen(refusal)))
		error = -EPROTO;
	if (error) {
		free(*answer);
		*answer = NULL;
	}
	return error;
}

char *control_fetch(struct command_line *line, const char *command)
{
	const char *path = control_path(line, 0);
	char *answer;
	int error;

	line->status = COMMAND_USAGE;
	if (!path)
		return NULL;
	error = control_ask(path, command, &answer);
	if (error)
		command_failed(line, "%s: %s", path, error == -EPROTO ? "the helper does not know this command" : strerror(-error));
	line->status = error ? COMMAND_TRANSPORT : COMMAND_DONE;
	return answer;
}

enum command_status control_print(struct command_line *line, const char *command)
{
	char *answer = control_fetch(line, command);

	if (answer)
		fputs(answer, stdout);
	free(answer);
	return line->status;
}

enum command_status control_order(struct command_line *line, const char *command)
{
	const char *path = control_path(line, 0);
	char *answer;
	int error;

	if (!path)
		return COMMAND_USAGE;
	line->status = COMMAND_TRANSPORT;
	error = exchange(path, command, &answer);
	if (!error)
		answer[strcspn(answer, "\n")] = '\0';
	if (error) {
		command_failed(line, "%s: %s", path, strerror(-error));
	} else if (!strncmp(answer, refusal, strlen(refusal))) {
		command_failed(line, "%s", answer + strlen(refusal));
		line->status = COMMAND_REFUSED;
	} else {
		puts(answer);
		line->status = COMMAND_DONE;
	}
	free(answer);
	return line->status;
}

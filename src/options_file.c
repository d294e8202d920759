/* SPDX-License-Identifier: MIT */
#include "options_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPACE " \t\r"

static int wrong(const char *path, unsigned line, const char *what)
{
	fprintf(stderr, "virtfs-proxy-helper: %s, line %u: %s\n", path, line, what);
	return -EINVAL;
}

static int failed(const char *path, int error)
{
	fprintf(stderr, "virtfs-proxy-helper: %s: %s\n", path, strerror(error));
	return -error;
}

/* All there is, with a NUL after it; one byte more than there may be is too much. NULL, with errno. */
static char *read_all(int fd, size_t *size)
{
	char *text = malloc(OPTIONS_FILE_SIZE + 2);
	ssize_t got = 1;

	*size = 0;
	while (text && got > 0 && *size <= OPTIONS_FILE_SIZE) {
		got = read(fd, text + *size, OPTIONS_FILE_SIZE + 1 - *size);
		if (got > 0)
			*size += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	if (text && got >= 0) {
		text[*size] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

static void trim_end(char *line)
{
	size_t size = strlen(line);

	while (size > 0 && strchr(SPACE, line[size - 1]))
		line[--size] = '\0';
}

/* A line that is not empty. */
static int take_line(struct options_file *file, const char *path, unsigned number, char *line)
{
	size_t name = strcspn(line, SPACE "=");
	char *value = line + name + strspn(line + name, SPACE);
	int made;

	if (line[0] == '-' || name == 0)
		return wrong(path, number, "give the name of an option without its dashes, and its value after a space");
	if (name == strlen("config") && !strncmp(line, "config", name))
		return wrong(path, number, "a configuration file cannot name another");
	if (file->count == OPTIONS_FILE_MOST)
		return wrong(path, number, "these are too many options");
	if (*value == '=')
		value += 1 + strspn(value + 1, SPACE);
	made = asprintf(&file->arguments[file->count], *value ? "--%.*s=%s" : "--%.*s", (int)name, line, value);
	if (made < 0)
		return failed(path, ENOMEM);
	file->count++;
	return 0;
}

static int take_lines(struct options_file *file, const char *path, char *text)
{
	unsigned number = 0;
	char *line;
	int error;

	while ((line = strsep(&text, "\n"))) {
		number++;
		line += strspn(line, SPACE);
		trim_end(line);
		if (line[0] == '\0' || line[0] == '#')
			continue;
		error = take_line(file, path, number, line);
		if (error)
			return error;
	}
	return 0;
}

int options_file_read(const char *path, int fd, struct options_file *file)
{
	size_t size;
	char *text = read_all(fd, &size);
	int error;

	file->count = 0;
	if (!text)
		return failed(path, errno);
	if (size > OPTIONS_FILE_SIZE)
		error = failed(path, EFBIG);
	else if (strlen(text) < size)
		error = wrong(path, 1, "this is no text");
	else
		error = take_lines(file, path, text);
	free(text);
	return error;
}

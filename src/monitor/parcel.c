/* SPDX-License-Identifier: MIT */
#include "monitor/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/scoreboard.h"
#include "monitor/custody.h"

#define MAGIC "vph-parcel"

/* What every version begins with. */
struct header {
	char magic[12];
	uint32_t version;
	/* of what lies in shared memory, or is written as it is */
	uint32_t slot_size, ledger_size, identity_size, tally_size;
};

static const struct header ours = {
	.magic = MAGIC,
	.version = PARCEL_VERSION,
	.slot_size = sizeof(struct slot),
	.ledger_size = sizeof(struct ledger),
	.identity_size = sizeof(struct client_identity),
	.tally_size = sizeof(struct tally),
};

static void fail(struct parcel *parcel, int error)
{
	if (!parcel->error)
		parcel->error = error;
}

static void put(struct parcel *parcel, const void *value, size_t size)
{
	if (!parcel->error && fwrite(value, 1, size, parcel->file) != size)
		fail(parcel, -ENOMEM);
}

static void get(struct parcel *parcel, void *value, size_t size)
{
	if (!parcel->error && fread(value, 1, size, parcel->file) != size)
		fail(parcel, -EPROTO);
	if (parcel->error)
		memset(value, 0, size);
}

void parcel_pass(struct parcel *parcel, void *value, size_t size)
{
	if (parcel->writing)
		put(parcel, value, size);
	else
		get(parcel, value, size);
}

static char *get_text(struct parcel *parcel, uint32_t size)
{
	char *text = size <= PARCEL_TEXT_MAX ? malloc(size) : NULL;

	if (!text) {
		fail(parcel, size > PARCEL_TEXT_MAX ? -EPROTO : -ENOMEM);
		return NULL;
	}
	get(parcel, text, size);
	text[size - 1] = '\0';
	return text;
}

void parcel_pass_text(struct parcel *parcel, const char **text)
{
	uint32_t size = parcel->writing && *text ? (uint32_t)strlen(*text) + 1 : 0;

	if (size > PARCEL_TEXT_MAX)
		fail(parcel, -ENAMETOOLONG);
	PARCEL_PASS(parcel, size);
	if (!parcel->writing)
		*text = size > 0 ? get_text(parcel, size) : NULL;
	else if (size > 0)
		put(parcel, *text, size);
}

void parcel_free_text(const char **text)
{
	free((void *)(uintptr_t)*text);
	*text = NULL;
}

/* That it goes along. */
static void note_fd(struct parcel *parcel, int fd)
{
	int *grown = realloc(parcel->passed, (parcel->count + 1) * sizeof *grown);

	if (!grown) {
		fail(parcel, -ENOMEM);
		return;
	}
	parcel->passed = grown;
	parcel->passed[parcel->count++] = fd;
}

void parcel_pass_fd(struct parcel *parcel, int *fd)
{
	PARCEL_PASS(parcel, *fd);
	if (parcel->error)
		*fd = parcel->writing ? *fd : -1;
	else if (*fd >= 0 && parcel->writing)
		note_fd(parcel, *fd);
	else if (*fd >= 0 && fcntl(*fd, F_SETFD, FD_CLOEXEC))
		fail(parcel, -errno);
}

static void open_stream(struct parcel *parcel, int fd, const char *mode)
{
	if (fd < 0) {
		fail(parcel, -errno);
		return;
	}
	parcel->file = fdopen(fd, mode);
	if (parcel->file)
		return;
	fail(parcel, -errno);
	close(fd);
}

void parcel_create(struct parcel *parcel)
{
	*parcel = (struct parcel){ .writing = true };
	open_stream(parcel, memfd_create("parcel", MFD_CLOEXEC), "w+");
	put(parcel, &ours, sizeof ours);
}

void parcel_open(struct parcel *parcel, int fd)
{
	struct header header;

	*parcel = (struct parcel){ .writing = false };
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	lseek(fd, 0, SEEK_SET);
	open_stream(parcel, fd, "r");
	get(parcel, &header, sizeof header);
	if (parcel->error || !memcmp(&header, &ours, sizeof ours))
		return;
	log_error("what the running helper would hand over is of version %u, which this one, with version %u, does not "
	          "know: restart the service instead",
	          header.version, PARCEL_VERSION);
	fail(parcel, -EPROTO);
}

int parcel_seal(struct parcel *parcel)
{
	if (!parcel->error && fflush(parcel->file))
		fail(parcel, -errno);
	return parcel->error ? parcel->error : fileno(parcel->file);
}

void parcel_survive(const struct parcel *parcel, bool survive)
{
	const int flags = survive ? 0 : FD_CLOEXEC;

	fcntl(fileno(parcel->file), F_SETFD, flags);
	for (unsigned i = 0; i < parcel->count; i++)
		fcntl(parcel->passed[i], F_SETFD, flags);
}

void parcel_finish(struct parcel *parcel)
{
	if (parcel->file)
		fclose(parcel->file);
	free(parcel->passed);
	parcel->file = NULL;
	parcel->passed = NULL;
	parcel->count = 0;
}

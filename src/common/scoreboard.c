/* SPDX-License-Identifier: MIT */
#include "common/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "common/descriptor.h"

/* Pages that are there once they are touched. Nobody can take them from under us, F_ADD_SEALS in fcntl(2). */
static int make_memory(const char *name)
{
	AUTO_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	return descriptor_take(&fd);
}

/* Maps `size` bytes, more than there are if need be. NULL, with errno. */
static void *map_shared(int fd, off_t size)
{
	struct stat stat;
	void *memory;

	if (fstat(fd, &stat) || (stat.st_size < size && ftruncate(fd, size)))
		return NULL;
	memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static int map_all(struct scoreboard *scoreboard)
{
	scoreboard->slots = map_shared(scoreboard->slots_fd, (off_t)(scoreboard->count * sizeof(struct slot)));
	scoreboard->ledgers = map_shared(scoreboard->ledgers_fd, (off_t)(scoreboard->count * sizeof(struct ledger)));
	return scoreboard->slots && scoreboard->ledgers ? 0 : -errno;
}

int scoreboard_create(struct scoreboard *scoreboard, uint32_t count)
{
	scoreboard->count = count;
	scoreboard->slots_fd = make_memory("slots");
	scoreboard->ledgers_fd = make_memory("ledgers");
	if (scoreboard->slots_fd < 0 || scoreboard->ledgers_fd < 0)
		return scoreboard->slots_fd < 0 ? scoreboard->slots_fd : scoreboard->ledgers_fd;
	return map_all(scoreboard);
}

int scoreboard_adopt(struct scoreboard *scoreboard, int slots_fd, int ledgers_fd, uint32_t count)
{
	struct stat slots;

	if (fstat(slots_fd, &slots))
		return -errno;
	if (slots.st_size % (off_t)sizeof(struct slot) || slots.st_size / (off_t)sizeof(struct slot) > SCOREBOARD_MOST)
		return -EPROTO;
	scoreboard->slots_fd = slots_fd;
	scoreboard->ledgers_fd = ledgers_fd;
	scoreboard->count = (uint32_t)((size_t)slots.st_size / sizeof(struct slot));
	if (scoreboard->count < count)
		scoreboard->count = count;
	return map_all(scoreboard);
}

void scoreboard_destroy(struct scoreboard *scoreboard)
{
	if (scoreboard->slots)
		munmap(scoreboard->slots, scoreboard->count * sizeof(struct slot));
	if (scoreboard->ledgers)
		munmap(scoreboard->ledgers, scoreboard->count * sizeof(struct ledger));
	scoreboard->slots = NULL;
	scoreboard->ledgers = NULL;
	descriptor_close(&scoreboard->slots_fd);
	descriptor_close(&scoreboard->ledgers_fd);
}

uint64_t scoreboard_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

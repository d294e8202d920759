/* SPDX-License-Identifier: MIT */
/*
 * The guests' user and group ids shown as others on the host: ranges, as user_namespaces(7) has them, of which the
 * kernel makes an idmapped mount (mount_setattr(2), Linux 5.12).
 */
#ifndef COMMON_IDMAP_H
#define COMMON_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDMAP_RANGES_MOST 32 /* of each kind */

struct idmap_range {
	uint32_t guest, host; /* the first ids */
	uint32_t count;
};

struct idmap_ranges {
	struct idmap_range range[IDMAP_RANGES_MOST];
	unsigned count;
};

struct idmap {
	struct idmap_ranges uids, gids;
};

/* Whether ids are mapped at all. */
bool idmap_exists(const struct idmap *map);

/*
 * Adds the ranges of `text`: KIND:GUEST:HOST:COUNT, separated by commas, where KIND is uid, gid or both. Returns NULL,
 * or what is wrong with it, for people.
 */
const char *idmap_parse(struct idmap *map, const char *text);

/* What is wrong with the whole, for people, or NULL. A file's user and group are mapped both, or it cannot be used. */
const char *idmap_check(const struct idmap *map);

/* One line a range for /proc/PID/uid_map or gid_map, of a mount's user namespace: "HOST GUEST COUNT". */
#define IDMAP_TEXT_SIZE (IDMAP_RANGES_MOST * sizeof "4294967295 4294967295 4294967295")
void idmap_print(const struct idmap_ranges *ranges, char text[static IDMAP_TEXT_SIZE]);

#endif

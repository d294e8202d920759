/* SPDX-License-Identifier: MIT */
#include "common/idmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool idmap_exists(const struct idmap *map)
{
	return map->uids.count > 0 || map->gids.count > 0;
}

/* Digits, and `end` behind them. */
static bool parse_id(const char **text, char end, uint32_t *id)
{
	unsigned long long number;
	char *rest;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	number = strtoull(*text, &rest, 10);
	if (errno || number > UINT32_MAX || *rest != end)
		return false;
	*id = (uint32_t)number;
	*text = end ? rest + 1 : rest;
	return true;
}

static bool overlap(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count)
{
	return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

static const char *add(struct idmap_ranges *ranges, struct idmap_range added)
{
	/* The last id is nobody's: it means "leave it". */
	if (added.count == 0 || (uint64_t)added.guest + added.count > UINT32_MAX ||
	    (uint64_t)added.host + added.count > UINT32_MAX)
		return "a range has at least one id, and ends below 4294967295";
	if (ranges->count == IDMAP_RANGES_MOST)
		return "there are too many ranges";
	for (unsigned i = 0; i < ranges->count; i++) {
		const struct idmap_range *other = &ranges->range[i];

		if (overlap(added.guest, other->guest, added.count, other->count) ||
		    overlap(added.host, other->host, added.count, other->count))
			return "two ranges overlap";
	}
	ranges->range[ranges->count++] = added;
	return NULL;
}

static const char *parse_range(struct idmap *map, const char *text)
{
	bool uids = !strncmp(text, "uid:", 4) || !strncmp(text, "both:", 5);
	bool gids = !strncmp(text, "gid:", 4) || !strncmp(text, "both:", 5);
	struct idmap_range range;
	const char *wrong = NULL;

	if (!uids && !gids)
		return "a range begins with uid:, gid: or both:";
	text = strchr(text, ':') + 1;
	if (!parse_id(&text, ':', &range.guest) || !parse_id(&text, ':', &range.host) ||
	    !parse_id(&text, '\0', &range.count))
		return "a range is KIND:GUEST:HOST:COUNT, with numbers";
	if (uids)
		wrong = add(&map->uids, range);
	if (gids && !wrong)
		wrong = add(&map->gids, range);
	return wrong;
}

const char *idmap_parse(struct idmap *map, const char *text)
{
	const char *wrong = NULL;

	do {
		char range[64];
		size_t size = strcspn(text, ",");

		if (size >= sizeof range)
			return "a range is KIND:GUEST:HOST:COUNT, with numbers";
		memcpy(range, text, size);
		range[size] = '\0';
		wrong = parse_range(map, range);
		text += size;
	} while (!wrong && *text++ == ',');
	return wrong;
}

const char *idmap_check(const struct idmap *map)
{
	if (!idmap_exists(map))
		return NULL;
	if (map->uids.count == 0 || map->gids.count == 0)
		return "it must map both user and group ids";
	return NULL;
}

void idmap_print(const struct idmap_ranges *ranges, char text[static IDMAP_TEXT_SIZE])
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < ranges->count; i++) {
		const struct idmap_range *range = &ranges->range[i];

		used += (size_t)snprintf(text + used, IDMAP_TEXT_SIZE - used, "%u %u %u\n", range->host, range->guest,
		                         range->count);
	}
}

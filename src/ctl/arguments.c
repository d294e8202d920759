/* SPDX-License-Identifier: MIT */
/*
 * Each argument is a slot: a field of the request, or the two of a time. Words are put into slots first, by name or in
 * order; slots that stay empty get their default, as text; and then all are read in the same way.
 */
#include "ctl/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <proxyfs/fields.h>

#include "ctl/values.h"

#define MOST_SLOTS 8

struct slot {
	const struct proxyfs_field *field; /* of a time: that of its seconds, and the nanoseconds are the next */
	char name[16];
	bool is_time;
	char *word; /* NULL: not given */
};

struct slots {
	int count;
	struct slot all[MOST_SLOTS];
};

struct fallback {
	enum proxyfs_op op; /* 0: any */
	const char *name;
	const char *text;
};

/* The first that fits. What has none must be given. */
static const struct fallback fallbacks[] = {
	{ PROXYFS_OPEN, "flags", "O_RDONLY" },
	{ PROXYFS_CREATE, "flags", "O_CREAT|O_RDWR" },
	{ PROXYFS_LSETXATTR, "flags", "0" },
	{ PROXYFS_CREATE, "mode", "644" },
	{ PROXYFS_MKDIR, "mode", "755" },
	{ PROXYFS_CHOWN, "uid", "-1" },
	{ PROXYFS_CHOWN, "gid", "-1" },
	{ 0, "uid", "0" },
	{ 0, "gid", "0" },
	{ 0, "rdev", "0" },
	{ 0, "atime", "now" },
	{ 0, "mtime", "now" },
	{ PROXYFS_LSETXATTR, "size", "all" },
	{ 0, "size", "65536" },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *find_fallback(enum proxyfs_op op, const char *name)
{
	for (size_t i = 0; i < COUNT(fallbacks); i++)
		if ((!fallbacks[i].op || fallbacks[i].op == op) && !strcmp(fallbacks[i].name, name))
			return fallbacks[i].text;
	return NULL;
}

static void make_slots(enum proxyfs_op op, struct slots *slots)
{
	const struct proxyfs_field *field = proxyfs_request_fields(op);

	*slots = (struct slots){ 0 };
	for (; field->kind != PROXYFS_KIND_END; field++) {
		struct slot *slot = &slots->all[slots->count++];
		size_t stem = values_time_stem(field->name);

		slot->field = field;
		slot->is_time = stem > 0;
		snprintf(slot->name, sizeof slot->name, "%.*s", (int)(stem ? stem : strlen(field->name)), field->name);
		field += slot->is_time;
	}
}

void arguments_usage(enum proxyfs_op op, char usage[ARGUMENTS_FAULT_MAX])
{
	struct slots slots;
	size_t used = (size_t)snprintf(usage, ARGUMENTS_FAULT_MAX, "%s", proxyfs_op_name(op));

	make_slots(op, &slots);
	for (int i = 0; i < slots.count; i++) {
		const char *name = slots.all[i].name, *text = find_fallback(op, name);
		size_t room = ARGUMENTS_FAULT_MAX - used;

		if (text)
			used += (size_t)snprintf(usage + used, room, " [%s=%s]", name, text);
		else
			used += (size_t)snprintf(usage + used, room, " %s", name);
	}
}

/* The slot that `word` names by NAME=, or NULL; *value is what is behind it. */
static struct slot *named_slot(struct slots *slots, char *word, char **value)
{
	for (int i = 0; i < slots->count; i++) {
		size_t length = strlen(slots->all[i].name);

		if (!strncmp(word, slots->all[i].name, length) && word[length] == '=') {
			*value = word + length + 1;
			return &slots->all[i];
		}
	}
	return NULL;
}

static struct slot *next_empty(struct slots *slots)
{
	for (int i = 0; i < slots->count; i++)
		if (!slots->all[i].word)
			return &slots->all[i];
	return NULL;
}

static int wrong(char *fault, const char *subject, const char *what)
{
	snprintf(fault, ARGUMENTS_FAULT_MAX, "%s%s", subject, what);
	return -EINVAL;
}

/* Words with names first, so that those without fill what is left. */
static int place_words(struct slots *slots, int count, char **words, char *fault)
{
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < count; i++) {
			char *value = words[i];
			struct slot *slot = named_slot(slots, words[i], &value);

			if (!slot == !pass)
				continue;
			if (pass)
				slot = next_empty(slots);
			if (!slot)
				return wrong(fault, words[i], ": there is no field left for this");
			if (slot->word)
				return wrong(fault, slot->name, " is given twice");
			slot->word = value;
		}
	}
	return 0;
}

static int read_slot(const struct slot *slot, enum proxyfs_op op, const char *fallback, struct proxyfs_request *request,
                     char *fault)
{
	void *member = (char *)request + slot->field->offset;
	const char *expected;
	char *word = slot->word;
	char text[32];

	if (!word && !fallback)
		return wrong(fault, slot->name, " is missing");
	if (!word) {
		snprintf(text, sizeof text, "%s", fallback);
		word = text;
	}
	if (slot->is_time)
		expected = values_read_time(word, member, (int64_t *)(void *)((char *)request + slot->field[1].offset));
	else
		expected = values_read(op, slot->field, word, member);
	if (!expected)
		return 0;
	snprintf(fault, ARGUMENTS_FAULT_MAX, "%s: give %s", slot->name, expected);
	return -EINVAL;
}

/* The size of a value is that of the value, unless another is given: a helper must withstand both. */
static bool is_size_of_value(const struct slot *slot, enum proxyfs_op op)
{
	return op == PROXYFS_LSETXATTR && !strcmp(slot->name, "size") && (!slot->word || !strcmp(slot->word, "all"));
}

int arguments_parse(enum proxyfs_op op, int count, char **words, struct proxyfs_request *request, char *fault)
{
	struct slots slots;
	int error;

	*request = (struct proxyfs_request){ .op = op };
	make_slots(op, &slots);
	error = place_words(&slots, count, words, fault);
	for (int i = 0; i < slots.count && !error; i++) {
		const struct slot *slot = &slots.all[i];

		if (is_size_of_value(slot, op))
			request->size = (int32_t)request->value.size;
		else
			error = read_slot(slot, op, find_fallback(op, slot->name), request, fault);
	}
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * The status, again and again. The screen is written in one piece a time, with plain ANSI sequences; what came from
 * outside is printable ASCII, and cut to the width of the terminal.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/control.h"
#include "ctl/order.h"
#include "ctl/rows.h"
#include "ctl/screen.h"
#include "ctl/table.h"

#define DEFAULT_MS 1000
#define LEAST_MS   100
#define MOST_MS    60000

static const char keys[] =
	"q quit   sort: n arrival  p pid  r req/s  c requests  e errors  5 p50  9 p99  w in flight";

struct top {
	const char *path;
	int interval;        /* ms */
	char sort;           /* a key of order.h */
	struct rows now, before;
	uint64_t asked;      /* CLOCK_MONOTONIC in ns: when it was last */
	uint64_t taken;      /* and when `now` was the answer */
	int error;           /* of asking last, or 0 */
};

static uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void refresh(struct top *top)
{
	uint64_t now = clock_now();
	char *text;

	top->asked = now;
	top->error = control_ask(top->path, "rows", &text);
	if (top->error)
		return;
	rows_finish(&top->before);
	top->before = top->now;
	top->error = rows_parse(&top->now, text);
	if (!top->error)
		order_rates(&top->now, &top->before, now - top->taken);
	top->taken = now;
}

/* One line of the screen, from what was printed for it. */
static void draw_client(struct screen *screen, const struct rows_client *client)
{
	table_client(screen_line(screen), client, true);
	screen_end_line(screen, client->since > 1000000000 ? SCREEN_BOLD : SCREEN_PLAIN);
}

static void draw_heads(const struct top *top, struct screen *screen)
{
	const struct rows *rows = &top->now;

	fprintf(screen_line(screen), "virtfs-proxy-helper %s: %s", rows_value(rows, "version"), rows_value(rows, "path"));
	screen_end_line(screen, SCREEN_BOLD);
	if (top->error)
		fprintf(screen_line(screen), "%s: %s; this is what it said last", strerror(-top->error), top->path);
	else
		fprintf(screen_line(screen), "%s of %s clients, sandbox %s, worker restarts: %s", rows_value(rows, "clients"),
		        rows_value(rows, "max_clients"), rows_value(rows, "sandbox"), rows_value(rows, "restarts"));
	screen_end_line(screen, top->error ? SCREEN_BOLD : SCREEN_PLAIN);
	fputs(keys, screen_line(screen));
	screen_end_line(screen, SCREEN_PLAIN);
	table_heads(screen_line(screen), true);
	screen_end_line(screen, SCREEN_REVERSE);
}

static void draw(struct top *top, struct screen *screen)
{
	if (screen_begin(screen))
		return;
	draw_heads(top, screen);
	order_clients(&top->now, top->sort);
	for (size_t i = 0; i < top->now.client_count; i++)
		draw_client(screen, &top->now.clients[i]);
	screen_finish(screen);
}

/* Waits for a key, or until it is time. False: to end. */
static bool wait_for_key(struct top *top)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t due = top->asked + (uint64_t)top->interval * 1000000U, now = clock_now();
	int left = due > now ? (int)((due - now) / 1000000U) : 0;
	char key;

	/* A change of the terminal's size ends it early, too. */
	if (poll(&input, 1, left) <= 0)
		return !screen_ended();
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3)
		return false;
	if (order_is_key(key))
		top->sort = key;
	return true;
}

static enum command_status watch(struct top *top)
{
	struct screen screen;
	int error = screen_open(&screen);

	if (error) {
		fprintf(stderr, "virtfs-proxyctl: top: the standard input and output are no terminal; take status\n");
		return COMMAND_USAGE;
	}
	do {
		if (clock_now() - top->asked >= (uint64_t)top->interval * 1000000U)
			refresh(top);
		draw(top, &screen);
	} while (wait_for_key(top));
	screen_close(&screen);
	return COMMAND_DONE;
}

static bool parse_interval(const char *text, int *milliseconds)
{
	char *end;
	double seconds = strtod(text, &end);

	*milliseconds = (int)(seconds * 1000);
	return end != text && *end == '\0' && seconds * 1000 >= LEAST_MS && seconds * 1000 <= MOST_MS;
}

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, { "interval", required_argument, NULL, 'i' },
		                                 COMMAND_OPTIONS_END };
	struct top top = { .interval = DEFAULT_MS, .sort = 'r' };
	enum command_status status;
	int option;

	while ((option = command_option(line, options)) > COMMAND_OPTIONS_OVER)
		if (!parse_interval(optarg, &top.interval))
			return command_wrong(line, "--interval '%s': give seconds, from 0.1 to 60", optarg);
	if (option == COMMAND_OPTIONS_STOP || !command_counted(line, 0, 1))
		return line->status;
	top.path = control_path(line, 0);
	if (!top.path)
		return COMMAND_USAGE;
	refresh(&top);
	if (top.error) {
		command_failed(line, "%s: %s", top.path, strerror(-top.error));
		return COMMAND_TRANSPORT;
	}
	status = watch(&top);
	rows_finish(&top.now);
	rows_finish(&top.before);
	return status;
}

const struct command command_top = {
	.name = "top",
	.arguments = "[--interval SECONDS] [CONTROL]",
	.summary = "Shows the same, live: a key sorts by a column, q quits",
	.run = run,
};

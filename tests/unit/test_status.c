/* SPDX-License-Identifier: MIT */
/* What the monitor prints of a scoreboard: of one filled by hand, and of one that a worker has gone mad over. */
#include "unit.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "log_capture.h"
#include "monitor/status.h"

#define SLOTS 4
#define LSTAT 8U

static struct custody custody;
static struct policy policy;
static struct confinement confinement;
static struct status status;
static int peer;
static char *text;

static int admit(int fd)
{
	struct peer who;

	peer_read(fd, &who);
	return custody_admit(&custody, fd, &who);
}

static int setup(void **state)
{
	int ends[2];

	(void)state;
	log_capture_reset();
	custody = (struct custody){ .count = 0 };
	policy = (struct policy){ .readonly = true };
	if (custody_create(&custody, SLOTS) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -1;
	peer = ends[1];
	if (admit(ends[0]) != 0)
		return -1;
	status = (struct status){ .custody = &custody, .path = "/srv/\"x\n", .policy = &policy,
		                  .confinement = &confinement, .most_clients = SLOTS, .most_threads = 2,
		                  .started = scoreboard_now(), .restarts = 3 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(custody.scoreboard.slots, SLOTS * sizeof(struct slot));
	munmap(custody.scoreboard.ledgers, SLOTS * sizeof(struct ledger));
	custody_destroy(&custody);
	close(peer);
	free(text);
	text = NULL;
	return 0;
}

static const char *written_by(void (*write)(const struct status *status, struct evbuffer *out))
{
	struct evbuffer *out = evbuffer_new();
	size_t size;

	write(&status, out);
	size = evbuffer_get_length(out);
	free(text);
	text = calloc(1, size + 1);
	assert_non_null(text);
	evbuffer_remove(out, text, size);
	evbuffer_free(out);
	return text;
}

static void assert_printable(void)
{
	for (const char *at = text; *at; at++)
		assert_true((*at >= ' ' && *at <= '~') || *at == '\n' || *at == '\t');
}

#define assert_has(what)                                                                                               \
	do {                                                                                                           \
		if (!strstr(text, what))                                                                               \
			fail_msg("no %s in %s", what, text);                                                           \
	} while (0)

static void execute(const char *path)
{
	struct slot *slot = &custody.scoreboard.slots[0];

	slot_store(slot->op, LSTAT);
	slot_store(slot->since, scoreboard_now());
	ledger_note_path(&custody.scoreboard.ledgers[0], path, strlen(path));
	slot_set_phase(slot, SLOT_EXECUTING);
}

static void answer(int32_t result, uint64_t ns)
{
	struct slot *slot = &custody.scoreboard.slots[0];

	slot_store(slot->requests, slot_load(slot->requests) + 1);
	if (result)
		slot_store(slot->errors, slot_load(slot->errors) + 1);
	ledger_note(&custody.scoreboard.ledgers[0], LSTAT, result, ns);
	slot_set_phase(slot, SLOT_IDLE);
}

static void a_client_is_told_of(void **state)
{
	static struct status_client client;

	(void)state;
	execute("//a");
	answer(0, 1000);
	answer(-2, 1000000);
	assert_true(status_read_client(&status, 0, scoreboard_now(), &client));
	assert_int_equal(client.identity->pid, getpid());
	assert_string_equal(client.identity->program, "test_status");
	assert_int_equal(client.requests, 2);
	assert_int_equal(client.errors, 1);
	assert_int_equal(client.rows[LSTAT - LEDGER_FIRST_OP].requests, 2);
	assert_int_equal(client.all.ns, 1001000);
	assert_null(client.operation);
	assert_false(status_read_client(&status, 1, scoreboard_now(), &client));
}

static void what_is_in_flight_is_told(void **state)
{
	(void)state;
	execute("//a\n\"b\x1b");
	written_by(status_write_json);
	assert_has("\"in_flight\":{\"operation\":\"lstat\",\"path\":\"//a\\\\x0a\\\\\\\"b\\\\x1b\",\"seconds\":0.");
	written_by(status_write_rows);
	assert_has("\tlstat\t");
	assert_has("\t//a\\x0a\\\"b\\x1b\t0\n");
	status_log(&status);
	assert_non_null(strstr(log_capture_text(), "; in lstat \"//a\\x0a\\\"b\\x1b\" for "));
}

/* It takes the client's age as well: nothing is stuck for longer than its client has been there. */
static void what_takes_too_long_is_stuck(void **state)
{
	static struct status_client client;
	struct slot *slot = &custody.scoreboard.slots[0];
	uint64_t now = scoreboard_now();

	(void)state;
	status.stuck_after = 1000000000;
	execute("//a");
	slot_store(slot->since, 1);
	assert_true(status_read_client(&status, 0, now, &client));
	assert_false(client.stuck);

	custody.clients[0].arrived = now - 5000000000;
	slot_store(slot->since, now - 999999999);
	assert_true(status_read_client(&status, 0, now, &client));
	assert_false(client.stuck);
	slot_store(slot->since, now - 1000000000);
	assert_true(status_read_client(&status, 0, now, &client));
	assert_true(client.stuck);
	written_by(status_write_json);
	assert_has(",\"stuck\":true}");
	written_by(status_write_rows);
	assert_has("\t//a\t1\n");
	written_by(status_write_metrics);
	assert_has("virtfs_proxy_requests_stuck 1\n");

	status.stuck_after = 0;
	assert_true(status_read_client(&status, 0, now, &client));
	assert_false(client.stuck);
	answer(0, 1000);
	status.stuck_after = 1;
	assert_true(status_read_client(&status, 0, now, &client));
	assert_false(client.stuck);
}

static void the_helper_is_told_of(void **state)
{
	(void)state;
	written_by(status_write_json);
	assert_has("\"path\":\"/srv/\\\\\\\"x\\\\x0a\",\"socket\":null,");
	assert_has("\"readonly\":true");
	assert_has("\"worker_restarts\":3");
	assert_has("\"worker\":{\"pid\":0,\"descriptors\":null");
	written_by(status_write_rows);
	assert_has("helper\tpolicy\tread-only\n");
	assert_string_equal(text + strlen(text) - 5, "\nend\n");
	written_by(status_write_metrics);
	assert_has("virtfs_proxy_worker_restarts_total 3\n");
	assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
}

static void what_those_that_are_gone_asked_for_stays(void **state)
{
	int ends[2];

	(void)state;
	answer(0, 1000);
	answer(-2, 1000);
	slot_set_phase(&custody.scoreboard.slots[0], SLOT_CLOSED);
	assert_int_equal(custody_reap(&custody), 1);
	written_by(status_write_metrics);
	assert_has("virtfs_proxy_requests_total{operation=\"lstat\"} 2\n");
	assert_has("virtfs_proxy_clients 0\n");

	/* The slot's next client begins with nothing. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(admit(ends[0]), 0);
	written_by(status_write_metrics);
	assert_has("virtfs_proxy_requests_total{operation=\"lstat\"} 2\n");
	assert_has("virtfs_proxy_client_requests_total{client=\"2\",");
	assert_has("virtfs_proxy_clients_admitted_total 2\n");
	close(ends[1]);
}

/* Every byte of it, in every phase. */
static void a_hostile_scoreboard_does_no_harm(void **state)
{
	static const unsigned char bytes[] = { 0xff, 0x80, 0x0a, '"', 0x1b, 0x01 };
	static struct status_client client;
	struct slot *slot = &custody.scoreboard.slots[0];

	(void)state;
	for (size_t i = 0; i < COUNT(bytes); i++) {
		memset(custody.scoreboard.slots, bytes[i], SLOTS * sizeof *slot);
		memset(custody.scoreboard.ledgers, bytes[i], SLOTS * sizeof(struct ledger));
		slot_set_phase(slot, SLOT_EXECUTING);
		written_by(status_write_json);
		assert_printable();
		written_by(status_write_rows);
		assert_printable();
		written_by(status_write_metrics);
		assert_printable();
		status_log(&status);
		assert_true(status_read_client(&status, 0, scoreboard_now(), &client));
		assert_int_equal(client.identity->pid, getpid());
		assert_string_equal(client.operation, "unknown");
		assert_true(client.since <= client.age);
		assert_string_equal(client.path + strlen(client.path) - 3, "...");
		slot_set_phase(slot, SLOT_CLOSED);
	}
	assert_int_equal(custody_reap(&custody), 1);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_client_is_told_of),
		test(what_is_in_flight_is_told),
		test(what_takes_too_long_is_stuck),
		test(the_helper_is_told_of),
		test(what_those_that_are_gone_asked_for_stays),
		test(a_hostile_scoreboard_does_no_harm),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}

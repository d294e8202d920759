/* SPDX-License-Identifier: MIT */
/* The command line: every option in both spellings, strictly read, and messages that say what to change. */
#include "unit.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "config.h"
#include "options.h"

#define ARGUMENTS_MOST 80
#define NOBODY         ((uid_t)-1)

static struct options options;
static char out[8192], err[8192];

/* Puts a file in memory in the place of a stream's descriptor, which is returned. */
static int redirect(FILE *stream)
{
	int file = memfd_create("output", MFD_CLOEXEC);
	int saved;

	fflush(stream);
	saved = dup(fileno(stream));
	assert_true(file >= 0 && saved >= 0);
	assert_int_equal(dup2(file, fileno(stream)), fileno(stream));
	close(file);
	return saved;
}

static void restore(FILE *stream, int saved, char *text, size_t size)
{
	ssize_t got;

	fflush(stream);
	got = pread(fileno(stream), text, size - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	dup2(saved, fileno(stream));
	close(saved);
}

/* Parses what follows the program's name, up to NULL, and keeps what is printed. */
static enum options_result parse_list(const char *const *arguments)
{
	char *copies[ARGUMENTS_MOST + 2] = { (char *)(uintptr_t)"virtfs-proxy-helper" };
	int saved_out = redirect(stdout), saved_err = redirect(stderr);
	enum options_result result;
	int count = 1;

	for (; arguments[count - 1]; count++)
		copies[count] = (char *)(uintptr_t)arguments[count - 1];
	memset(&options, 0xa5, sizeof options);
	result = options_parse(count, copies, false, -1, &options);
	restore(stdout, saved_out, out, sizeof out);
	restore(stderr, saved_err, err, sizeof err);
	return result;
}

#define parse(...) parse_list((const char *const[ARGUMENTS_MOST]){ __VA_ARGS__ })

#define assert_runs(...)                                                                                               \
	do {                                                                                                           \
		assert_int_equal(parse(__VA_ARGS__), OPTIONS_RUN);                                                     \
		assert_string_equal(out, "");                                                                          \
		assert_string_equal(err, "");                                                                          \
	} while (0)

/* A usage error, whose message names `what`. */
#define assert_usage(what, ...)                                                                                        \
	do {                                                                                                           \
		assert_int_equal(parse(__VA_ARGS__), OPTIONS_USAGE);                                                   \
		assert_string_equal(out, "");                                                                          \
		if (!strstr(err, what) || !strstr(err, "--help"))                                                      \
			fail_msg("\"%s\" does not name %s", err, what);                                                \
	} while (0)

/* A complete command line but for what a test is about. */
#define COMPLETE "-p", "/export", "-s", "/run/socket"

/* --- what is accepted ---------------------------------------------------------------------------------------- */

static void defaults_are_as_documented(void **state)
{
	(void)state;
	assert_runs("-p", "/export", "-s", "/run/socket");
	assert_string_equal(options.path, "/export");
	assert_string_equal(options.socket, "/run/socket");
	assert_int_equal(options.fd, -1);
	assert_int_equal(options.uid, NOBODY);
	assert_int_equal(options.gid, NOBODY);
	assert_false(options.foreground);
	assert_int_equal(options.ready_fd, -1);
	assert_null(options.pid_file);
	assert_int_equal(options.max_clients, 256);
	assert_int_equal(options.threads, 64);
	assert_int_equal(options.busy_poll, UINT32_MAX);
	assert_int_equal(options.allow_count, 0);
	assert_int_equal(options.confinement.kind, SANDBOX_AUTO);
	assert_int_equal(options.confinement.seccomp, SECCOMP_DEFAULT);
	assert_false(idmap_exists(&options.confinement.idmap));
	assert_false(options.policy.readonly);
	assert_false(options.policy.no_devices);
	assert_false(options.policy.no_setid);
	assert_false(options.policy.utime_quirk);
	assert_int_equal(options.policy.xattrs, XATTR_POLICY_HOST);
	assert_int_equal(options.rlimit_nofile, 0);
	assert_int_equal(options.crash_count, 10);
	assert_int_equal(options.crash_seconds, 60);
	assert_int_equal(options.stuck_seconds, 30);
}

static void every_option_has_a_short_form(void **state)
{
	(void)state;
	assert_runs("-p", "dir", "-s", "socket", "-u", "10", "-g", "20", "-n");
	assert_string_equal(options.path, "dir");
	assert_string_equal(options.socket, "socket");
	assert_int_equal(options.uid, 10);
	assert_int_equal(options.gid, 20);
	assert_true(options.foreground);

	assert_runs("-np", "dir", "-f3");
	assert_int_equal(options.fd, 3);
	assert_null(options.socket);
	assert_true(options.foreground);
}

static void every_option_has_a_long_form(void **state)
{
	(void)state;
	assert_runs("--path", "dir", "--socket", "socket", "--uid", "10", "--gid", "20", "--nodaemon", "--max-clients", "7");
	assert_string_equal(options.path, "dir");
	assert_string_equal(options.socket, "socket");
	assert_int_equal(options.uid, 10);
	assert_int_equal(options.gid, 20);
	assert_true(options.foreground);
	assert_int_equal(options.max_clients, 7);

	assert_runs("--path=dir", "--fd=0", "--threads=5", "--max-clients=9", "--rlimit-nofile=1000");
	assert_int_equal(options.fd, 0);
	assert_int_equal(options.threads, 5);
	assert_int_equal(options.max_clients, 9);
	assert_int_equal(options.rlimit_nofile, 1000);
}

static void readiness_is_told_in_two_ways(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--ready-fd", "3", "--pid-file=/run/pid");
	assert_int_equal(options.ready_fd, 3);
	assert_string_equal(options.pid_file, "/run/pid");
	assert_runs("-p", "/export", "--fd=3", "--ready-fd=4");
	assert_int_equal(options.fd, 3);
	assert_int_equal(options.ready_fd, 4);
	assert_usage("--ready-fd '2'", COMPLETE, "--ready-fd=2");
	assert_usage("--ready-fd 3", "-p", "/export", "--fd=3", "--ready-fd=3");
}

static void a_service_manager_may_bring_the_socket(void **state)
{
	(void)state;
	assert_usage("--socket", "-p", "/export");
	assert_int_equal(setenv("LISTEN_FDS", "1", 1), 0);
	assert_runs("-p", "/export");
	assert_null(options.socket);
	assert_int_equal(options.fd, -1);
	assert_usage("--path", "-n");
	assert_int_equal(unsetenv("LISTEN_FDS"), 0);
}

static void the_command_of_lxd_and_incus_is_accepted(void **state)
{
	(void)state;
	assert_runs("--nodaemon", "--fd", "3", "--path", "/srv");
	assert_int_equal(options.fd, 3);
	assert_true(options.foreground);
	assert_string_equal(options.path, "/srv");
}

static void users_and_groups_have_names(void **state)
{
	const struct passwd *daemon = getpwnam("daemon");

	(void)state;
	assert_runs(COMPLETE, "-u", "root", "-g", "root");
	assert_int_equal(options.uid, 0);
	assert_int_equal(options.gid, 0);
	if (!daemon)
		return;
	assert_runs(COMPLETE, "-u", "daemon", "-g", "daemon");
	assert_int_equal(options.uid, daemon->pw_uid);
	assert_int_not_equal(options.uid, 0);
	assert_int_equal(options.gid, daemon->pw_gid);
}

static void users_and_groups_have_numbers(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "-u", "0", "-g", "0");
	assert_int_equal(options.uid, 0);
	assert_int_equal(options.gid, 0);
	assert_runs(COMPLETE, "-u", "4294967294", "-g", "4294967294");
	assert_int_equal(options.uid, 4294967294U);
	assert_int_equal(options.gid, 4294967294U);
	assert_runs(COMPLETE, "-u", "007", "-g", "0000000000000000012");
	assert_int_equal(options.uid, 7);
	assert_int_equal(options.gid, 12);
}

static void counts_have_bounds(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--max-clients", "1", "--threads", "1");
	assert_int_equal(options.max_clients, 1);
	assert_int_equal(options.threads, 1);
	assert_runs(COMPLETE, "--max-clients", "65536", "--threads", "4096");
	assert_int_equal(options.max_clients, 65536);
	assert_int_equal(options.threads, 4096);
	assert_usage("--max-clients", COMPLETE, "--max-clients", "0");
	assert_usage("--max-clients", COMPLETE, "--max-clients", "65537");
	assert_usage("--threads", COMPLETE, "--threads", "0");
	assert_usage("--threads", COMPLETE, "--threads", "4097");
	assert_runs(COMPLETE, "--rlimit-nofile", "1");
	assert_int_equal(options.rlimit_nofile, 1);
	assert_runs(COMPLETE, "--rlimit-nofile", "2147483647");
	assert_int_equal(options.rlimit_nofile, 2147483647);
	assert_usage("--rlimit-nofile", COMPLETE, "--rlimit-nofile", "0");
	assert_usage("--rlimit-nofile", COMPLETE, "--rlimit-nofile", "2147483648");
}

static void looking_is_automatic_off_or_a_time(void **state)
{
	static const char *const wrong[] = { "", "Auto", "on", "auto ", "1us", "1001" };

	(void)state;
	assert_runs(COMPLETE, "--busy-poll", "auto");
	assert_int_equal(options.busy_poll, UINT32_MAX);
	assert_runs(COMPLETE, "--busy-poll=off");
	assert_int_equal(options.busy_poll, 0);
	assert_runs(COMPLETE, "--busy-poll", "0");
	assert_int_equal(options.busy_poll, 0);
	assert_runs(COMPLETE, "--busy-poll", "1000");
	assert_int_equal(options.busy_poll, 1000);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_usage("--busy-poll", COMPLETE, "--busy-poll", wrong[i]);
}

static void users_to_serve_are_a_list(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--allow-uid", "root", "--allow-uid=1000", "--allow-uid", "4294967294");
	assert_int_equal(options.allow_count, 3);
	assert_int_equal(options.allow_uids[0], 0);
	assert_int_equal(options.allow_uids[1], 1000);
	assert_int_equal(options.allow_uids[2], 4294967294U);
	assert_usage("--allow-uid 'no-such-user'", COMPLETE, "--allow-uid", "no-such-user");
	assert_usage("--allow-uid '4294967295'", COMPLETE, "--allow-uid", "4294967295");
	assert_usage("--allow-uid ''", COMPLETE, "--allow-uid", "");
	assert_usage("--allow-uid '1,2'", COMPLETE, "--allow-uid", "1,2");
}

static void the_list_of_users_to_serve_has_an_end(void **state)
{
	char texts[ALLOWED_UIDS_MOST + 1][32];
	const char *arguments[ALLOWED_UIDS_MOST + 6] = { COMPLETE };

	(void)state;
	for (int i = 0; i <= ALLOWED_UIDS_MOST; i++) {
		snprintf(texts[i], sizeof texts[i], "--allow-uid=%d", i);
		arguments[4 + i] = texts[i];
	}
	assert_int_equal(parse_list(arguments), OPTIONS_USAGE);
	assert_non_null(strstr(err, "--allow-uid '64': at most 64"));
	arguments[4 + ALLOWED_UIDS_MOST] = NULL;
	assert_int_equal(parse_list(arguments), OPTIONS_RUN);
	assert_int_equal(options.allow_count, ALLOWED_UIDS_MOST);
	assert_int_equal(options.allow_uids[ALLOWED_UIDS_MOST - 1], ALLOWED_UIDS_MOST - 1);
}

static void what_guests_may_do_is_said_one_by_one(void **state)
{
	static const char *const names[] = { "--readonly", "--no-devices", "--no-setid", "--utime-quirk" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_runs(COMPLETE, names[i]);
		assert_int_equal(options.policy.readonly, i == 0);
		assert_int_equal(options.policy.no_devices, i == 1);
		assert_int_equal(options.policy.no_setid, i == 2);
		assert_int_equal(options.policy.utime_quirk, i == 3);
		assert_int_equal(options.policy.xattrs, XATTR_POLICY_HOST);
	}
	assert_runs(COMPLETE, names[0], names[1], names[2], names[3], "--xattr-policy", "none");
	assert_true(options.policy.readonly && options.policy.no_devices && options.policy.no_setid &&
	            options.policy.utime_quirk);
	assert_int_equal(options.policy.xattrs, XATTR_POLICY_NONE);
}

static void attributes_are_the_hosts_all_or_none(void **state)
{
	static const char *const wrong[] = { "", "Host", "none ", "hosts", "al", "0", "host,all" };

	(void)state;
	assert_runs(COMPLETE, "--xattr-policy", "host");
	assert_int_equal(options.policy.xattrs, XATTR_POLICY_HOST);
	assert_runs(COMPLETE, "--xattr-policy=all");
	assert_int_equal(options.policy.xattrs, XATTR_POLICY_ALL);
	assert_runs(COMPLETE, "--xattr-policy=all", "--xattr-policy=none");
	assert_int_equal(options.policy.xattrs, XATTR_POLICY_NONE);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_usage("--xattr-policy", COMPLETE, "--xattr-policy", wrong[i]);
}

static void the_last_of_several_counts(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "-u", "1", "-u", "2", "-p", "/other");
	assert_int_equal(options.uid, 2);
	assert_string_equal(options.path, "/other");
}

static void the_longest_name_of_a_socket_is_accepted(void **state)
{
	char name[109];

	(void)state;
	memset(name, 'n', sizeof name);
	name[107] = '\0';
	assert_runs("-p", "/export", "-s", name);
	name[107] = 'n';
	name[108] = '\0';
	assert_usage("--socket", "-p", "/export", "-s", name);
	assert_non_null(strstr(err, "107"));
}

/* --- what is refused ----------------------------------------------------------------------------------------- */

/* What atoi(3) takes for a number, and what only looks like one. */
static const char *const no_numbers[] = {
	"", " ", "1x", "x1", "-1", "+1", " 5", "5 ", "\t5", "0x10", "1e3", "1.0", "1,000", "--", "-",
	"99999999999", "99999999999999999999999", "18446744073709551616", "18446744073709551617",
};

static void ids_are_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(no_numbers); i++) {
		assert_usage("--uid", COMPLETE, "-u", no_numbers[i]);
		assert_usage("--uid", COMPLETE, "--uid", no_numbers[i]);
		assert_usage("--gid", COMPLETE, "-g", no_numbers[i]);
		assert_usage("--gid", COMPLETE, "--gid", no_numbers[i]);
	}
}

static void the_id_of_nobody_is_refused(void **state)
{
	(void)state;
	assert_usage("--uid '4294967295'", COMPLETE, "-u", "4294967295");
	assert_usage("--gid '4294967295'", COMPLETE, "-g", "4294967295");
	assert_usage("--uid '4294967296'", COMPLETE, "-u", "4294967296");
	assert_usage("--gid '4294967296'", COMPLETE, "-g", "4294967296");
}

static void unknown_names_are_refused(void **state)
{
	(void)state;
	assert_usage("--uid 'no-such-user'", COMPLETE, "-u", "no-such-user");
	assert_usage("--gid 'no-such-group'", COMPLETE, "-g", "no-such-group");
}

static void descriptors_and_counts_are_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(no_numbers); i++) {
		assert_usage("--fd", "-p", "/export", "-f", no_numbers[i]);
		assert_usage("--fd", "-p", "/export", "--fd", no_numbers[i]);
		assert_usage("--ready-fd", COMPLETE, "--ready-fd", no_numbers[i]);
		assert_usage("--max-clients", COMPLETE, "--max-clients", no_numbers[i]);
		assert_usage("--threads", COMPLETE, "--threads", no_numbers[i]);
		assert_usage("--busy-poll", COMPLETE, "--busy-poll", no_numbers[i]);
		assert_usage("--rlimit-nofile", COMPLETE, "--rlimit-nofile", no_numbers[i]);
	}
	assert_usage("--fd 'abc'", "-p", "/export", "-f", "abc");
	assert_usage("--fd '2147483648'", "-p", "/export", "-f", "2147483648");
	assert_runs("-p", "/export", "-f", "2147483647");
}

static void what_is_missing_is_named(void **state)
{
	(void)state;
	assert_usage("--path", NULL);
	assert_usage("--path", "-s", "/run/socket");
	assert_usage("--path", "-n");
	assert_usage("--socket", "-p", "/export");
	assert_usage("--fd", "-p", "/export", "-n", "-u", "1");
}

static void socket_and_descriptor_exclude_each_other(void **state)
{
	(void)state;
	assert_usage("--socket", COMPLETE, "-f", "3");
	assert_usage("--fd", COMPLETE, "-f", "3");
	assert_usage("--fd", "-f", "0", COMPLETE);
}

static void what_is_no_option_is_named(void **state)
{
	(void)state;
	assert_usage("extra", COMPLETE, "extra");
	assert_usage("extra", "extra", COMPLETE);
	assert_usage("--unknown", COMPLETE, "--unknown");
	assert_usage("'x'", COMPLETE, "-x");
	assert_usage("nodaemon", COMPLETE, "--nodaemon=yes");
	assert_usage("readonly", COMPLETE, "--readonly=no");
}

static void an_option_without_its_argument_is_named(void **state)
{
	static const char *const long_names[] = { "--path", "--socket", "--fd", "--uid", "--gid", "--ready-fd", "--pid-file", "--max-clients",
		                                      "--threads", "--busy-poll", "--xattr-policy", "--rlimit-nofile", "--allow-uid",
		                                 "--ready-fd", "--pid-file" };
	static const char *const short_names[] = { "-p", "-s", "-f", "-u", "-g" };

	(void)state;
	for (size_t i = 0; i < COUNT(long_names); i++)
		assert_usage(long_names[i], COMPLETE, long_names[i]);
	for (size_t i = 0; i < COUNT(short_names); i++)
		assert_usage(short_names[i] + 1, COMPLETE, short_names[i]);
}

/* --- help and version ---------------------------------------------------------------------------------------- */

static void assert_printed(const char *const *texts, size_t count)
{
	assert_string_equal(err, "");
	for (size_t i = 0; i < count; i++)
		if (!strstr(out, texts[i]))
			fail_msg("there is no %s in \"%s\"", texts[i], out);
}

static void help_names_every_option(void **state)
{
	static const char *const texts[] = { "-p, --path",     "-f, --fd",   "-s, --socket", "-u, --uid", "-g, --gid",
		                                 "-n, --nodaemon", "-h, --help", "--version",    "--threads", "--max-clients",
		                                 "--busy-poll",    "--readonly", "--no-devices", "--no-setid",
		                                 "--xattr-policy", "--utime-quirk", "--rlimit-nofile", "--allow-uid",
		                                 "--control",      "--log-level" };

	(void)state;
	assert_int_equal(parse("-h"), OPTIONS_DONE);
	assert_printed(texts, COUNT(texts));
	assert_int_equal(parse("--help"), OPTIONS_DONE);
	assert_printed(texts, COUNT(texts));
	assert_int_equal(parse(COMPLETE, "--help", "--unknown"), OPTIONS_DONE);
	assert_printed(texts, COUNT(texts));
}

static void version_names_the_program(void **state)
{
	static const char *const texts[] = { "virtfs-proxy-helper ", "\n" };

	(void)state;
	assert_int_equal(parse("--version"), OPTIONS_DONE);
	assert_printed(texts, COUNT(texts));
	assert_in_range(out[strlen(texts[0])], '0', '9');
}

static void the_log_has_levels(void **state)
{
	(void)state;
	assert_runs(COMPLETE);
	assert_int_equal(options.log_level, LOG_INFO);
	assert_runs(COMPLETE, "--log-level", "error");
	assert_int_equal(options.log_level, LOG_ERR);
	assert_runs(COMPLETE, "--log-level=warn");
	assert_int_equal(options.log_level, LOG_WARNING);
	assert_runs(COMPLETE, "--log-level=debug", "--log-level=info");
	assert_int_equal(options.log_level, LOG_INFO);
	assert_runs(COMPLETE, "--log-level=debug");
	assert_int_equal(options.log_level, LOG_DEBUG);
	assert_usage("--log-level", COMPLETE, "--log-level=7");
	assert_usage("--log-level", COMPLETE, "--log-level", "");
}

static void the_control_socket_is_another_one(void **state)
{
	char name[109];

	(void)state;
	assert_runs(COMPLETE);
	assert_null(options.control);
	assert_runs(COMPLETE, "--control", "control");
	assert_string_equal(options.control, "control");
	assert_usage("--control", "-p", "dir", "-s", "one", "--control", "one");
	memset(name, 'c', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_usage("107", COMPLETE, "--control", name);
	name[107] = '\0';
	assert_runs(COMPLETE, "--control", name);
}

static void a_request_is_stuck_after_seconds(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--stuck-after", "0");
	assert_int_equal(options.stuck_seconds, 0);
	assert_runs(COMPLETE, "--stuck-after=86400");
	assert_int_equal(options.stuck_seconds, 86400);
	assert_usage("--stuck-after", COMPLETE, "--stuck-after=86401");
	assert_usage("--stuck-after", COMPLETE, "--stuck-after=1s");
}

static void a_crash_limit_has_two_numbers(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--crash-limit", "0/1");
	assert_int_equal(options.crash_count, 0);
	assert_int_equal(options.crash_seconds, 1);
	assert_runs(COMPLETE, "--crash-limit=1000/86400");
	assert_int_equal(options.crash_count, 1000);
	assert_int_equal(options.crash_seconds, 86400);
	assert_usage("COUNT/SECONDS", COMPLETE, "--crash-limit=60");
	assert_usage("COUNT/SECONDS", COMPLETE, "--crash-limit=10/");
}

static void confinement_is_chosen_by_words(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--sandbox", "namespace", "--seccomp=log");
	assert_int_equal(options.confinement.kind, SANDBOX_NAMESPACE);
	assert_int_equal(options.confinement.seccomp, SECCOMP_LOG);
	assert_runs(COMPLETE, "--sandbox=chroot", "--seccomp", "off");
	assert_int_equal(options.confinement.kind, SANDBOX_CHROOT);
	assert_int_equal(options.confinement.seccomp, SECCOMP_OFF);
	assert_runs(COMPLETE, "--sandbox=chroot", "--sandbox=auto", "--seccomp=off", "--seccomp=kill");
	assert_int_equal(options.confinement.kind, SANDBOX_AUTO);
	assert_int_equal(options.confinement.seccomp, SECCOMP_KILL);
	assert_usage("--sandbox", COMPLETE, "--sandbox=none");
	assert_usage("--seccomp", COMPLETE, "--seccomp=");
}

static void ids_are_mapped_whole_and_in_a_namespace(void **state)
{
	(void)state;
	assert_runs(COMPLETE, "--idmap", "uid:0:100000:65536", "--idmap=gid:0:100000:65536");
	assert_int_equal(options.confinement.idmap.uids.count, 1);
	assert_int_equal(options.confinement.idmap.gids.range[0].host, 100000);
	assert_usage("both user and group", COMPLETE, "--idmap", "gid:0:100000:65536");
	assert_usage("--sandbox=namespace", COMPLETE, "--idmap=both:0:1:1", "--sandbox=chroot");
	assert_usage("overlap", COMPLETE, "--idmap=both:0:1:1,both:0:2:1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_as_documented),
		cmocka_unit_test(every_option_has_a_short_form),
		cmocka_unit_test(every_option_has_a_long_form),
		cmocka_unit_test(readiness_is_told_in_two_ways),
		cmocka_unit_test(a_service_manager_may_bring_the_socket),
		cmocka_unit_test(the_command_of_lxd_and_incus_is_accepted),
		cmocka_unit_test(users_and_groups_have_names),
		cmocka_unit_test(users_and_groups_have_numbers),
		cmocka_unit_test(counts_have_bounds),
		cmocka_unit_test(looking_is_automatic_off_or_a_time),
		cmocka_unit_test(users_to_serve_are_a_list),
		cmocka_unit_test(the_list_of_users_to_serve_has_an_end),
		cmocka_unit_test(what_guests_may_do_is_said_one_by_one),
		cmocka_unit_test(attributes_are_the_hosts_all_or_none),
		cmocka_unit_test(the_last_of_several_counts),
		cmocka_unit_test(the_longest_name_of_a_socket_is_accepted),
		cmocka_unit_test(ids_are_read_strictly),
		cmocka_unit_test(the_id_of_nobody_is_refused),
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(descriptors_and_counts_are_read_strictly),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(socket_and_descriptor_exclude_each_other),
		cmocka_unit_test(what_is_no_option_is_named),
		cmocka_unit_test(an_option_without_its_argument_is_named),
		cmocka_unit_test(help_names_every_option),
		cmocka_unit_test(version_names_the_program),
		cmocka_unit_test(the_log_has_levels),
		cmocka_unit_test(the_control_socket_is_another_one),
		cmocka_unit_test(a_crash_limit_has_two_numbers),
		cmocka_unit_test(a_request_is_stuck_after_seconds),
		cmocka_unit_test(confinement_is_chosen_by_words),
		cmocka_unit_test(ids_are_mapped_whole_and_in_a_namespace),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}

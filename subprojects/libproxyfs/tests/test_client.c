/* SPDX-License-Identifier: MIT */
/* What each function of the client sends, and what it makes of an honest reply. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <proxyfs/client.h>

#include "peer.h"

#define OPEN_REPLY { D(0x7fffffff) }
#define STATUS_REPLY { D(0), D(4), D(0) }

/* What calls have stored, for the rows below to look at. */
static union {
	struct stat stat;
	struct statfs statfs;
	uint64_t version;
	char bytes[100];
} out;

struct row {
	const char *name;
	long (*call)(struct proxyfs_client *client);
	struct part request[PARTS_MAX];
	struct script success;
	long result;
	void (*check_out)(void);
};

static long call_open(struct proxyfs_client *client)
{
	return proxyfs_open(client, "//dir/file", 0x14131211);
}

static long call_create(struct proxyfs_client *client)
{
	return proxyfs_create(client, "//dir/file", 0x14131211, 0x24232221, 0x34333231, 0x44434241);
}

static long call_mknod(struct proxyfs_client *client)
{
	return proxyfs_mknod(client, "//dir/file", 0x24232221, 0x6867666564636261, 0x34333231, 0x44434241);
}

static long call_mkdir(struct proxyfs_client *client)
{
	return proxyfs_mkdir(client, "//dir/file", 0x24232221, 0x34333231, 0x44434241);
}

static long call_symlink(struct proxyfs_client *client)
{
	return proxyfs_symlink(client, "../target", "//dir/file", 0x34333231, 0x44434241);
}

static long call_link(struct proxyfs_client *client)
{
	return proxyfs_link(client, "//dir/file", "//dir/renamed");
}

static long call_lstat(struct proxyfs_client *client)
{
	return proxyfs_lstat(client, "//dir/file", &out.stat);
}

static long call_readlink(struct proxyfs_client *client)
{
	return proxyfs_readlink(client, "//dir/file", out.bytes, 10);
}

static long call_statfs(struct proxyfs_client *client)
{
	return proxyfs_statfs(client, "//dir/file", &out.statfs);
}

static long call_chmod(struct proxyfs_client *client)
{
	return proxyfs_chmod(client, "//dir/file", 0x24232221);
}

static long call_chown(struct proxyfs_client *client)
{
	return proxyfs_chown(client, "//dir/file", 0x34333231, (gid_t)-1);
}

static long call_truncate(struct proxyfs_client *client)
{
	return proxyfs_truncate(client, "//dir/file", 0x7877767574737271);
}

static long call_utime(struct proxyfs_client *client)
{
	const struct timespec times[2] = { { 0x5857565554535251, 0x11121314 }, { -2, 0x21222324 } };

	return proxyfs_utime(client, "//dir/file", times);
}

static long call_rename(struct proxyfs_client *client)
{
	return proxyfs_rename(client, "//dir/file", "//dir/renamed");
}

static long call_remove(struct proxyfs_client *client)
{
	return proxyfs_remove(client, "//dir/file");
}

static long call_lgetxattr(struct proxyfs_client *client)
{
	return proxyfs_lgetxattr(client, "//dir/file", "user.comment", out.bytes, 6);
}

static long call_lgetxattr_length(struct proxyfs_client *client)
{
	return proxyfs_lgetxattr(client, "//dir/file", "user.comment", NULL, 0);
}

static long call_llistxattr(struct proxyfs_client *client)
{
	return proxyfs_llistxattr(client, "//dir/file", out.bytes, 14);
}

static long call_llistxattr_length(struct proxyfs_client *client)
{
	return proxyfs_llistxattr(client, "//dir/file", NULL, 0);
}

static long call_lsetxattr(struct proxyfs_client *client)
{
	return proxyfs_lsetxattr(client, "//dir/file", "user.comment", "\0val\xff", 6, 0x14131211);
}

static long call_lsetxattr_empty(struct proxyfs_client *client)
{
	return proxyfs_lsetxattr(client, "//dir/file", "user.comment", NULL, 0, 0);
}

static long call_lremovexattr(struct proxyfs_client *client)
{
	return proxyfs_lremovexattr(client, "//dir/file", "user.comment");
}

static long call_getversion(struct proxyfs_client *client)
{
	return proxyfs_getversion(client, "//dir/file", &out.version);
}

static void check_stat(void)
{
	assert_int_equal(out.stat.st_dev, 0x04030201);
	assert_int_equal(out.stat.st_ino, 0x14131211);
	assert_int_equal(out.stat.st_nlink, 0x2221);
	assert_int_equal(out.stat.st_mode, 0x34333231);
	assert_int_equal(out.stat.st_uid, 0x44434241);
	assert_int_equal(out.stat.st_gid, 0x54535251);
	assert_int_equal(out.stat.st_rdev, 0x64636261);
	assert_int_equal(out.stat.st_size, 0x7877767574737271);
	assert_int_equal(out.stat.st_blksize, 0x8281);
	assert_int_equal(out.stat.st_blocks, 0x94939291);
	assert_int_equal(out.stat.st_atim.tv_sec, -3);
	assert_int_equal(out.stat.st_atim.tv_nsec, 0x11121314);
	assert_int_equal(out.stat.st_mtim.tv_sec, 0x5857565554535251);
	assert_int_equal(out.stat.st_mtim.tv_nsec, 0x21222324);
	assert_int_equal(out.stat.st_ctim.tv_sec, 0x6867666564636261);
	assert_int_equal(out.stat.st_ctim.tv_nsec, 0x31323334);
}

static void check_statfs(void)
{
	static const uint32_t fsid[2] = { 0x74737271, 0x84838281 };

	assert_int_equal(out.statfs.f_type, 0x04030201);
	assert_int_equal(out.statfs.f_bsize, 0x14131211);
	assert_int_equal(out.statfs.f_blocks, 0x24232221);
	assert_int_equal(out.statfs.f_bfree, 0x34333231);
	assert_int_equal(out.statfs.f_bavail, 0x44434241);
	assert_int_equal(out.statfs.f_files, 0x54535251);
	assert_int_equal(out.statfs.f_ffree, 0x64636261);
	assert_memory_equal(&out.statfs.f_fsid, fsid, sizeof fsid);
	assert_int_equal(out.statfs.f_namelen, 0x2423);
	assert_int_equal(out.statfs.f_frsize, 0x2625);
}

static void check_target(void)
{
	assert_memory_equal(out.bytes, "../target\0\xa5", 11);
}

static void check_value(void)
{
	assert_memory_equal(out.bytes, "\0val\xff\0\xa5", 7);
}

static void check_names(void)
{
	assert_memory_equal(out.bytes, "user.a\0user.b\0\xa5", 15);
}

static void check_version(void)
{
	assert_int_equal(out.version, 0x8877665544332211);
}

static const struct row rows[] = {
	{ "open", call_open, { D(2), D(17), S("//dir/file\0"), D(0x14131211) },
	  { OPEN_REPLY, .descriptors = 1 }, 0, NULL },
	{ "create", call_create,
	  { D(3), D(28), S("//dir/file"), D(0x14131211 | O_CREAT), D(0x24232221), D(0x34333231), D(0x44434241) },
	  { OPEN_REPLY, .descriptors = 1 }, 0, NULL },
	{ "mknod", call_mknod,
	  { D(4), D(32), D(0x34333231), D(0x44434241), S("//dir/file"), D(0x24232221), Q(0x6867666564636261) },
	  { STATUS_REPLY }, 0, NULL },
	{ "mkdir", call_mkdir, { D(5), D(24), D(0x34333231), D(0x44434241), S("//dir/file"), D(0x24232221) },
	  { STATUS_REPLY }, 0, NULL },
	{ "symlink", call_symlink, { D(6), D(31), D(0x34333231), D(0x44434241), S("../target"), S("//dir/file") },
	  { STATUS_REPLY }, 0, NULL },
	{ "link", call_link, { D(7), D(28), S("//dir/file\0"), S("//dir/renamed") }, { STATUS_REPLY }, 0, NULL },
	{ "lstat", call_lstat, { D(8), D(13), S("//dir/file\0") },
	  { { D(0), D(116), Q(0x04030201), Q(0x14131211), Q(0x2221), D(0x34333231), D(0x44434241), D(0x54535251),
	      Q(0x64636261), Q(0x7877767574737271), Q(0x8281), Q(0x94939291), Q(-3), Q(0x11121314),
	      Q(0x5857565554535251), Q(0x21222324), Q(0x6867666564636261), Q(0x31323334) } },
	  0, check_stat },
	{ "readlink", call_readlink, { D(9), D(17), S("//dir/file\0"), D(10) }, { { D(0), D(11), S("../target") } },
	  9, check_target },
	{ "statfs", call_statfs, { D(10), D(13), S("//dir/file\0") },
	  { { D(0), D(88), Q(0x04030201), Q(0x14131211), Q(0x24232221), Q(0x34333231), Q(0x44434241), Q(0x54535251),
	      Q(0x64636261), Q(0x74737271), Q(0x8483828184838281), Q(0x2423), Q(0x2625) } },
	  0, check_statfs },
	{ "chmod", call_chmod, { D(11), D(17), S("//dir/file\0"), D(0x24232221) }, { STATUS_REPLY }, 0, NULL },
	{ "chown", call_chown, { D(12), D(21), S("//dir/file\0"), D(0x34333231), D(0xffffffff) }, { STATUS_REPLY },
	  0, NULL },
	{ "truncate", call_truncate, { D(13), D(21), S("//dir/file\0"), Q(0x7877767574737271) }, { STATUS_REPLY },
	  0, NULL },
	{ "utime", call_utime,
	  { D(14), D(45), S("//dir/file\0"), Q(0x5857565554535251), Q(0x11121314), Q(-2), Q(0x21222324) },
	  { STATUS_REPLY }, 0, NULL },
	{ "rename", call_rename, { D(15), D(27), S("//dir/file"), S("//dir/renamed") }, { STATUS_REPLY }, 0, NULL },
	{ "remove", call_remove, { D(16), D(12), S("//dir/file") }, { STATUS_REPLY }, 0, NULL },
	{ "lgetxattr", call_lgetxattr, { D(17), D(31), D(6), S("//dir/file\0"), S("user.comment") },
	  { { D(0), D(8), B("\0val\xff\0") } }, 6, check_value },
	{ "lgetxattr of an empty value", call_lgetxattr, { D(17), D(31), D(6), S("//dir/file\0"), S("user.comment") },
	  { { D(0), D(2), B("") } }, 0, NULL },
	{ "lgetxattr of a length", call_lgetxattr_length, { D(17), D(31), D(0), S("//dir/file\0"), S("user.comment") },
	  { { D(0), D(4), D(0x3231) } }, 0x3231, NULL },
	{ "llistxattr", call_llistxattr, { D(18), D(17), D(14), S("//dir/file\0") },
	  { { D(0), D(16), B("user.a\0user.b\0") } }, 14, check_names },
	{ "llistxattr of a length", call_llistxattr_length, { D(18), D(17), D(0), S("//dir/file\0") },
	  { { D(0), D(4), D(0x3231) } }, 0x3231, NULL },
	{ "lsetxattr", call_lsetxattr,
	  { D(19), D(43), S("//dir/file\0"), S("user.comment"), B("\0val\xff\0"), D(6), D(0x14131211) },
	  { STATUS_REPLY }, 0, NULL },
	{ "lsetxattr of an empty value", call_lsetxattr_empty,
	  { D(19), D(37), S("//dir/file\0"), S("user.comment"), B(""), D(0), D(0) }, { STATUS_REPLY }, 0, NULL },
	{ "lremovexattr", call_lremovexattr, { D(20), D(27), S("//dir/file\0"), S("user.comment") }, { STATUS_REPLY },
	  0, NULL },
	{ "getversion", call_getversion, { D(21), D(13), S("//dir/file\0") },
	  { { D(0), D(8), Q(0x8877665544332211) } }, 0, check_version },
};

#define ROWS (sizeof rows / sizeof rows[0])

static void assert_success(struct peer *peer, const struct row *row, const struct script *script)
{
	long result;

	memset(&out, 0xa5, sizeof out);
	result = peer_play(peer, script, row->call);
	assert_received(peer, row->request);
	if (row->success.descriptors)
		assert_passed(peer, result);
	else
		assert_int_equal(result, row->result);
	if (row->check_out)
		row->check_out();
	assert_int_equal(proxyfs_client_error(peer->client), 0);
	assert_nothing_more_sent(peer);
}

static void succeeds(void **state)
{
	struct peer *peer = *state;
	const struct row *row = peer->subject;

	assert_success(peer, row, &row->success);
}

/* The reply's bytes come one by one; all of an fd reply come together, by the protocol. */
static void waits_for_all_of_its_reply(void **state)
{
	struct peer *peer = *state;
	const struct row *row = peer->subject;
	struct script script = row->success;

	script.in_pieces = script.descriptors == 0;
	assert_success(peer, row, &script);
}

static void survives_a_signal(void **state)
{
	struct peer *peer = *state;
	const struct row *row = peer->subject;
	struct script script = row->success;

	script.interrupts = true;
	assert_success(peer, row, &script);
}

/* An errno of the helper's is the caller's matter: what was to be stored is left alone, and the client goes on. */
static void passes_on_an_errno(void **state)
{
	static const struct script headed = { .reply = { D(1), D(4), D(-13) } };
	static const struct script bare = { .reply = { D(-13) } };
	static char untouched[sizeof out];
	struct peer *peer = *state;
	const struct row *row = peer->subject;

	memset(&out, 0xa5, sizeof out);
	memset(untouched, 0xa5, sizeof untouched);
	assert_int_equal(peer_play(peer, row->success.descriptors ? &bare : &headed, row->call), -13);
	assert_received(peer, row->request);
	assert_memory_equal(&out, untouched, sizeof out);
	assert_int_equal(proxyfs_client_error(peer->client), 0);
	assert_success(peer, row, &row->success);
}

static const struct {
	const char *name;
	CMUnitTestFunction function;
} checks[] = {
	{ "succeeds", succeeds },
	{ "waits for all of its reply", waits_for_all_of_its_reply },
	{ "survives a signal", survives_a_signal },
	{ "passes on an errno", passes_on_an_errno },
};

#define CHECKS (sizeof checks / sizeof checks[0])

int main(void)
{
	static char names[ROWS * CHECKS][64];
	static struct CMUnitTest tests[ROWS * CHECKS];

	for (size_t i = 0; i < ROWS * CHECKS; i++) {
		const struct row *row = &rows[i / CHECKS];

		snprintf(names[i], sizeof names[i], "%s %s", row->name, checks[i % CHECKS].name);
		tests[i] = (struct CMUnitTest){ names[i], checks[i % CHECKS].function, peer_setup, peer_teardown,
			                        (void *)(uintptr_t)row };
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

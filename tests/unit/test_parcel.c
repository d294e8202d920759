/* SPDX-License-Identifier: MIT */
/* monitor/parcel.c: what one program writes the next one reads, or takes nothing. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "log_capture.h"
#include "monitor/parcel.h"

struct content {
	uint64_t number;
	const char *text, *nothing;
	int fd, none;
};

static void pass(struct parcel *parcel, struct content *content)
{
	PARCEL_PASS(parcel, content->number);
	parcel_pass_text(parcel, &content->text);
	parcel_pass_text(parcel, &content->nothing);
	parcel_pass_fd(parcel, &content->fd);
	parcel_pass_fd(parcel, &content->none);
}

/* Returns a descriptor of the memory. */
static int write_content(struct content *content)
{
	struct parcel parcel;
	int fd;

	parcel_create(&parcel);
	pass(&parcel, content);
	fd = parcel_seal(&parcel);
	assert_true(fd >= 0);
	fd = dup(fd);
	parcel_finish(&parcel);
	return fd;
}

static struct content example(void)
{
	return (struct content){ .number = UINT64_MAX - 1, .text = "a text", .fd = open("/dev/null", O_RDONLY), .none = -1 };
}

static void forget(struct content *content)
{
	parcel_free_text(&content->text);
	parcel_free_text(&content->nothing);
}

static void what_is_written_is_read(void **state)
{
	struct content written = example(), found = { .none = 7 };
	struct parcel parcel;
	int fd = write_content(&written);

	(void)state;
	parcel_open(&parcel, fd);
	pass(&parcel, &found);
	assert_int_equal(parcel.error, 0);
	assert_true(found.number == written.number);
	assert_string_equal(found.text, "a text");
	assert_null(found.nothing);
	assert_int_equal(found.fd, written.fd);
	assert_int_equal(found.none, -1);
	forget(&found);
	parcel_finish(&parcel);
	assert_int_equal(fcntl(written.fd, F_GETFD), FD_CLOEXEC);
	close(written.fd);
}

static void descriptors_survive_only_when_they_are_told_to(void **state)
{
	struct content content = example();
	struct parcel parcel;

	(void)state;
	parcel_create(&parcel);
	pass(&parcel, &content);
	assert_true(parcel_seal(&parcel) >= 0);
	for (int survive = 0; survive < 2; survive++) {
		parcel_survive(&parcel, survive);
		assert_int_equal(fcntl(content.fd, F_GETFD), survive ? 0 : FD_CLOEXEC);
		assert_int_equal(fcntl(parcel_seal(&parcel), F_GETFD), survive ? 0 : FD_CLOEXEC);
	}
	parcel_finish(&parcel);
	close(content.fd);
}

/* Wherever it ends: nothing is made up, and nothing after it is read. */
static void what_is_cut_short_is_no_parcel(void **state)
{
	struct content written = example();
	int whole = write_content(&written);
	off_t size = lseek(whole, 0, SEEK_END);

	(void)state;
	for (off_t cut = 0; cut < size; cut++) {
		struct content found = { .none = 7 };
		struct parcel parcel;
		int fd = write_content(&written);

		assert_int_equal(ftruncate(fd, cut), 0);
		parcel_open(&parcel, fd);
		pass(&parcel, &found);
		assert_int_equal(parcel.error, -EPROTO);
		forget(&found);
		parcel_finish(&parcel);
	}
	close(whole);
	close(written.fd);
}

static void another_version_is_refused_and_named(void **state)
{
	struct content written = example(), found;
	int fd = write_content(&written);
	const uint32_t version = PARCEL_VERSION + 1;
	struct parcel parcel;

	(void)state;
	log_capture_reset();
	assert_int_equal(pwrite(fd, &version, sizeof version, 12), sizeof version);
	parcel_open(&parcel, fd);
	assert_int_equal(parcel.error, -EPROTO);
	assert_int_equal(log_capture_count(), 1);
	pass(&parcel, &found);
	assert_true(found.number == 0);
	assert_null(found.text);
	assert_int_equal(found.fd, -1);
	parcel_finish(&parcel);
	close(written.fd);
}

static void a_text_of_another_size_than_it_has_is_refused(void **state)
{
	static const uint32_t sizes[] = { PARCEL_TEXT_MAX + 1, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct content written = example(), found;
		int fd = write_content(&written);
		struct parcel parcel;

		/* behind the header, of 28 bytes, and the number */
		assert_int_equal(pwrite(fd, &sizes[i], sizeof sizes[i], 28 + 4 + 8), sizeof sizes[i]);
		parcel_open(&parcel, fd);
		pass(&parcel, &found);
		assert_int_not_equal(parcel.error, 0);
		forget(&found);
		parcel_finish(&parcel);
		close(written.fd);
	}
}

static void a_descriptor_that_is_not_there_is_refused(void **state)
{
	struct content written = example(), found;
	struct parcel parcel;
	int fd = write_content(&written);

	(void)state;
	close(written.fd);
	parcel_open(&parcel, fd);
	pass(&parcel, &found);
	assert_int_equal(parcel.error, -EBADF);
	forget(&found);
	parcel_finish(&parcel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(descriptors_survive_only_when_they_are_told_to),
		cmocka_unit_test(what_is_cut_short_is_no_parcel),
		cmocka_unit_test(another_version_is_refused_and_named),
		cmocka_unit_test(a_text_of_another_size_than_it_has_is_refused),
		cmocka_unit_test(a_descriptor_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests_name("parcel", tests, NULL, NULL);
}

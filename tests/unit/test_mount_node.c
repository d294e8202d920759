/* SPDX-License-Identifier: MIT */
/* What the kernel knows, and which paths that makes. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mount/handle.h"
#include "mount/node.h"

static struct nodes nodes;

static struct node *find(struct node *parent, const char *text, ino_t ino, mode_t type, nlink_t links)
{
	struct stat found = { .st_dev = 1, .st_ino = ino, .st_mode = type | 0644, .st_nlink = links };
	struct node *node = node_found(&nodes, parent, text, &found);

	assert_non_null(node);
	return node;
}

static void assert_path(const struct node *node, const char *expected)
{
	char path[PATH_MAX];

	assert_int_equal(node_path(&nodes, node, NULL, path), 0);
	assert_string_equal(path, expected);
}

static void assert_no_path(const struct node *node, int error)
{
	char path[PATH_MAX];

	assert_int_equal(node_path(&nodes, node, NULL, path), error);
}

static int set_up(void **state)
{
	(void)state;
	return nodes_init(&nodes, &(struct stat){ .st_dev = 1, .st_ino = 1, .st_mode = S_IFDIR });
}

/* Whatever a test has left is what the kernel would have forgotten: the sanitizer finds what is lost. */
static int tear_down(void **state)
{
	unsigned left = 0;

	(void)state;
	for (unsigned i = 0; i < NODE_BUCKETS; i++)
		left += nodes.by_name[i] != NULL;
	free(nodes.by_inode);
	free(nodes.by_name);
	return (int)left + (nodes.root.below != 0);
}

static void paths_follow_directories(void **state)
{
	struct node *a = find(&nodes.root, "a", 2, S_IFDIR, 2), *b = find(a, "b", 3, S_IFDIR, 2);
	struct node *file = find(b, "f", 4, S_IFREG, 1);
	char path[PATH_MAX];

	(void)state;
	assert_path(&nodes.root, "/");
	assert_path(file, "/a/b/f");
	assert_int_equal(node_path(&nodes, b, "new", path), 0);
	assert_string_equal(path, "/a/b/new");
	node_moved(&nodes, a, "b", &nodes.root, "c");
	assert_path(file, "/c/f");
	node_forget(&nodes, a, 1);
	node_forget(&nodes, b, 1);
	assert_path(file, "/c/f"); /* what is below keeps it */
	node_forget(&nodes, file, 1);
}

static void same_inode_is_the_same_node(void **state)
{
	struct node *node = find(&nodes.root, "a", 2, S_IFREG, 2);

	(void)state;
	assert_ptr_equal(find(&nodes.root, "b", 2, S_IFREG, 2), node);
	assert_path(node, "/b");
	node_removed(&nodes, &nodes.root, "b");
	assert_path(node, "/a");
	assert_ptr_not_equal(find(&nodes.root, "pipe", 2, S_IFIFO, 1), node); /* a number that is used again */
	node_forget(&nodes, find(&nodes.root, "pipe", 2, S_IFIFO, 1), 2);
	node_forget(&nodes, node, 2);
}

static void names_of_the_past_are_dropped(void **state)
{
	struct node *node = NULL;
	char name[20];

	(void)state;
	for (int i = 0; i < 100; i++) { /* others rename it on and on */
		snprintf(name, sizeof name, "name%d", i);
		node = find(&nodes.root, name, 2, S_IFREG, 2);
	}
	assert_path(node, "/name99");
	assert_int_equal(nodes.root.below, 2);
	node_forget(&nodes, node, 100);
}

static void another_inode_takes_the_name(void **state)
{
	struct node *old = find(&nodes.root, "a", 2, S_IFREG, 1), *new = find(&nodes.root, "a", 3, S_IFREG, 1);

	(void)state;
	assert_ptr_not_equal(old, new);
	assert_no_path(old, -ESTALE);
	assert_path(new, "/a");
	node_moved(&nodes, &nodes.root, "a", &nodes.root, "a");
	assert_path(new, "/a");
	node_forget(&nodes, old, 1);
	node_forget(&nodes, new, 1);
}

static void number_of_a_replaced_inode_is_free(void **state)
{
	struct node *old = find(&nodes.root, "a", 2, S_IFREG, 1), *new = find(&nodes.root, "n", 3, S_IFREG, 1), *other;

	(void)state;
	node_moved(&nodes, &nodes.root, "n", &nodes.root, "a");
	assert_path(new, "/a");
	assert_no_path(old, -ESTALE);
	other = find(&nodes.root, "b", 2, S_IFREG, 1);
	assert_ptr_not_equal(other, old);
	node_forget(&nodes, old, 1);
	node_forget(&nodes, new, 1);
	node_forget(&nodes, other, 1);
}

static void number_of_a_removed_inode_is_free(void **state)
{
	struct node *old = find(&nodes.root, "a", 2, S_IFREG, 1), *new;

	(void)state;
	node_removed(&nodes, &nodes.root, "a");
	new = find(&nodes.root, "b", 2, S_IFREG, 1);
	assert_ptr_not_equal(old, new);
	node_forget(&nodes, old, 1);
	assert_path(new, "/b");
	node_missed(&nodes, &nodes.root, "b"); /* others have renamed it */
	assert_ptr_equal(find(&nodes.root, "c", 2, S_IFREG, 1), new);
	node_forget(&nodes, new, 2);
}

static void open_file_keeps_its_node(void **state)
{
	struct node *node = find(&nodes.root, "a", 2, S_IFREG, 1);
	struct handle *handle = handle_create(&nodes, node, dup(STDIN_FILENO), O_RDONLY), *borrowed;
	int fd = handle->fd;

	(void)state;
	node_removed(&nodes, &nodes.root, "a");
	node_forget(&nodes, node, 1);
	assert_ptr_equal(find(&nodes.root, "b", 2, S_IFREG, 1), node); /* it is still that inode */
	assert_null(handle_borrow(&nodes, node, true));
	borrowed = handle_borrow(&nodes, node, false);
	assert_ptr_equal(borrowed, handle);
	handle_release(&nodes, handle);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	handle_release(&nodes, borrowed);
	assert_true(fcntl(fd, F_GETFD) < 0);
	node_forget(&nodes, node, 1);
}

/* Others can make us believe in a loop, one lookup after the other. */
static void loop_of_directories_has_no_path(void **state)
{
	struct node *a = find(&nodes.root, "a", 2, S_IFDIR, 2), *b = find(a, "b", 3, S_IFDIR, 2);

	(void)state;
	assert_ptr_equal(find(b, "a", 2, S_IFDIR, 2), a);
	assert_no_path(a, -ENAMETOOLONG);
	assert_ptr_equal(find(&nodes.root, "b", 3, S_IFDIR, 2), b);
	assert_path(a, "/b/a");
	node_forget(&nodes, a, 2);
	node_forget(&nodes, b, 2);
}

static void longest_path(void **state)
{
	static char name[256];
	struct node *node = &nodes.root, *all[16];
	char path[PATH_MAX], text[NAME_MAX + 1];

	(void)state;
	memset(name, 'x', 255);
	for (int i = 0; i < 15; i++)
		node = all[i] = find(node, name, (ino_t)i + 2, S_IFDIR, 2);
	assert_int_equal(node_path(&nodes, node, name, path), -ENAMETOOLONG);
	memset(text, 'y', 254);
	text[254] = '\0';
	assert_int_equal(node_path(&nodes, node, text, path), 0);
	assert_int_equal(strlen(path), PATH_MAX - 1);
	for (int i = 0; i < 15; i++)
		node_forget(&nodes, all[i], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_follow_directories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(same_inode_is_the_same_node, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_of_the_past_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_inode_takes_the_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(number_of_a_replaced_inode_is_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(number_of_a_removed_inode_is_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_file_keeps_its_node, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_of_directories_has_no_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(longest_path, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount/filesystem.h"
#include "mount/options.h"

#define THREADS_BESIDES 4U /* for what does not wait for a connection */

/* One line each, as ours are; what libfuse tells at length for its own developers is left out. */
static void log_fuse(enum fuse_log_level level, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void log_fuse(enum fuse_log_level level, const char *format, va_list arguments)
{
	if (level > FUSE_LOG_WARNING)
		return;
	fputs("virtfs-proxy-mount: ", stderr);
	vfprintf(stderr, format, arguments);
}

static int fail(const char *what, const char *name, int error)
{
	fprintf(stderr, "virtfs-proxy-mount: %s %s: %s\n", what, name, strerror(-error));
	return EXIT_FAILURE;
}

/* The kernel shows it as the mount's source. A comma in it would begin another option. */
static int add_source(struct fuse_args *args, const char *socket)
{
	char *option = malloc(2 * strlen(socket) + sizeof "-osubtype=virtfs-proxy,fsname=");
	char *end;
	int failed;

	if (!option)
		return -ENOMEM;
	end = stpcpy(option, "-osubtype=virtfs-proxy,fsname=");
	for (; *socket; socket++) {
		if (*socket == ',' || *socket == '\\')
			*end++ = '\\';
		*end++ = *socket;
	}
	*end = '\0';
	failed = fuse_opt_add_arg(args, option);
	free(option);
	return failed ? -ENOMEM : 0;
}

/* Each directory that the kernel knows, and each open file, is a descriptor. */
static void allow_many_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int open_export(struct filesystem *fs, const struct options *options)
{
	struct stat root;
	int error = pool_create(options->socket, options->connections, options->reconnect, &fs->pool);

	if (error)
		return error;
	fs->timeout = options->cache;
	error = direct_init(&fs->direct, fs->pool, &fs->nodes, options->direct, &root);
	return error ? error : nodes_init(&fs->nodes, &root);
}

static int serve(struct fuse_session *session, struct filesystem *fs, const struct options *options)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int error;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 1); /* threads then do not wait for one another's locks in the kernel */
	fuse_loop_cfg_set_max_threads(config, options->connections + THREADS_BESIDES);
	error = pool_watch(fs->pool);
	if (!error)
		error = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return error > 0 ? 0 : error; /* a signal to end is none */
}

static int mount_and_serve(struct fuse_session *session, struct filesystem *fs, const struct options *options)
{
	int error;

	if (fuse_set_signal_handlers(session))
		return EXIT_FAILURE;
	if (fuse_session_mount(session, options->mountpoint)) {
		fuse_remove_signal_handlers(session);
		return EXIT_FAILURE;
	}
	error = fuse_daemonize(options->foreground) ? -errno : serve(session, fs, options);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	return error ? fail("cannot serve", options->mountpoint, error) : EXIT_SUCCESS;
}

static int run(const struct options *options, struct fuse_args *args)
{
	static struct filesystem fs;
	struct fuse_session *session;
	int error, status;

	allow_many_files();
	umask(0); /* the kernel has applied that of who asks */
	error = open_export(&fs, options);
	if (error)
		return fail("cannot connect to", options->socket, error);
	if (add_source(args, options->socket))
		return fail("cannot mount", options->mountpoint, -ENOMEM);
	session = fuse_session_new(args, &filesystem_operations, sizeof filesystem_operations, &fs);
	if (!session)
		return EXIT_FAILURE;
	status = mount_and_serve(session, &fs, options);
	fuse_session_destroy(session);
	return status;
}

int main(int count, char **words)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct options options;
	int status = EXIT_FAILURE;

	fuse_set_log_func(log_fuse);
	if (fuse_opt_add_arg(&args, words[0]))
		return status;
	switch (options_read(count, words, &options, &args)) {
	case OPTIONS_MOUNT:
		status = run(&options, &args);
		break;
	case OPTIONS_DONE:
		status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		break;
	case OPTIONS_WRONG:
		break;
	}
	fuse_opt_free_args(&args);
	return status;
}

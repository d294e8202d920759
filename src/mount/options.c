/* SPDX-License-Identifier: MIT */
#include "mount/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "mount/filesystem.h"

#define CONNECTIONS_MOST 1024U
#define CACHE_AUTO       1.0 /* seconds */
#define CACHE_MOST       86400.0

static const struct option long_options[] = {
	{ "cache", required_argument, NULL, 'c' },
	{ "connections", required_argument, NULL, 'n' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "no-direct", no_argument, NULL, 'd' },
	{ "no-reconnect", no_argument, NULL, 'r' },
	{ "options", required_argument, NULL, 'o' },
	{ "version", no_argument, NULL, 'v' },
	{ 0 },
};

static void print_help(void)
{
	puts("Usage: virtfs-proxy-mount [OPTION...] SOCKET MOUNTPOINT\n"
	     "\n"
	     "Mounts the export of the virtfs-proxy-helper that listens at SOCKET.\n"
	     "\n"
	     "      --cache HOW         believe names and attributes for: none, auto (1 second), or\n"
	     "                          so many seconds (none)\n"
	     "      --connections N     at most so many to the helper (8)\n"
	     "      --no-direct         leave all names and attributes to the helper\n"
	     "      --no-reconnect      when the helper is gone, fail for ever\n"
	     "  -f, --foreground        stay in the foreground\n"
	     "  -o, --options OPT,...   options of mount(8) and fuse(4); and cache=, connections=,\n"
	     "                          no-direct, no-reconnect\n"
	     "  -h, --help              print this and exit\n"
	     "      --version           print the version and exit\n"
	     "\n"
	     "fusermount3 -u MOUNTPOINT unmounts it. See virtfs-proxy-mount(1).");
}

static bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("virtfs-proxy-mount: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return false;
}

static bool read_cache(const char *text, double *seconds)
{
	char *end;

	*seconds = 0;
	if (!strcmp(text, "none"))
		return true;
	*seconds = CACHE_AUTO;
	if (!strcmp(text, "auto"))
		return true;
	*seconds = strtod(text, &end);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *seconds <= CACHE_MOST)
		return true;
	return wrong("cache is none, auto or a number of seconds up to %.0f, not '%s'", CACHE_MOST, text);
}

static bool read_connections(const char *text, unsigned *connections)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	*connections = (unsigned)number;
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && number >= 1 && number <= CONNECTIONS_MOST)
		return true;
	return wrong("connections is a number from 1 to %u, not '%s'", CONNECTIONS_MOST, text);
}

static bool read_own(int option, const char *value, struct options *options)
{
	switch (option) {
	case 'c':
		return read_cache(value, &options->cache);
	case 'n':
		return read_connections(value, &options->connections);
	case 'd':
		options->direct = false;
		return true;
	case 'r':
		options->reconnect = false;
		return true;
	default:
		options->foreground = true;
		return true;
	}
}

/* What mount(8) and fstab(5) have for themselves, and hands on nevertheless. */
static bool is_for_mount(const char *option)
{
	static const char *const words[] = { "auto", "noauto", "user", "nouser", "users", "group", "owner", "nofail",
		                             "_netdev", "defaults" };

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (!strcmp(option, words[i]))
			return true;
	return !strncmp(option, "x-", 2) || !strncmp(option, "comment=", 8);
}

static bool read_mount_option(const char *option, struct options *options, struct fuse_args *args)
{
	if (!strncmp(option, "cache=", 6))
		return read_own('c', option + 6, options);
	if (!strncmp(option, "connections=", 12))
		return read_own('n', option + 12, options);
	if (!strcmp(option, "no-direct"))
		return read_own('d', NULL, options);
	if (!strcmp(option, "no-reconnect"))
		return read_own('r', NULL, options);
	if (is_for_mount(option) || option[0] == '\0')
		return true;
	if (fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, option))
		return wrong("no memory");
	return true;
}

/* Cuts the list into its options, in place. */
static bool read_mount_options(char *list, struct options *options, struct fuse_args *args)
{
	char *option;

	while ((option = strsep(&list, ",")))
		if (!read_mount_option(option, options, args))
			return false;
	return true;
}

static enum options_verdict read_option(int option, struct options *options, struct fuse_args *args)
{
	bool right;

	switch (option) {
	case 'h':
		print_help();
		return OPTIONS_DONE;
	case 'v':
		puts("virtfs-proxy-mount " VERSION);
		return OPTIONS_DONE;
	case '?': /* getopt_long(3) has said what is wrong */
		fputs("Try 'virtfs-proxy-mount --help'.\n", stderr);
		return OPTIONS_WRONG;
	case 'o':
		right = read_mount_options(optarg, options, args);
		break;
	default:
		right = read_own(option, optarg, options);
	}
	return right ? OPTIONS_MOUNT : OPTIONS_WRONG;
}

enum options_verdict options_read(int count, char **words, struct options *options, struct fuse_args *args)
{
	enum options_verdict verdict;
	int option;

	*options = (struct options){ .connections = 8, .reconnect = true, .direct = true };
	while ((option = getopt_long(count, words, "fho:", long_options, NULL)) != -1) {
		verdict = read_option(option, options, args);
		if (verdict != OPTIONS_MOUNT)
			return verdict;
	}
	if (count - optind != 2) {
		wrong("say which socket to connect to, and where to mount: virtfs-proxy-mount SOCKET MOUNTPOINT");
		return OPTIONS_WRONG;
	}
	options->socket = words[optind];
	options->mountpoint = words[optind + 1];
	return OPTIONS_MOUNT;
}

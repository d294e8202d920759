/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "config.h"
#include "options_file.h"

#define DEFAULT_MAX_CLIENTS 256
#define MOST_CLIENTS        65536
#define DEFAULT_THREADS     64
#define MOST_THREADS        4096
#define MOST_BUSY_POLL      1000 /* us */
#define MOST_CRASHES        1000
#define MOST_CRASH_SECONDS  86400
#define MOST_DESCRIPTORS    INT_MAX
#define MOST_STUCK_SECONDS  86400

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum long_option {
	OPTION_VERSION = 256,
	OPTION_LOG_LEVEL,
	OPTION_READY_FD,
	OPTION_PID_FILE,
	OPTION_ALLOW_UID,
	OPTION_MAX_CLIENTS,
	OPTION_CONTROL,
	OPTION_THREADS,
	OPTION_BUSY_POLL,
	OPTION_SANDBOX,
	OPTION_SECCOMP,
	OPTION_IDMAP,
	OPTION_READONLY,
	OPTION_NO_DEVICES,
	OPTION_NO_SETID,
	OPTION_XATTR_POLICY,
	OPTION_UTIME_QUIRK,
	OPTION_RLIMIT_NOFILE,
	OPTION_CRASH_LIMIT,
	OPTION_CONFIG,
	OPTION_FD_STORE,
	OPTION_STUCK_AFTER,
};

static const char short_options[] = "p:f:s:u:g:nh";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "path", required_argument, NULL, 'p' },
	{ "fd", required_argument, NULL, 'f' },
	{ "socket", required_argument, NULL, 's' },
	{ "uid", required_argument, NULL, 'u' },
	{ "gid", required_argument, NULL, 'g' },
	{ "nodaemon", no_argument, NULL, 'n' },
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "ready-fd", required_argument, NULL, OPTION_READY_FD },
	{ "pid-file", required_argument, NULL, OPTION_PID_FILE },
	{ "fd-store", no_argument, NULL, OPTION_FD_STORE },
	{ "allow-uid", required_argument, NULL, OPTION_ALLOW_UID },
	{ "max-clients", required_argument, NULL, OPTION_MAX_CLIENTS },
	{ "threads", required_argument, NULL, OPTION_THREADS },
	{ "busy-poll", required_argument, NULL, OPTION_BUSY_POLL },
	{ "sandbox", required_argument, NULL, OPTION_SANDBOX },
	{ "seccomp", required_argument, NULL, OPTION_SECCOMP },
	{ "idmap", required_argument, NULL, OPTION_IDMAP },
	{ "readonly", no_argument, NULL, OPTION_READONLY },
	{ "no-devices", no_argument, NULL, OPTION_NO_DEVICES },
	{ "no-setid", no_argument, NULL, OPTION_NO_SETID },
	{ "xattr-policy", required_argument, NULL, OPTION_XATTR_POLICY },
	{ "utime-quirk", no_argument, NULL, OPTION_UTIME_QUIRK },
	{ "rlimit-nofile", required_argument, NULL, OPTION_RLIMIT_NOFILE },
	{ "crash-limit", required_argument, NULL, OPTION_CRASH_LIMIT },
	{ "stuck-after", required_argument, NULL, OPTION_STUCK_AFTER },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"Usage: virtfs-proxy-helper --path DIRECTORY [--socket NAME | --fd NUMBER] [OPTION...]\n"
	"\n"
	"Does the file operations that need privilege for the guests of QEMU's 9p \"proxy\"\n"
	"file system driver, confined to one directory.\n"
	"\n"
	"      --config FILE        read further options from a file, which SIGHUP reads anew:\n"
	"                           one a line, without dashes, then its value\n"
	"  -p, --path DIRECTORY     the directory to export\n"
	"  -s, --socket NAME        create a socket and serve every QEMU that connects\n"
	"  -f, --fd NUMBER          serve an inherited socket, connected or listening\n"
	"                           (without either: the one that LISTEN_FDS tells of)\n"
	"  -u, --uid USER           owner of the named socket, name or number\n"
	"  -g, --gid GROUP          group of the named socket, name or number\n"
	"  -n, --nodaemon           stay in the foreground, log to stderr\n"
	"      --control NAME       create a socket for virtfs-proxyctl, root's alone\n"
	"      --log-level LEVEL    how much to log: error, warn, info (if not given), or debug,\n"
	"                           which is each request\n"
	"      --ready-fd NUMBER    when clients can connect, write a newline to this inherited\n"
	"                           descriptor and close it\n"
	"      --pid-file NAME      when clients can connect, write the process id to this file,\n"
	"                           which is removed at the end\n"
	"      --fd-store           have the service manager keep the guests' connections, too,\n"
	"                           over a restart of the helper\n"
	"      --allow-uid USER     serve this user's clients and root's only, name or number;\n"
	"                           may be given several times\n"
	"      --max-clients COUNT  serve at most so many connections at once (256)\n"
	"      --threads COUNT      run at most so many requests at once (64)\n"
	"      --busy-poll HOW      look for a client's next request before sleeping: auto\n"
	"                           (where it pays), off, or for so many microseconds\n"
	"      --sandbox HOW        confine the worker by namespace, chroot, or auto (the former\n"
	"                           where it can be had)\n"
	"      --seccomp HOW        a system call that the worker should not make: kill it,\n"
	"                           log that, or off: allow all\n"
	"      --idmap RANGE,...    show the host's ids to the guests as others; a range is\n"
	"                           uid, gid or both:GUEST:HOST:COUNT (needs namespace)\n"
	"      --readonly           change nothing in the export\n"
	"      --no-devices         make no device nodes\n"
	"      --no-setid           give no file a set-uid or set-gid bit\n"
	"      --xattr-policy WHICH extended attributes that there are: host (all but those\n"
	"                           private to the host, if not given), all, or none\n"
	"      --utime-quirk        ignore a time of last access that QEMU made up\n"
	"      --rlimit-nofile COUNT\n"
	"                           open at most so many files in each process, instead of\n"
	"                           as many as the hard limit allows\n"
	"      --crash-limit COUNT/SECONDS  replace a worker that dies, so often in such a time\n"
	"                           at most (10/60)\n"
	"      --stuck-after SECONDS  log a request that the file system does not return for so\n"
	"                           long (30); 0: never\n"
	"  -h, --help               print this and exit\n"
	"      --version            print the version and exit\n"
	"\n"
	"See virtfs-proxy-helper(1).\n";

static enum options_result wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static enum options_result wrong(const char *format, ...)
{
	va_list arguments;

	fputs("virtfs-proxy-helper: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\nTry 'virtfs-proxy-helper --help'.\n", stderr);
	return OPTIONS_USAGE;
}

/* Digits and nothing else, from `least` to `most`. */
static bool parse_number(const char *text, unsigned long least, unsigned long most, unsigned long *number)
{
	char *end;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*number = strtoul(text, &end, 10);
	return errno == 0 && *number >= least && *number <= most;
}

/* A name or a number; (uid_t)-1 is nobody's. */
static bool parse_uid(const char *text, uid_t *uid)
{
	const struct passwd *entry = getpwnam(text);
	unsigned long number;

	if (entry)
		*uid = entry->pw_uid;
	else if (parse_number(text, 0, UINT32_MAX - 1, &number))
		*uid = (uid_t)number;
	else
		return false;
	return true;
}

static bool parse_gid(const char *text, gid_t *gid)
{
	const struct group *entry = getgrnam(text);
	unsigned long number;

	if (entry)
		*gid = entry->gr_gid;
	else if (parse_number(text, 0, UINT32_MAX - 1, &number))
		*gid = (gid_t)number;
	else
		return false;
	return true;
}

static enum options_result parse_allow_uid(const char *text, struct options *options)
{
	if (options->allow_count == ALLOWED_UIDS_MOST)
		return wrong("--allow-uid '%s': at most %d users can be listed; give the socket a group", text,
		             ALLOWED_UIDS_MOST);
	if (!parse_uid(text, &options->allow_uids[options->allow_count]))
		return wrong("--allow-uid '%s': there is no such user; give a name or a number", text);
	options->allow_count++;
	return OPTIONS_RUN;
}

static enum options_result parse_count(const char *name, const char *text, unsigned long most, unsigned *count)
{
	unsigned long number;

	if (!parse_number(text, 1, most, &number))
		return wrong("%s '%s': give a number from 1 to %lu", name, text, most);
	*count = (unsigned)number;
	return OPTIONS_RUN;
}

static enum options_result parse_busy_poll(const char *text, uint32_t *limit)
{
	unsigned long number;

	if (!strcmp(text, "auto"))
		*limit = UINT32_MAX;
	else if (!strcmp(text, "off"))
		*limit = 0;
	else if (parse_number(text, 0, MOST_BUSY_POLL, &number))
		*limit = (uint32_t)number;
	else
		return wrong("--busy-poll '%s': give auto, off, or microseconds, at most %d", text, MOST_BUSY_POLL);
	return OPTIONS_RUN;
}

/* COUNT/SECONDS */
static enum options_result parse_crash_limit(const char *text, struct options *options)
{
	const char *slash = strchr(text, '/');
	unsigned long count = 0, seconds = 0;
	char first[8] = "";

	if (slash && slash - text < (ptrdiff_t)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!parse_number(first, 0, MOST_CRASHES, &count) || !parse_number(slash + 1, 1, MOST_CRASH_SECONDS, &seconds))
		return wrong("--crash-limit '%s': give COUNT/SECONDS, at most %d/%d", text, MOST_CRASHES, MOST_CRASH_SECONDS);
	options->crash_count = (unsigned)count;
	options->crash_seconds = (unsigned)seconds;
	return OPTIONS_RUN;
}

static enum options_result parse_stuck_after(const char *text, struct options *options)
{
	unsigned long seconds;

	if (!parse_number(text, 0, MOST_STUCK_SECONDS, &seconds))
		return wrong("--stuck-after '%s': give seconds, at most %d, or 0", text, MOST_STUCK_SECONDS);
	options->stuck_seconds = (unsigned)seconds;
	return OPTIONS_RUN;
}

/* One of `count` words, as its place among them. */
static bool parse_word(const char *text, const char *const *words, unsigned count, unsigned *place)
{
	for (*place = 0; *place < count; ++*place)
		if (!strcmp(text, words[*place]))
			return true;
	return false;
}

static enum options_result parse_sandbox(const char *text, enum sandbox_kind *kind)
{
	static const char *const words[] = {
		[SANDBOX_AUTO] = "auto", [SANDBOX_NAMESPACE] = "namespace", [SANDBOX_CHROOT] = "chroot"
	};
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--sandbox '%s': give auto, namespace or chroot", text);
	*kind = (enum sandbox_kind)place;
	return OPTIONS_RUN;
}

static enum options_result parse_seccomp(const char *text, enum seccomp_mode *mode)
{
	static const char *const words[] = { [SECCOMP_KILL] = "kill", [SECCOMP_LOG] = "log", [SECCOMP_OFF] = "off" };
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--seccomp '%s': give kill, log or off", text);
	*mode = (enum seccomp_mode)place;
	return OPTIONS_RUN;
}

static enum options_result parse_log_level(const char *text, int *level)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--log-level '%s': give error, warn, info or debug", text);
	*level = levels[place];
	return OPTIONS_RUN;
}

static enum options_result parse_idmap(const char *text, struct idmap *map)
{
	const char *what = idmap_parse(map, text);

	return what ? wrong("--idmap '%s': %s", text, what) : OPTIONS_RUN;
}

static enum options_result parse_fd(const char *text, int *fd)
{
	unsigned long number;

	if (!parse_number(text, 0, INT_MAX, &number))
		return wrong("--fd '%s': give the number of an open descriptor", text);
	*fd = (int)number;
	return OPTIONS_RUN;
}

/* The standard descriptors have other uses. */
static enum options_result parse_ready_fd(const char *text, int *fd)
{
	unsigned long number;

	if (!parse_number(text, STDERR_FILENO + 1, INT_MAX, &number))
		return wrong("--ready-fd '%s': give the number of an open descriptor, 3 or more", text);
	*fd = (int)number;
	return OPTIONS_RUN;
}

static enum options_result parse_xattr_policy(const char *text, enum xattr_policy *policy)
{
	static const char *const words[] = {
		[XATTR_POLICY_HOST] = "host",
		[XATTR_POLICY_ALL] = "all",
		[XATTR_POLICY_NONE] = "none",
	};

	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--xattr-policy '%s': give host, all or none", text);
	*policy = (enum xattr_policy)place;
	return OPTIONS_RUN;
}

/* What guests may do. */
static enum options_result parse_policy(int option, const char *argument, struct policy *policy)
{
	switch (option) {
	case OPTION_READONLY:
		policy->readonly = true;
		break;
	case OPTION_NO_DEVICES:
		policy->no_devices = true;
		break;
	case OPTION_NO_SETID:
		policy->no_setid = true;
		break;
	case OPTION_UTIME_QUIRK:
		policy->utime_quirk = true;
		break;
	default:
		return parse_xattr_policy(argument, &policy->xattrs);
	}
	return OPTIONS_RUN;
}

static enum options_result parse_one(int option, const char *argument, struct options *options)
{
	switch (option) {
	case OPTION_CONFIG: /* read already */
		return OPTIONS_RUN;
	case 'p':
		options->path = argument;
		return OPTIONS_RUN;
	case 's':
		options->socket = argument;
		return OPTIONS_RUN;
	case 'f':
		return parse_fd(argument, &options->fd);
	case 'u':
		return parse_uid(argument, &options->uid) ?
		               OPTIONS_RUN :
		               wrong("--uid '%s': there is no such user; give a name or a number", argument);
	case 'g':
		return parse_gid(argument, &options->gid) ?
		               OPTIONS_RUN :
		               wrong("--gid '%s': there is no such group; give a name or a number", argument);
	case 'n':
		options->foreground = true;
		return OPTIONS_RUN;
	case OPTION_CONTROL:
		options->control = argument;
		return OPTIONS_RUN;
	case OPTION_LOG_LEVEL:
		return parse_log_level(argument, &options->log_level);
	case OPTION_READY_FD:
		return parse_ready_fd(argument, &options->ready_fd);
	case OPTION_FD_STORE:
		options->fd_store = true;
		return OPTIONS_RUN;
	case OPTION_PID_FILE:
		options->pid_file = argument;
		return OPTIONS_RUN;
	case OPTION_ALLOW_UID:
		return parse_allow_uid(argument, options);
	case OPTION_MAX_CLIENTS:
		return parse_count("--max-clients", argument, MOST_CLIENTS, &options->max_clients);
	case OPTION_THREADS:
		return parse_count("--threads", argument, MOST_THREADS, &options->threads);
	case OPTION_BUSY_POLL:
		return parse_busy_poll(argument, &options->busy_poll);
	case OPTION_CRASH_LIMIT:
		return parse_crash_limit(argument, options);
	case OPTION_STUCK_AFTER:
		return parse_stuck_after(argument, options);
	case OPTION_SANDBOX:
		return parse_sandbox(argument, &options->confinement.kind);
	case OPTION_SECCOMP:
		return parse_seccomp(argument, &options->confinement.seccomp);
	case OPTION_IDMAP:
		return parse_idmap(argument, &options->confinement.idmap);
	case OPTION_READONLY:
	case OPTION_NO_DEVICES:
	case OPTION_NO_SETID:
	case OPTION_XATTR_POLICY:
	case OPTION_UTIME_QUIRK:
		return parse_policy(option, argument, &options->policy);
	case OPTION_RLIMIT_NOFILE:
		return parse_count("--rlimit-nofile", argument, MOST_DESCRIPTORS, &options->rlimit_nofile);
	case 'h':
		fputs(help, stdout);
		return OPTIONS_DONE;
	case OPTION_VERSION:
		puts("virtfs-proxy-helper " VERSION);
		return OPTIONS_DONE;
	default: /* getopt_long(3) has said what is wrong */
		fputs("Try 'virtfs-proxy-helper --help'.\n", stderr);
		return OPTIONS_USAGE;
	}
}

/* How QEMU reaches the helper. */
static enum options_result check_socket(const struct options *options, bool resumes)
{
	const size_t longest = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

	/* Whether the socket that a service manager announces is there, and is one to serve, is seen at the start. */
	if (!options->socket && options->fd < 0 && !resumes && !getenv("LISTEN_FDS"))
		return wrong("say how QEMU reaches the helper: --socket NAME or --fd NUMBER");
	if (options->socket && options->fd >= 0)
		return wrong("give either --socket or --fd, not both");
	if (options->socket && strlen(options->socket) > longest)
		return wrong("--socket: the name has %zu bytes, and QEMU could connect to one of at most %zu",
		             strlen(options->socket), longest);
	if (options->control && strlen(options->control) > longest)
		return wrong("--control: the name has %zu bytes, and a socket's has at most %zu", strlen(options->control),
		             longest);
	if (options->control && options->socket && !strcmp(options->control, options->socket))
		return wrong("--control and --socket are two sockets: give them different names");
	if (options->ready_fd >= 0 && options->ready_fd == options->fd)
		return wrong("--ready-fd %d is the socket of --fd; give another descriptor", options->ready_fd);
	return OPTIONS_RUN;
}

/* What options mean together. */
static enum options_result check(const struct options *options, bool resumes)
{
	const char *idmap_fault = idmap_check(&options->confinement.idmap);

	if (!options->path)
		return wrong("say which directory to export: --path DIRECTORY");
	if (idmap_fault)
		return wrong("--idmap: %s", idmap_fault);
	if (idmap_exists(&options->confinement.idmap) && options->confinement.kind == SANDBOX_CHROOT)
		return wrong("--idmap needs --sandbox=namespace");
	return check_socket(options, resumes);
}

/* The last one there is; others are not looked at yet. */
static const char *find_config(int count, char **arguments)
{
	const char *config = NULL;
	int option;

	optind = 0; /* glibc's word for starting anew */
	opterr = 0;
	while ((option = getopt_long(count, arguments, short_options, long_options, NULL)) != -1)
		if (option == OPTION_CONFIG)
			config = optarg;
	opterr = 1;
	return config;
}

static enum options_result read_config(const char *path, int copy, struct options_file *file)
{
	AUTO_CLOSE int opened = copy >= 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (copy < 0 && opened < 0)
		return wrong("--config %s: %s", path, strerror(errno));
	return options_file_read(path, copy >= 0 ? copy : opened, file) ? OPTIONS_USAGE : OPTIONS_RUN;
}

static enum options_result parse_all(int count, char **arguments, struct options *options)
{
	enum options_result result;
	int option;

	optind = 0;
	while ((option = getopt_long(count, arguments, short_options, long_options, NULL)) != -1) {
		result = parse_one(option, optarg, options);
		if (result != OPTIONS_RUN)
			return result;
	}
	return optind < count ? wrong("'%s' is not an option", arguments[optind]) : OPTIONS_RUN;
}

/* The file's options before those of the command line, which thereby overrule them. */
static enum options_result parse_with_config(int count, char **arguments, int config_fd, struct options *options)
{
	static struct options_file file;
	enum options_result result = read_config(options->config, config_fd, &file);
	char **both;

	if (result != OPTIONS_RUN)
		return result;
	both = calloc((size_t)count + (size_t)file.count + 1, sizeof *both);
	if (!both)
		return wrong("%s", strerror(ENOMEM));
	both[0] = arguments[0];
	memcpy(both + 1, file.arguments, (size_t)file.count * sizeof *both);
	memcpy(both + 1 + file.count, arguments + 1, (size_t)(count - 1) * sizeof *both);
	result = parse_all(count + file.count, both, options);
	free(both);
	return result;
}

enum options_result options_parse(int count, char **arguments, bool resumes, int config_fd, struct options *options)
{
	enum options_result result;

	*options = (struct options){
		.arguments = arguments,
		.config = find_config(count, arguments),
		.fd = -1,
		.ready_fd = -1,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.max_clients = DEFAULT_MAX_CLIENTS,
		.threads = DEFAULT_THREADS,
		.busy_poll = UINT32_MAX,
		.log_level = LOG_INFO,
		.crash_count = 10,
		.crash_seconds = 60,
		.stuck_seconds = 30,
		.confinement = { .seccomp = SECCOMP_DEFAULT },
	};
	result = options->config ? parse_with_config(count, arguments, config_fd, options) :
	                           parse_all(count, arguments, options);
	return result == OPTIONS_RUN ? check(options, resumes) : result;
}

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

#define MOST_CRASHES       1000
#define MOST_CRASH_SECONDS 86400

#define HINT "Try 'virtfs-proxy-helper --help'.\n"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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
	fputs("\n" HINT, stderr);
	return OPTIONS_USAGE;
}

/* --- values ------------------------------------------------------------------------------------------------- */

/* One option: what it is called, and what becomes of its value. */
struct row {
	const char *name;
	enum options_result (*read)(const struct row *row, const char *text, struct options *options);
	size_t member; /* of struct options, for a reader that serves several rows */
	unsigned long least, most; /* of a number */
	char letter; /* its short form, or 0 */
	bool bare;   /* it has no value */
};

static void *member_of(const struct row *row, struct options *options)
{
	return (char *)options + row->member;
}

static enum options_result read_text(const struct row *row, const char *text, struct options *options)
{
	const char **member = member_of(row, options);

	*member = text;
	return OPTIONS_RUN;
}

/* It was read before all others: find_config(). */
static enum options_result skip_config(const struct row *row, const char *text, struct options *options)
{
	(void)row, (void)text, (void)options;
	return OPTIONS_RUN;
}

static enum options_result read_switch(const struct row *row, const char *text, struct options *options)
{
	bool *member = member_of(row, options);

	(void)text;
	*member = true;
	return OPTIONS_RUN;
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

/* Into an unsigned member; false: it is no number within the row's bounds. */
static bool put_number(const struct row *row, const char *text, struct options *options)
{
	unsigned *member = member_of(row, options);
	unsigned long number;

	if (!parse_number(text, row->least, row->most, &number))
		return false;
	*member = (unsigned)number;
	return true;
}

static enum options_result read_count(const struct row *row, const char *text, struct options *options)
{
	if (!put_number(row, text, options))
		return wrong("--%s '%s': give a number from %lu to %lu", row->name, text, row->least, row->most);
	return OPTIONS_RUN;
}

static enum options_result read_seconds(const struct row *row, const char *text, struct options *options)
{
	if (!put_number(row, text, options))
		return wrong("--%s '%s': give seconds, at most %lu, or 0", row->name, text, row->most);
	return OPTIONS_RUN;
}

static enum options_result read_descriptor(const struct row *row, const char *text, struct options *options)
{
	int *member = member_of(row, options);
	unsigned long number;

	if (!parse_number(text, row->least, INT_MAX, &number))
		return wrong("--%s '%s': give the number of an open descriptor, %lu or more", row->name, text, row->least);
	*member = (int)number;
	return OPTIONS_RUN;
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

static enum options_result read_uid(const struct row *row, const char *text, struct options *options)
{
	if (!parse_uid(text, &options->uid))
		return wrong("--%s '%s': there is no such user; give a name or a number", row->name, text);
	return OPTIONS_RUN;
}

static enum options_result read_gid(const struct row *row, const char *text, struct options *options)
{
	if (!parse_gid(text, &options->gid))
		return wrong("--%s '%s': there is no such group; give a name or a number", row->name, text);
	return OPTIONS_RUN;
}

static enum options_result read_allow_uid(const struct row *row, const char *text, struct options *options)
{
	if (options->allow_count == ALLOWED_UIDS_MOST)
		return wrong("--%s '%s': at most %d users can be listed; give the socket a group", row->name, text,
		             ALLOWED_UIDS_MOST);
	if (!parse_uid(text, &options->allow_uids[options->allow_count]))
		return wrong("--%s '%s': there is no such user; give a name or a number", row->name, text);
	options->allow_count++;
	return OPTIONS_RUN;
}

static enum options_result read_busy_poll(const struct row *row, const char *text, struct options *options)
{
	unsigned long number;

	if (!strcmp(text, "auto"))
		options->busy_poll = UINT32_MAX;
	else if (!strcmp(text, "off"))
		options->busy_poll = 0;
	else if (parse_number(text, 0, row->most, &number))
		options->busy_poll = (uint32_t)number;
	else
		return wrong("--%s '%s': give auto, off, or microseconds, at most %lu", row->name, text, row->most);
	return OPTIONS_RUN;
}

/* COUNT/SECONDS */
static enum options_result read_crash_limit(const struct row *row, const char *text, struct options *options)
{
	const char *slash = strchr(text, '/');
	unsigned long count = 0, seconds = 0;
	char first[8] = "";

	if (slash && slash - text < (ptrdiff_t)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!parse_number(first, 0, MOST_CRASHES, &count) || !parse_number(slash + 1, 1, MOST_CRASH_SECONDS, &seconds))
		return wrong("--%s '%s': give COUNT/SECONDS, at most %d/%d", row->name, text, MOST_CRASHES,
		             MOST_CRASH_SECONDS);
	options->crash_count = (unsigned)count;
	options->crash_seconds = (unsigned)seconds;
	return OPTIONS_RUN;
}

static enum options_result read_idmap(const struct row *row, const char *text, struct options *options)
{
	const char *what = idmap_parse(&options->confinement.idmap, text);

	return what ? wrong("--%s '%s': %s", row->name, text, what) : OPTIONS_RUN;
}

/* One of `count` words, as its place among them. */
static bool parse_word(const char *text, const char *const *words, unsigned count, unsigned *place)
{
	for (*place = 0; *place < count; ++*place)
		if (!strcmp(text, words[*place]))
			return true;
	return false;
}

static enum options_result read_sandbox(const struct row *row, const char *text, struct options *options)
{
	static const char *const words[] = {
		[SANDBOX_AUTO] = "auto", [SANDBOX_NAMESPACE] = "namespace", [SANDBOX_CHROOT] = "chroot"
	};
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--%s '%s': give auto, namespace or chroot", row->name, text);
	options->confinement.kind = (enum sandbox_kind)place;
	return OPTIONS_RUN;
}

static enum options_result read_seccomp(const struct row *row, const char *text, struct options *options)
{
	static const char *const words[] = { [SECCOMP_KILL] = "kill", [SECCOMP_LOG] = "log", [SECCOMP_OFF] = "off" };
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--%s '%s': give kill, log or off", row->name, text);
	options->confinement.seccomp = (enum seccomp_mode)place;
	return OPTIONS_RUN;
}

static enum options_result read_xattr_policy(const struct row *row, const char *text, struct options *options)
{
	static const char *const words[] = {
		[XATTR_POLICY_HOST] = "host", [XATTR_POLICY_ALL] = "all", [XATTR_POLICY_NONE] = "none"
	};
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--%s '%s': give host, all or none", row->name, text);
	options->policy.xattrs = (enum xattr_policy)place;
	return OPTIONS_RUN;
}

static enum options_result read_log_level(const struct row *row, const char *text, struct options *options)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	unsigned place;

	if (!parse_word(text, words, COUNT(words), &place))
		return wrong("--%s '%s': give error, warn, info or debug", row->name, text);
	options->log_level = levels[place];
	return OPTIONS_RUN;
}

static enum options_result print_help(const struct row *row, const char *text, struct options *options)
{
	(void)row, (void)text, (void)options;
	fputs(help, stdout);
	return OPTIONS_DONE;
}

static enum options_result print_version(const struct row *row, const char *text, struct options *options)
{
	(void)row, (void)text, (void)options;
	puts("virtfs-proxy-helper " VERSION);
	return OPTIONS_DONE;
}

/* No option, or one without its value: getopt_long(3) has said so. */
static enum options_result refuse(const struct row *row, const char *text, struct options *options)
{
	(void)row, (void)text, (void)options;
	fputs(HINT, stderr);
	return OPTIONS_USAGE;
}

/* --- the options -------------------------------------------------------------------------------------------- */

#define TO(name) .member = offsetof(struct options, name)

static const struct row rows[] = {
	{ "config", skip_config },
	{ "path", read_text, TO(path), .letter = 'p' },
	{ "fd", read_descriptor, TO(fd), .letter = 'f' },
	{ "socket", read_text, TO(socket), .letter = 's' },
	{ "uid", read_uid, .letter = 'u' },
	{ "gid", read_gid, .letter = 'g' },
	{ "nodaemon", read_switch, TO(foreground), .letter = 'n', .bare = true },
	{ "control", read_text, TO(control) },
	{ "log-level", read_log_level },
	{ "ready-fd", read_descriptor, TO(ready_fd), .least = STDERR_FILENO + 1 }, /* the standard ones have other uses */
	{ "pid-file", read_text, TO(pid_file) },
	{ "fd-store", read_switch, TO(fd_store), .bare = true },
	{ "allow-uid", read_allow_uid },
	{ "max-clients", read_count, TO(max_clients), .least = 1, .most = 65536 },
	{ "threads", read_count, TO(threads), .least = 1, .most = 4096 },
	{ "busy-poll", read_busy_poll, .most = 1000 },
	{ "sandbox", read_sandbox },
	{ "seccomp", read_seccomp },
	{ "idmap", read_idmap },
	{ "readonly", read_switch, TO(policy.readonly), .bare = true },
	{ "no-devices", read_switch, TO(policy.no_devices), .bare = true },
	{ "no-setid", read_switch, TO(policy.no_setid), .bare = true },
	{ "xattr-policy", read_xattr_policy },
	{ "utime-quirk", read_switch, TO(policy.utime_quirk), .bare = true },
	{ "rlimit-nofile", read_count, TO(rlimit_nofile), .least = 1, .most = INT_MAX },
	{ "crash-limit", read_crash_limit },
	{ "stuck-after", read_seconds, TO(stuck_seconds), .most = 86400 },
	{ "help", print_help, .letter = 'h', .bare = true },
	{ "version", print_version, .bare = true },
};

/* --- words to options --------------------------------------------------------------------------------------- */

/* What getopt_long(3) returns for a row that has no letter: more than any letter. */
#define FIRST_CODE 256

/* The table in the form that getopt_long(3) wants: make_forms(). */
static struct option long_forms[COUNT(rows) + 1];
static char short_forms[2 * COUNT(rows) + 1];

static void make_forms(void)
{
	char *letter = short_forms;

	for (size_t i = 0; i < COUNT(rows); i++) {
		long_forms[i] = (struct option){ rows[i].name, rows[i].bare ? no_argument : required_argument, NULL,
			                         rows[i].letter ? rows[i].letter : FIRST_CODE + (int)i };
		if (!rows[i].letter)
			continue;
		*letter++ = rows[i].letter;
		if (!rows[i].bare)
			*letter++ = ':';
	}
	*letter = '\0';
}

/* The next option's, or NULL at the end. */
static const struct row *next_row(int count, char **arguments)
{
	static const struct row none = { .read = refuse };
	int code = getopt_long(count, arguments, short_forms, long_forms, NULL);

	if (code == -1)
		return NULL;
	if (code >= FIRST_CODE)
		return &rows[code - FIRST_CODE];
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].letter == code)
			return &rows[i];
	return &none;
}

/* The last one there is; others are not looked at yet. */
static const char *find_config(int count, char **arguments)
{
	const char *config = NULL;
	const struct row *row;

	optind = 0; /* glibc's word for starting anew */
	opterr = 0;
	while ((row = next_row(count, arguments)))
		if (row->read == skip_config)
			config = optarg;
	opterr = 1;
	return config;
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
	const struct row *row;

	optind = 0;
	while ((row = next_row(count, arguments))) {
		result = row->read(row, optarg, options);
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

	make_forms();
	*options = (struct options){
		.arguments = arguments,
		.config = find_config(count, arguments),
		.fd = -1,
		.ready_fd = -1,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.max_clients = 256,
		.threads = 64,
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

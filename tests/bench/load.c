/* SPDX-License-Identifier: MIT */
/*
 * A load for a helper: closed-loop clients, one thread and one connection each, that send one kind of request or the
 * mix of a real guest, at once or after a while, and the latencies that they see.
 *
 * Prints one line: operation clients seconds operations ops_per_second p50_us p99_us p999_us cpu_us_per_operation longest_us
 * (the last but one from the CPU time of the processes given with --pid, and 0 without).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <proxyfs/client.h>

#include "cpu.h"
#include "histogram.h"

#define MOST_CLIENTS 4096
#define MOST_SOCKETS 4096
#define MOST_PIDS    4096
#define STACK_SIZE   (256 * 1024)

enum kind { KIND_LSTAT, KIND_GETXATTR, KIND_OPEN, KIND_CREATE, KIND_GETVERSION, KIND_MIX, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = { "lstat", "getxattr", "open", "create", "getversion", "mix" };

struct load {
	enum kind kind;
	unsigned clients;
	double seconds;
	unsigned think; /* us, before each request */
	const char *sockets[MOST_SOCKETS];
	unsigned socket_count;
	pid_t pids[MOST_PIDS];
	unsigned pid_count;
	pthread_barrier_t start;
	_Atomic bool stop;
};

struct client {
	struct load *load;
	unsigned number;
	struct proxyfs_client *connection;
	struct histogram histogram;
	uint64_t made; /* files, by CREATE: removed at the end */
	pthread_t thread;
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

static void check(const char *what, int64_t result)
{
	if (result < 0)
		die(what, (int)-result);
}

static const char *name_of_made(const struct client *client, uint64_t number, char name[64])
{
	snprintf(name, 64, "//made-%d-%u-%" PRIu64, (int)getpid(), client->number, number);
	return name;
}

/* One request whose latency counts, on the file that connect_client() has made or, by CREATE, of a new name. */
static void request(struct client *client, enum kind kind, uint64_t turn)
{
	struct stat stat;
	uint64_t version;
	int64_t result;
	char name[64];

	switch (kind) {
	case KIND_LSTAT:
		check("lstat", proxyfs_lstat(client->connection, "//bench", &stat));
		break;
	case KIND_GETVERSION:
		check("getversion", proxyfs_getversion(client->connection, "//bench", &version));
		break;
	case KIND_GETXATTR: /* what a guest asks before each write; there is none */
		result = proxyfs_lgetxattr(client->connection, "//bench", "security.capability", NULL, 0);
		if (result != -ENODATA)
			die("getxattr", (int)-result);
		break;
	case KIND_OPEN:
		result = proxyfs_open(client->connection, "//bench", O_RDONLY);
		check("open", result);
		close((int)result);
		break;
	case KIND_CREATE:
		name_of_made(client, client->made++, name);
		result = proxyfs_create(client->connection, name, O_RDWR | O_EXCL, 0644, 1000, 1000);
		check("create", result);
		close((int)result);
		break;
	case KIND_MIX: /* three in four LSTAT, then GETVERSION and GETXATTR, seldom the rest (protocol page, 4) */
		request(client, turn % 100 == 99 ? KIND_CREATE :
		                turn % 20 == 13  ? KIND_OPEN :
		                turn % 20 < 15   ? KIND_LSTAT :
		                turn % 20 < 18   ? KIND_GETVERSION :
		                                   KIND_GETXATTR, turn);
		break;
	case KIND_COUNT:
		break;
	}
}

static void remove_made(struct client *client)
{
	char name[64];

	while (client->made > 0)
		check("remove", proxyfs_remove(client->connection, name_of_made(client, --client->made, name)));
}

static void *run(void *argument)
{
	struct client *client = argument;
	struct load *load = client->load;

	for (int warm = 0; warm < 100; warm++)
		request(client, KIND_LSTAT, 0);
	pthread_barrier_wait(&load->start);
	for (uint64_t turn = 0; !atomic_load_explicit(&load->stop, memory_order_relaxed); turn++) {
		uint64_t before;

		if (load->think)
			usleep(load->think);
		before = clock_ns();
		request(client, load->kind, turn);
		histogram_add(&client->histogram, clock_ns() - before);
	}
	remove_made(client); /* not counted: the time is over */
	return NULL;
}

static void connect_client(struct client *client, struct load *load, unsigned number)
{
	int fd;

	client->load = load;
	client->number = number;
	check("connect", proxyfs_client_connect(load->sockets[number % load->socket_count], &client->connection));
	fd = proxyfs_create(client->connection, "//bench", O_RDWR, 0644, 0, 0);
	check("create //bench", fd);
	close(fd);
}

static void start_client(struct client *client)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	check("thread", -pthread_create(&client->thread, &attributes, run, client));
	pthread_attr_destroy(&attributes);
}

static void report(const struct load *load, const struct histogram *all, double seconds, uint64_t cpu)
{
	double count = (double)all->count;

	printf("%s %u %.2f %" PRIu64 " %.0f %.1f %.1f %.1f %.2f %.1f\n", kind_names[load->kind], load->clients, seconds,
	       all->count, count / seconds, (double)histogram_percentile(all, 0.5) / 1e3,
	       (double)histogram_percentile(all, 0.99) / 1e3, (double)histogram_percentile(all, 0.999) / 1e3,
	       (double)cpu / count / 1e3, (double)histogram_percentile(all, 1.0) / 1e3);
}

static void run_load(struct load *load)
{
	static struct client clients[MOST_CLIENTS];
	static struct histogram all;
	uint64_t began, ended, cpu;

	check("barrier", -pthread_barrier_init(&load->start, NULL, load->clients + 1));
	for (unsigned i = 0; i < load->clients; i++)
		connect_client(&clients[i], load, i);
	for (unsigned i = 0; i < load->clients; i++)
		start_client(&clients[i]);

	pthread_barrier_wait(&load->start);
	began = clock_ns();
	cpu = cpu_time(load->pids, load->pid_count);
	usleep((useconds_t)(load->seconds * 1e6));
	atomic_store(&load->stop, true);
	cpu = cpu_time(load->pids, load->pid_count) - cpu;
	ended = clock_ns();

	for (unsigned i = 0; i < load->clients; i++) {
		pthread_join(clients[i].thread, NULL);
		histogram_merge(&all, &clients[i].histogram);
		proxyfs_client_close(clients[i].connection);
	}
	report(load, &all, (double)(ended - began) / 1e9, cpu);
}

static enum kind parse_kind(const char *text)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (!strcmp(text, kind_names[kind]))
			return (enum kind)kind;
	fputs("load: the operation is one of lstat getxattr open create getversion mix\n", stderr);
	exit(2);
}

static void usage(void)
{
	fputs("usage: load --socket NAME... [--operation NAME] [--clients N] [--seconds S] [--think US] [--pid PID...]\n"
	      "Clients are spread over the sockets in turn.\n", stderr);
	exit(2);
}

int main(int count, char **arguments)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },  { "operation", required_argument, NULL, 'o' },
		{ "clients", required_argument, NULL, 'c' }, { "seconds", required_argument, NULL, 't' },
		{ "pid", required_argument, NULL, 'p' },     { "think", required_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 },
	};
	static struct load load = { .kind = KIND_LSTAT, .clients = 1, .seconds = 2 };
	int option;

	while ((option = getopt_long(count, arguments, "s:o:c:t:p:T:", options, NULL)) != -1) {
		if (option == 's' && load.socket_count < MOST_SOCKETS)
			load.sockets[load.socket_count++] = optarg;
		else if (option == 'o')
			load.kind = parse_kind(optarg);
		else if (option == 'c')
			load.clients = (unsigned)atoi(optarg);
		else if (option == 't')
			load.seconds = atof(optarg);
		else if (option == 'T')
			load.think = (unsigned)atoi(optarg);
		else if (option == 'p' && load.pid_count < MOST_PIDS)
			load.pids[load.pid_count++] = (pid_t)atoi(optarg);
		else
			usage();
	}
	if (load.socket_count == 0 || load.clients < 1 || load.clients > MOST_CLIENTS || load.seconds <= 0)
		usage();
	run_load(&load);
	return EXIT_SUCCESS;
}

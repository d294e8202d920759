/* SPDX-License-Identifier: MIT */
/*
 * A load under which descriptors are scarce: clients with a thread each that open files as fast as they can. Half of
 * them ask for one at a time and hold on to the last few; the other half ask for hundreds, look away, and then take
 * them all, so that descriptors pile up in their sockets and, when these are full, in the helper.
 *
 * Each reply must be a descriptor, of the right file, or an errno that says that descriptors are scarce. Afterwards
 * every client must be able to open a file. Prints one line of counts; status 1 and a line on stderr if not.
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
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <proxyfs/client.h>
#include <proxyfs/codec.h>

#define MOST_CLIENTS 1024
#define STACK_SIZE   (256 * 1024)
#define HELD         8   /* descriptors that a steady client keeps */
#define DEPTH        400 /* requests that a greedy one sends at once: their replies are more than a socket takes */
#define NAP          40  /* ms, at most, before it reads */
#define SILENCE      400 /* ms, after which no reply is under way any more */

struct tally {
	uint64_t descriptors, emfile, enfile, etoomanyrefs, enomem;
};

static struct load {
	const char *socket;
	unsigned clients;
	double seconds;
	_Atomic bool stop;
	pthread_barrier_t all_full; /* of the greedy clients */
} load = { .clients = 256, .seconds = 5 };

static struct client {
	unsigned number;
	unsigned seed;
	struct proxyfs_client *connection;
	char path[32]; /* of its own file, whose content is its number */
	int held[HELD];
	struct tally tally;
	pthread_t thread;
} clients[MOST_CLIENTS];

static _Noreturn void die(const struct client *client, const char *what, int error)
{
	fprintf(stderr, "scarce: client %u: %s: %s\n", client->number, what, strerror(error));
	exit(EXIT_FAILURE);
}

static void check(const struct client *client, const char *what, int result)
{
	if (result < 0)
		die(client, what, -result);
}

/* Counts a descriptor or -errno. Returns whether it is a descriptor. */
static bool count(struct client *client, const char *what, int result)
{
	switch (result) {
	case -EMFILE:
		client->tally.emfile++;
		return false;
	case -ENFILE:
		client->tally.enfile++;
		return false;
	case -ETOOMANYREFS:
		client->tally.etoomanyrefs++;
		return false;
	case -ENOMEM:
		client->tally.enomem++;
		return false;
	default:
		check(client, what, result);
		client->tally.descriptors++;
		return true;
	}
}

/* A descriptor that is another client's, or of no file, would go unnoticed otherwise. */
static void check_content(const struct client *client, int fd)
{
	char content[16] = "";
	ssize_t got = pread(fd, content, sizeof content - 1, 0);

	if (got < 0 || strtoul(content, NULL, 10) != client->number)
		die(client, "a descriptor of another file", got < 0 ? errno : EBADF);
}

static void hold(struct client *client, int fd, uint64_t turn)
{
	int *place = &client->held[turn % HELD];

	if (*place >= 0)
		close(*place);
	*place = fd;
}

static void drop_held(struct client *client)
{
	for (unsigned i = 0; i < HELD; i++)
		hold(client, -1, i);
}

/* --- a steady client ----------------------------------------------------------------------------------------- */

static void open_steadily(struct client *client)
{
	for (uint64_t turn = 0; !atomic_load(&load.stop); turn++) {
		bool creates = turn % 4 == 3;
		int fd = creates ? proxyfs_create(client->connection, client->path, O_RDWR, 0644, 0, 0) :
		                   proxyfs_open(client->connection, client->path, O_RDONLY);

		check(client, "connection", proxyfs_client_error(client->connection));
		if (!count(client, creates ? "create" : "open", fd))
			continue;
		check_content(client, fd);
		hold(client, fd, turn);
	}
}

/* --- a greedy client ----------------------------------------------------------------------------------------- */

static void send_requests(struct client *client)
{
	const struct proxyfs_request request = {
		.op = PROXYFS_OPEN,
		.path = { client->path, strlen(client->path) },
		.flags = O_RDONLY,
	};
	char bytes[DEPTH * 64];
	size_t size = 0;

	for (unsigned i = 0; i < DEPTH; i++) {
		ssize_t used = proxyfs_encode_request(&request, bytes + size, sizeof bytes - size);

		check(client, "encoding", (int)used);
		size += (size_t)used;
	}
	for (size_t sent = 0; sent < size;) {
		ssize_t took = send(proxyfs_client_fd(client->connection), bytes + sent, size - sent, MSG_NOSIGNAL);

		if (took < 0 && errno != EINTR)
			die(client, "send", errno);
		sent += took < 0 ? 0 : (size_t)took;
	}
}

/* The next reply that waits: a descriptor or -errno. */
static int receive_reply(struct client *client)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	int32_t status = 0;
	struct iovec data = { &status, sizeof status };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t got = recvmsg(proxyfs_client_fd(client->connection), &message, MSG_CMSG_CLOEXEC);
	bool brings = got > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int));
	int fd = -1;

	if (got != sizeof status || message.msg_flags & MSG_CTRUNC || brings != (status == PROXYFS_FD_FOLLOWS) ||
	    (!brings && status >= 0))
		die(client, "a reply of another form", got < 0 ? errno : EPROTO);
	if (!brings)
		return status;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

static int waiting_bytes(const struct client *client)
{
	int bytes = 0;

	if (ioctl(proxyfs_client_fd(client->connection), FIONREAD, &bytes))
		die(client, "FIONREAD", errno);
	return bytes;
}

/* Until its socket is full, or everything is answered: nothing has come in so many ms. */
static void wait_until_full(const struct client *client, unsigned time)
{
	int before;

	do {
		before = waiting_bytes(client);
		usleep((useconds_t)time * 1000);
	} while (waiting_bytes(client) != before);
}

/* The first time, until all greedy clients' sockets are full at once; later now and then until its own is. */
static void look_away(struct client *client, uint64_t turn)
{
	if (turn == 0) {
		wait_until_full(client, SILENCE);
		pthread_barrier_wait(&load.all_full);
		usleep(SILENCE * 1000);
	} else if (turn % 4 == 0) {
		wait_until_full(client, NAP);
	}
	usleep((useconds_t)(rand_r(&client->seed) % NAP) * 1000);
}

static void open_greedily(struct client *client)
{
	for (uint64_t turn = 0; turn == 0 || !atomic_load(&load.stop); turn++) {
		send_requests(client);
		look_away(client, turn);
		for (unsigned i = 0; i < DEPTH; i++) {
			int fd = receive_reply(client);

			if (!count(client, "open", fd))
				continue;
			check_content(client, fd);
			close(fd);
		}
	}
}

/* --- all of them --------------------------------------------------------------------------------------------- */

static void *run(void *argument)
{
	struct client *client = argument;

	if (client->number % 2 == 0)
		open_greedily(client);
	else
		open_steadily(client);
	drop_held(client);
	return NULL;
}

/* Its connection and, while there are enough descriptors, its file. */
static void prepare(struct client *client, unsigned number)
{
	char content[16];
	int fd, size;

	client->number = client->seed = number;
	for (unsigned i = 0; i < HELD; i++)
		client->held[i] = -1;
	snprintf(client->path, sizeof client->path, "//own-%u", number);
	check(client, "connect", proxyfs_client_connect(load.socket, &client->connection));
	fd = proxyfs_create(client->connection, client->path, O_RDWR | O_TRUNC, 0644, 0, 0);
	check(client, "first create", fd);
	size = snprintf(content, sizeof content, "%u", number);
	if (write(fd, content, (size_t)size) != size)
		die(client, "write", errno);
	close(fd);
}

static void start(struct client *client)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	check(client, "thread", -pthread_create(&client->thread, &attributes, run, client));
	pthread_attr_destroy(&attributes);
}

/* When everybody has taken everything, nothing is scarce any more. */
static void check_afterwards(struct client *client)
{
	int fd = proxyfs_open(client->connection, client->path, O_RDONLY);
	struct stat stat;

	check(client, "open afterwards", fd);
	check_content(client, fd);
	close(fd);
	check(client, "lstat afterwards", proxyfs_lstat(client->connection, client->path, &stat));
}

static void add(struct tally *sum, const struct tally *one)
{
	sum->descriptors += one->descriptors;
	sum->emfile += one->emfile;
	sum->enfile += one->enfile;
	sum->etoomanyrefs += one->etoomanyrefs;
	sum->enomem += one->enomem;
}

static void run_load(void)
{
	struct tally sum = { 0 };

	for (unsigned i = 0; i < load.clients; i++)
		prepare(&clients[i], i);
	pthread_barrier_init(&load.all_full, NULL, (load.clients + 1) / 2);
	for (unsigned i = 0; i < load.clients; i++)
		start(&clients[i]);
	usleep((useconds_t)(load.seconds * 1e6));
	atomic_store(&load.stop, true);
	for (unsigned i = 0; i < load.clients; i++) {
		pthread_join(clients[i].thread, NULL);
		add(&sum, &clients[i].tally);
	}
	for (unsigned i = 0; i < load.clients; i++)
		check_afterwards(&clients[i]);
	for (unsigned i = 0; i < load.clients; i++)
		proxyfs_client_close(clients[i].connection);
	printf("descriptors=%" PRIu64 " EMFILE=%" PRIu64 " ENFILE=%" PRIu64 " ETOOMANYREFS=%" PRIu64 " ENOMEM=%" PRIu64 "\n",
	       sum.descriptors, sum.emfile, sum.enfile, sum.etoomanyrefs, sum.enomem);
}

/* They are to be scarce for the helper, not for its clients. */
static void raise_own_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argument_count, char **arguments)
{
	int option;

	while ((option = getopt(argument_count, arguments, "s:c:t:")) != -1) {
		if (option == 's')
			load.socket = optarg;
		else if (option == 'c')
			load.clients = (unsigned)atoi(optarg);
		else if (option == 't')
			load.seconds = atof(optarg);
		else
			return 2;
	}
	if (!load.socket || load.clients < 1 || load.clients > MOST_CLIENTS || load.seconds <= 0) {
		fputs("usage: scarce -s SOCKET [-c CLIENTS] [-t SECONDS]\n", stderr);
		return 2;
	}
	raise_own_limit();
	run_load();
	return EXIT_SUCCESS;
}

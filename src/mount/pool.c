/* SPDX-License-Identifier: MIT */
#include "mount/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "common/descriptor.h"

#define BACKLOG_TRIES 25 /* a helper that is there but does not accept: how often to try, */
#define BACKLOG_PAUSE 10000000 /* and how long to wait between, ns */

struct pool {
	const char *socket_path;
	unsigned most;
	bool reconnect;
	int watch; /* epoll(7): the hang-ups of all connections */
	atomic_bool doubt;
	atomic_uint epoch;
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	/* Under the lock: */
	unsigned count; /* of connections, those that are being made too */
	unsigned idle_count;
	struct proxyfs_client **idle; /* the last one used is the first to be used again */
};

/* Does not wait for a helper that accepts nobody for more than a moment. Returns a socket or -errno. */
static int connect_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	for (int tries = 0; tries < BACKLOG_TRIES; tries++) {
		error = connect(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
		if (error != -EAGAIN)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = BACKLOG_PAUSE }, NULL);
	}
	if (error || fcntl(fd, F_SETFL, 0))
		return error ? error : -errno;
	return descriptor_take(&fd);
}

/* A connection that has answered once: the helper cuts those that are too many only after it has accepted them. */
static int connect_client(const struct pool *pool, struct proxyfs_client **client)
{
	int fd = connect_socket(pool->socket_path);
	struct epoll_event hang_up = { .events = EPOLLONESHOT }; /* which is reported in any case */
	struct stat root;
	int error;

	if (fd < 0)
		return fd;
	error = proxyfs_client_adopt(fd, client);
	if (error) {
		close(fd);
		return error;
	}
	error = proxyfs_lstat(*client, "/", &root);
	if (!error && epoll_ctl(pool->watch, EPOLL_CTL_ADD, fd, &hang_up))
		error = -errno;
	if (error)
		proxyfs_client_close(*client);
	return error;
}

int pool_create(const char *socket_path, unsigned most, bool reconnect, struct pool **pool)
{
	struct pool *made = calloc(1, sizeof *made);
	int error = -ENOMEM;

	if (!made)
		return error;
	made->socket_path = socket_path;
	made->most = most;
	made->reconnect = reconnect;
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->given_back, NULL);
	made->idle = calloc(most, sizeof(struct proxyfs_client *));
	made->watch = epoll_create1(EPOLL_CLOEXEC);
	if (made->watch < 0)
		error = -errno;
	else if (made->idle)
		error = connect_client(made, &made->idle[0]);
	if (error) {
		pool_destroy(made);
		return error;
	}
	made->count = made->idle_count = 1;
	*pool = made;
	return 0;
}

void pool_destroy(struct pool *pool)
{
	while (pool->idle && pool->idle_count > 0)
		proxyfs_client_close(pool->idle[--pool->idle_count]);
	descriptor_close(&pool->watch);
	pthread_cond_destroy(&pool->given_back);
	pthread_mutex_destroy(&pool->lock);
	free(pool->idle);
	free(pool);
}

static void raise_doubt(struct pool *pool)
{
	atomic_fetch_add(&pool->epoch, 1);
	atomic_store(&pool->doubt, true);
}

static void *watch(void *argument)
{
	struct pool *pool = argument;
	struct epoll_event event;

	for (;;)
		if (epoll_wait(pool->watch, &event, 1, -1) > 0)
			raise_doubt(pool);
	return NULL;
}

int pool_watch(struct pool *pool)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, watch, pool);

	return error ? -error : -pthread_detach(thread);
}

/* Nothing is owed to an idle connection: whatever there is to read, its end mostly, is the end of it. */
static bool is_broken(const struct proxyfs_client *client)
{
	struct pollfd look = { .fd = proxyfs_client_fd(client), .events = POLLIN };

	return poll(&look, 1, 0) != 0;
}

static void drop_broken(struct pool *pool)
{
	unsigned kept = 0;

	atomic_store(&pool->doubt, false);
	for (unsigned i = 0; i < pool->idle_count; i++) {
		if (is_broken(pool->idle[i])) {
			proxyfs_client_close(pool->idle[i]);
			pool->count--;
		} else {
			pool->idle[kept++] = pool->idle[i];
		}
	}
	pool->idle_count = kept;
}

/* Under the lock, which is let go meanwhile. */
static struct proxyfs_client *add_client(struct pool *pool)
{
	struct proxyfs_client *client = NULL;
	int error;

	pool->count++;
	pthread_mutex_unlock(&pool->lock);
	error = connect_client(pool, &client);
	pthread_mutex_lock(&pool->lock);
	if (!error)
		return client;
	pool->count--;
	pthread_cond_broadcast(&pool->given_back);
	return NULL;
}

static struct proxyfs_client *take(struct pool *pool)
{
	struct proxyfs_client *client;

	for (;;) {
		if (atomic_load(&pool->doubt))
			drop_broken(pool);
		if (pool->idle_count > 0)
			return pool->idle[--pool->idle_count];
		if (pool->count == 0 && !pool->reconnect)
			break;
		if (pool->count < pool->most) {
			client = add_client(pool);
			if (client)
				return client;
		}
		if (pool->count == 0)
			break;
		/* The helper takes no more connections than there are, or we do not. */
		pthread_cond_wait(&pool->given_back, &pool->lock);
	}
	atomic_store(&pool->doubt, true);
	return NULL;
}

struct proxyfs_client *pool_take(struct pool *pool)
{
	struct proxyfs_client *client;

	pthread_mutex_lock(&pool->lock);
	client = take(pool);
	pthread_mutex_unlock(&pool->lock);
	return client;
}

ssize_t pool_give_back(struct pool *pool, struct proxyfs_client *client, ssize_t result)
{
	bool broken = client && proxyfs_client_error(client);

	if (!client)
		return -EIO;
	if (broken) {
		proxyfs_client_close(client);
		raise_doubt(pool);
	}
	pthread_mutex_lock(&pool->lock);
	if (broken)
		pool->count--;
	else
		pool->idle[pool->idle_count++] = client;
	pthread_cond_signal(&pool->given_back);
	pthread_mutex_unlock(&pool->lock);
	/* The worker answers those who waited for one that died with EIO: what was learnt from it is of the past. */
	if (result == -EIO)
		atomic_fetch_add(&pool->epoch, 1);
	return broken ? -EIO : result;
}

int pool_request(struct pool *pool, const struct proxyfs_request *request)
{
	struct proxyfs_client *client = pool_take(pool);
	struct proxyfs_reply reply = { 0 };
	int error = client ? proxyfs_call(client, request, &reply, NULL) : -EIO;

	return (int)pool_give_back(pool, client, error ? error : reply.status);
}

int pool_check(struct pool *pool)
{
	if (!atomic_load_explicit(&pool->doubt, memory_order_relaxed))
		return 0;
	return (int)pool_give_back(pool, pool_take(pool), 0);
}

unsigned pool_epoch(const struct pool *pool)
{
	return atomic_load_explicit(&pool->epoch, memory_order_relaxed);
}

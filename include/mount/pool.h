/* SPDX-License-Identifier: MIT */
/*
 * The connections to the helper. A connection carries one request at a time, so that there are as many as requests are
 * made at once, up to a limit. For use by any number of threads.
 *
 * Theory of operation. A helper that ends hangs up all connections at once. A thread waits for that and raises a doubt;
 * whoever needs the helper next looks which connections are gone, and makes a new one if none is left. While there is
 * no helper, connecting fails at once, and so does whoever asked.
 */
#ifndef MOUNT_POOL_H
#define MOUNT_POOL_H

#include <stdbool.h>

#include <proxyfs/client.h>

struct pool;

/*
 * Connects to the helper at `socket_path`, which is kept, not copied. `most` connections at once. `reconnect`: make new
 * ones when all have been lost. Returns 0 or -errno.
 */
int pool_create(const char *socket_path, unsigned most, bool reconnect, struct pool **pool);

/* Closes the connections. No thread may be using them. */
void pool_destroy(struct pool *pool);

/* Starts the thread that notices that the helper is gone: not before the last fork(2). Returns 0 or -errno. */
int pool_watch(struct pool *pool);

/*
 * A connection for one request, which pool_give_back() takes back. NULL: there is no helper. Waits only while all
 * connections are in use.
 */
struct proxyfs_client *pool_take(struct pool *pool);

/*
 * `result` is what the request returned, and is passed on; but -EIO is returned where the connection broke.
 * The result of a request that was never made, `client` being NULL, is -EIO.
 */
ssize_t pool_give_back(struct pool *pool, struct proxyfs_client *client, ssize_t result);

/* Makes a request whose reply is a status, and returns that; -EIO as above. */
int pool_request(struct pool *pool, const struct proxyfs_request *request);

/* 0 while there is a helper, or -EIO. Costs nothing while nothing has happened. */
int pool_check(struct pool *pool);

/* Changes whenever connections have been lost: whatever was learnt from the helper before may be of another. */
unsigned pool_epoch(const struct pool *pool);

#endif

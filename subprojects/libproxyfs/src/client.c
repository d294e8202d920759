/* SPDX-License-Identifier: MIT */
#include <proxyfs/client.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <proxyfs/codec.h>

struct proxyfs_client {
	int fd;
	int error;
	char message[PROXYFS_MESSAGE_MAX]; /* the request, then its reply */
};

int proxyfs_client_adopt(int fd, struct proxyfs_client **client)
{
	struct proxyfs_client *made = malloc(sizeof *made);

	if (!made)
		return -ENOMEM;
	made->fd = fd;
	made->error = 0;
	*client = made;
	return 0;
}

int proxyfs_client_connect(const char *socket_path, struct proxyfs_client **client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (socket_path[0] == '\0') /* would be an address of the abstract kind */
		return -ENOENT;
	if (strlen(socket_path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, socket_path, strlen(socket_path));

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do
		error = connect(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	while (error == -EINTR);
	if (!error)
		error = proxyfs_client_adopt(fd, client);
	if (error)
		close(fd);
	return error;
}

void proxyfs_client_close(struct proxyfs_client *client)
{
	if (!client)
		return;
	close(client->fd);
	free(client);
}

int proxyfs_client_fd(const struct proxyfs_client *client)
{
	return client->fd;
}

int proxyfs_client_error(const struct proxyfs_client *client)
{
	return client->error;
}

static int send_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		bytes += sent;
		size -= (size_t)sent;
	}
	return 0;
}

/* The helper never ends a connection that is owed a reply cleanly: an end of file here is an error as well. */
static int receive_all(int fd, char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t got = recv(fd, bytes, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ECONNRESET;
		bytes += got;
		size -= (size_t)got;
	}
	return 0;
}

/* The descriptor in `message`, or -1. */
static int take_descriptor(struct msghdr *message)
{
	const struct cmsghdr *part = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
	    part->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(part), sizeof fd);
	return fd;
}

/*
 * The 4 bytes of an fd reply, and its descriptor, arrive in one piece. There is room for one descriptor exactly
 * (CMSG_LEN, not CMSG_SPACE, whose padding takes a second): the kernel drops the others and says so.
 */
static ssize_t receive_fd_reply(struct proxyfs_client *client, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { client->message, sizeof(int32_t) };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
		                  .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t got;

	do
		got = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got ? -errno : -ECONNRESET;

	*fd = take_descriptor(&message);
	return message.msg_flags & MSG_CTRUNC ? -EPROTO : got;
}

static ssize_t receive_headed_reply(struct proxyfs_client *client)
{
	uint32_t size;
	int error;

	error = receive_all(client->fd, client->message, PROXYFS_HEADER_SIZE);
	if (error)
		return error;
	memcpy(&size, client->message + sizeof(uint32_t), sizeof size);
	if (size > PROXYFS_PAYLOAD_MAX)
		return -EPROTO;
	error = receive_all(client->fd, client->message + PROXYFS_HEADER_SIZE, size);
	return error ? error : (ssize_t)(PROXYFS_HEADER_SIZE + size);
}

/* One descriptor with a success, none with a failure. */
static int check_descriptor(const struct proxyfs_reply *reply, enum proxyfs_form form, int fd)
{
	bool expected = form == PROXYFS_FORM_FD && reply->status == 0;

	return expected == (fd >= 0) ? 0 : -EPROTO;
}

static int exchange(struct proxyfs_client *client, const struct proxyfs_request *request, ssize_t request_size,
                    struct proxyfs_reply *reply, int *fd)
{
	enum proxyfs_form form = proxyfs_op_form(request->op);
	ssize_t size;
	int error;

	error = send_all(client->fd, client->message, (size_t)request_size);
	if (error)
		return error;
	size = form == PROXYFS_FORM_FD ? receive_fd_reply(client, fd) : receive_headed_reply(client);
	if (size < 0)
		return (int)size;
	error = proxyfs_decode_reply(request, client->message, (size_t)size, reply);
	return error ? error : check_descriptor(reply, form, *fd);
}

int proxyfs_call(struct proxyfs_client *client, const struct proxyfs_request *request, struct proxyfs_reply *reply,
                 int *fd)
{
	ssize_t size;
	int received = -1;

	if (fd)
		*fd = -1;
	if (client->error)
		return client->error;
	size = proxyfs_encode_request(request, client->message, sizeof client->message);
	if (size < 0)
		return (int)size;

	client->error = exchange(client, request, size, reply, &received);
	if (!client->error && fd) {
		*fd = received;
	} else if (received >= 0) {
		close(received);
	}
	return client->error;
}

static struct proxyfs_bytes text(const char *string)
{
	return (struct proxyfs_bytes){ string, strlen(string) };
}

static int call_for_reply(struct proxyfs_client *client, const struct proxyfs_request *request,
                          struct proxyfs_reply *reply)
{
	int error = proxyfs_call(client, request, reply, NULL);

	return error ? error : reply->status;
}

static int call_for_status(struct proxyfs_client *client, const struct proxyfs_request *request)
{
	struct proxyfs_reply reply;

	return call_for_reply(client, request, &reply);
}

static int call_for_fd(struct proxyfs_client *client, const struct proxyfs_request *request)
{
	struct proxyfs_reply reply;
	int fd, error;

	error = proxyfs_call(client, request, &reply, &fd);
	if (error)
		return error;
	return reply.status ? reply.status : fd;
}

int proxyfs_open(struct proxyfs_client *client, const char *path, int flags)
{
	return call_for_fd(client, &(struct proxyfs_request){
		.op = PROXYFS_OPEN, .path = text(path), .flags = (uint32_t)flags });
}

int proxyfs_create(struct proxyfs_client *client, const char *path, int flags, mode_t mode, uid_t uid, gid_t gid)
{
	return call_for_fd(client, &(struct proxyfs_request){
		.op = PROXYFS_CREATE, .path = text(path), .flags = (uint32_t)(flags | O_CREAT), .mode = mode, .uid = uid,
		.gid = gid });
}

int proxyfs_mknod(struct proxyfs_client *client, const char *path, mode_t mode, dev_t rdev, uid_t uid, gid_t gid)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_MKNOD, .path = text(path), .mode = mode, .rdev = rdev, .uid = uid, .gid = gid });
}

int proxyfs_mkdir(struct proxyfs_client *client, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_MKDIR, .path = text(path), .mode = mode, .uid = uid, .gid = gid });
}

int proxyfs_symlink(struct proxyfs_client *client, const char *target, const char *path, uid_t uid, gid_t gid)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_SYMLINK, .target = text(target), .path = text(path), .uid = uid, .gid = gid });
}

int proxyfs_link(struct proxyfs_client *client, const char *old_path, const char *new_path)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_LINK, .path = text(old_path), .new_path = text(new_path) });
}

int proxyfs_rename(struct proxyfs_client *client, const char *old_path, const char *new_path)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_RENAME, .path = text(old_path), .new_path = text(new_path) });
}

int proxyfs_remove(struct proxyfs_client *client, const char *path)
{
	return call_for_status(client, &(struct proxyfs_request){ .op = PROXYFS_REMOVE, .path = text(path) });
}

int proxyfs_lstat(struct proxyfs_client *client, const char *path, struct stat *stat)
{
	struct proxyfs_reply reply;
	int error = call_for_reply(client, &(struct proxyfs_request){ .op = PROXYFS_LSTAT, .path = text(path) }, &reply);

	if (!error)
		proxyfs_stat_to_native(&reply.stat, stat);
	return error;
}

int proxyfs_statfs(struct proxyfs_client *client, const char *path, struct statfs *statfs)
{
	struct proxyfs_reply reply;
	int error = call_for_reply(client, &(struct proxyfs_request){ .op = PROXYFS_STATFS, .path = text(path) }, &reply);

	if (!error)
		proxyfs_statfs_to_native(&reply.statfs, statfs);
	return error;
}

int proxyfs_chmod(struct proxyfs_client *client, const char *path, mode_t mode)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_CHMOD, .path = text(path), .mode = mode });
}

int proxyfs_chown(struct proxyfs_client *client, const char *path, uid_t uid, gid_t gid)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_CHOWN, .path = text(path), .uid = uid, .gid = gid });
}

int proxyfs_truncate(struct proxyfs_client *client, const char *path, off_t length)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_TRUNCATE, .path = text(path), .length = length });
}

int proxyfs_utime(struct proxyfs_client *client, const char *path, const struct timespec times[2])
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_UTIME, .path = text(path),
		.atime_sec = times[0].tv_sec, .atime_nsec = times[0].tv_nsec,
		.mtime_sec = times[1].tv_sec, .mtime_nsec = times[1].tv_nsec });
}

int proxyfs_getversion(struct proxyfs_client *client, const char *path, uint64_t *version)
{
	struct proxyfs_reply reply;
	int error = call_for_reply(client, &(struct proxyfs_request){ .op = PROXYFS_GETVERSION, .path = text(path) },
	                           &reply);

	if (!error)
		*version = reply.version;
	return error;
}

/* The protocol has 32 bits with a sign; a helper sends no more than a payload in any case. */
static int32_t wire_size(size_t size)
{
	return size > PROXYFS_PAYLOAD_MAX ? (int32_t)PROXYFS_PAYLOAD_MAX : (int32_t)size;
}

/* READLINK and the xattrs: the bytes of the reply, no more than `size`, whatever the helper says. */
static ssize_t call_for_bytes(struct proxyfs_client *client, const struct proxyfs_request *request, void *buffer,
                              size_t size)
{
	struct proxyfs_reply reply;
	int error = call_for_reply(client, request, &reply);

	if (error)
		return error;
	if (reply.length_only)
		return reply.length <= PROXYFS_PAYLOAD_MAX ? (ssize_t)reply.length : (client->error = -EPROTO);
	if (reply.bytes.size > size)
		return client->error = -EPROTO;
	if (reply.bytes.size > 0)
		memcpy(buffer, reply.bytes.data, reply.bytes.size);
	return (ssize_t)reply.bytes.size;
}

ssize_t proxyfs_readlink(struct proxyfs_client *client, const char *path, char *buffer, size_t size)
{
	ssize_t length;

	if (size == 0)
		return -EINVAL;
	length = call_for_bytes(client, &(struct proxyfs_request){
		.op = PROXYFS_READLINK, .path = text(path), .size = wire_size(size) }, buffer, size - 1);
	if (length >= 0)
		buffer[length] = '\0';
	return length;
}

ssize_t proxyfs_lgetxattr(struct proxyfs_client *client, const char *path, const char *name, void *buffer,
                          size_t size)
{
	return call_for_bytes(client, &(struct proxyfs_request){
		.op = PROXYFS_LGETXATTR, .path = text(path), .name = text(name), .size = wire_size(size) }, buffer, size);
}

ssize_t proxyfs_llistxattr(struct proxyfs_client *client, const char *path, char *buffer, size_t size)
{
	return call_for_bytes(client, &(struct proxyfs_request){
		.op = PROXYFS_LLISTXATTR, .path = text(path), .size = wire_size(size) }, buffer, size);
}

int proxyfs_lsetxattr(struct proxyfs_client *client, const char *path, const char *name, const void *value,
                      size_t size, int flags)
{
	if (size > PROXYFS_STRING_MAX)
		return -E2BIG;
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_LSETXATTR, .path = text(path), .name = text(name), .value = { value, size },
		.size = (int32_t)size, .flags = (uint32_t)flags });
}

int proxyfs_lremovexattr(struct proxyfs_client *client, const char *path, const char *name)
{
	return call_for_status(client, &(struct proxyfs_request){
		.op = PROXYFS_LREMOVEXATTR, .path = text(path), .name = text(name) });
}

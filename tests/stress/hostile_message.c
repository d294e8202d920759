/* SPDX-License-Identifier: MIT */
#include "hostile_message.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <proxyfs/codec.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Three of them are longer than a name can be. */
#define LONG_NAME "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

const char *hostile_canary;

/* What is in the export, what may come to be in it, and what leads out, as it is written or through a link. */
static const char *const paths[] = {
	"/", "//", "//.", "//..", "//file", "//dir", "//dir/file", "//dir/deep/er", "//dir/..", "//dir/../..", "//link",
	"//out", "//out/secret", "//up", "//up/../canary/secret", "//fifo", "//socket", "//device", "//dangling",
	"//loop",
	"//file/below", "//new-1", "//new-2", "//dir/new-1", "//dir/new-2", "//new-1/new-2", "/../canary/secret",
	"/../../etc/passwd", "//../../../../../../etc/passwd", "/etc/passwd", "/proc/self/root/etc/passwd",
	"/proc/1/root/etc/passwd", "/dev/null", "/sys", "../canary/secret", "canary", ".", "..", "", "file", "//file/",
	"//dir/", "///////file", "//./file", "//\xff\xfe", "//" LONG_NAME, "//" LONG_NAME LONG_NAME LONG_NAME,
};

static const char *const names[] = {
	"user.one", "user.two", "user.", "user", "", "trusted.one", "security.capability", "security.selinux",
	"system.posix_acl_access", "system.posix_acl_default", "system.", LONG_NAME LONG_NAME LONG_NAME, "os2.one",
};

static const uint32_t flags[] = {
	O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE, O_DIRECTORY, O_PATH, O_TMPFILE | O_RDWR, O_CREAT | O_RDWR,
	O_RDWR | O_TRUNC,
	O_CREAT | O_EXCL | O_WRONLY, O_NONBLOCK | O_RDWR, O_DIRECT, O_APPEND | O_WRONLY, O_NOATIME, UINT32_MAX,
};

static const uint32_t modes[] = {
	0, 0644, 0755, 07777, S_IFREG | 0644, S_IFDIR | 0755, S_IFCHR | 0666, S_IFBLK | 0666, S_IFIFO | 0644,
	S_IFSOCK | 0644,
	S_IFLNK | 0777, UINT32_MAX,
};

static const uint32_t ids[] = { 0, 0, 1, 1000, 1001, 65534, 65535, 65536, UINT32_MAX, UINT32_MAX - 1, 0x80000000 };

static const int32_t sizes[] = { 0, 0, 1, 2, 3, 4, 5, 100, 4096, 65535, 65536, 65537, INT32_MAX, -1, INT32_MIN };

static const int64_t numbers[] = {
	0, 1, -1, 4096, 999999999, 1000000000, UTIME_NOW, UTIME_OMIT, INT64_MAX, INT64_MIN, INT64_C(1) << 40,
};

#define PICK(chance, array) ((array)[chance_below(chance, COUNT(array))])

static struct proxyfs_bytes text(const char *string)
{
	return (struct proxyfs_bytes){ string, strlen(string) };
}

static struct proxyfs_bytes pick_path(struct chance *chance)
{
	return text(chance_one_in(chance, 32) ? hostile_canary : PICK(chance, paths));
}

/* Members that the operation does not have are not encoded. */
static void fill_request(struct chance *chance, struct proxyfs_request *request)
{
	static const char zeros[PROXYFS_VALUE_MAX];

	*request = (struct proxyfs_request){
		.op = (enum proxyfs_op)(PROXYFS_OPEN + chance_below(chance, PROXYFS_OP_END - PROXYFS_OPEN)),
		.path = pick_path(chance),
		.new_path = pick_path(chance),
		.target = pick_path(chance),
		.name = text(PICK(chance, names)),
		.value = { zeros, chance_size(chance, 300) },
		.flags = PICK(chance, flags),
		.mode = PICK(chance, modes),
		.uid = PICK(chance, ids),
		.gid = PICK(chance, ids),
		.size = PICK(chance, sizes),
		.rdev = chance_next(chance),
		.length = PICK(chance, numbers),
		.atime_sec = PICK(chance, numbers),
		.atime_nsec = PICK(chance, numbers),
		.mtime_sec = PICK(chance, numbers),
		.mtime_nsec = PICK(chance, numbers),
	};
	if (request->op == PROXYFS_LSETXATTR && !chance_one_in(chance, 4))
		request->size = (int32_t)request->value.size;
}

static void put_header(uint8_t *bytes, uint32_t type, uint32_t size)
{
	const uint32_t header[] = { type, size };

	memcpy(bytes, header, sizeof header);
}

static void put_noise(struct chance *chance, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)chance_next(chance);
}

/* Changes some bytes of the payload; half of them to a NUL. */
static void spoil(struct chance *chance, uint8_t *payload, uint32_t size)
{
	for (uint32_t left = size ? 1 + chance_below(chance, 3) : 0; left > 0; left--)
		payload[chance_below(chance, size)] = chance_one_in(chance, 2) ? 0 : (uint8_t)chance_next(chance);
}

/* A new payload size: shorter, or longer with noise. Large ones are rare, or nothing else would be sent. */
static uint32_t resize(struct chance *chance, uint8_t *payload, uint32_t size)
{
	uint32_t resized = chance_one_in(chance, 50) ? PROXYFS_PAYLOAD_MAX : chance_size(chance, size + 200);

	if (resized > size)
		put_noise(chance, payload + size, resized - size);
	return resized;
}

size_t hostile_message(struct chance *chance, uint8_t *bytes)
{
	struct proxyfs_request request;
	uint8_t *payload = bytes + PROXYFS_HEADER_SIZE;
	ssize_t encoded;
	uint32_t size;

	fill_request(chance, &request);
	encoded = proxyfs_encode_request(&request, bytes, HOSTILE_MESSAGE_MAX);
	if (encoded < 0)
		abort();
	size = (uint32_t)encoded - PROXYFS_HEADER_SIZE;
	if (chance_one_in(chance, 4))
		spoil(chance, payload, size);
	if (chance_one_in(chance, 8))
		size = resize(chance, payload, size);
	put_header(bytes, request.op, size);
	return PROXYFS_HEADER_SIZE + size;
}

size_t hostile_header(struct chance *chance, uint8_t *bytes)
{
	static const uint32_t types[] = { 0, 1, PROXYFS_OP_END, 255, 0x02000000, UINT32_MAX };
	static const uint32_t too_large[] = { PROXYFS_PAYLOAD_MAX + 1, 0x7fffffff, 0x80000000, UINT32_MAX };

	if (chance_one_in(chance, 2))
		put_header(bytes, PICK(chance, types), chance_size(chance, UINT32_MAX - 1));
	else
		put_header(bytes, PROXYFS_OPEN + chance_below(chance, 2), PICK(chance, too_large));
	return PROXYFS_HEADER_SIZE;
}

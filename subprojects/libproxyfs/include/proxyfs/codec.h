/* SPDX-License-Identifier: MIT */
/*
 * Bytes to requests and replies, and back, in both directions, for helpers, clients and tools. No I/O, no
 * allocation: what is decoded points into the buffer it was decoded from. Driven by the table in operations.c.
 *
 * Every function that can fail returns a negative errno.
 */
#ifndef PROXYFS_CODEC_H
#define PROXYFS_CODEC_H

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>

#include "protocol.h"

/*
 * Decodes and judges the PROXYFS_HEADER_SIZE bytes at `bytes` as the header of a request.
 *
 *  0         the type is an operation and the payload within bounds
 *  -EPROTO   no operation has this type: the form of a reply is unknowable
 *  -EMSGSIZE the payload would be larger than PROXYFS_PAYLOAD_MAX
 *
 * After an error there is no way to find the next message: the connection must end. `header` is set in any case.
 */
int proxyfs_decode_header(const void *bytes, struct proxyfs_header *header);

/*
 * Decodes the `size` bytes of payload of a request of type `op`, which must be valid. Every member that the
 * operation does not use is zeroed. One trailing NUL of a path, target or name is taken off; bytes after the last
 * field are ignored.
 *
 *  0         `request` is whole
 *  -ENOBUFS  the payload is shorter than its fields
 *  -EINVAL   a path, target or name holds a NUL inside
 *
 * Errors concern this request only: the client is owed a reply with them, in the form of the operation.
 */
int proxyfs_decode_request(enum proxyfs_op op, const void *payload, size_t size, struct proxyfs_request *request);

/*
 * Encodes a request with its header, the NULs of strings counted where QEMU counts them.
 * Returns the bytes used of the `size` at `buffer`; -ENOBUFS when they, or the protocol's bounds, do not suffice;
 * -EINVAL for a NUL inside a path, target or name, or a type that is no operation.
 */
ssize_t proxyfs_encode_request(const struct proxyfs_request *request, void *buffer, size_t size);

/*
 * Encodes the reply to a request of type `op`, in the form of that operation. The descriptor of an fd reply is the
 * caller's to send, along with these bytes, in one sendmsg(2).
 * Returns the bytes used of the `size` at `buffer`, or -ENOBUFS: a failure, or anything but READLINK and the xattr
 * operations, always fits into PROXYFS_STAT_SIZE + PROXYFS_HEADER_SIZE.
 */
ssize_t proxyfs_encode_reply(enum proxyfs_op op, const struct proxyfs_reply *reply, void *buffer, size_t size);

/*
 * How many bytes the reply to a request of type `op` has, from the first `size` of them: read until there are as many
 * as this returns, and ask again, because a header has to arrive before its payload can be counted. -EPROTO: this is
 * no header of a reply.
 */
ssize_t proxyfs_reply_size(enum proxyfs_op op, const void *bytes, size_t size);

/*
 * Decodes the reply to `request` from `size` bytes: the whole message of a status or data reply, the 4 bytes of an
 * fd reply. Returns 0, or -EPROTO when the bytes are no such reply. `reply->bytes` points into `bytes`.
 */
int proxyfs_decode_reply(const struct proxyfs_request *request, const void *bytes, size_t size,
                         struct proxyfs_reply *reply);

/* Between the C library's structures and the protocol's. */
void proxyfs_stat_from_native(const struct stat *native, struct proxyfs_stat *stat);
void proxyfs_stat_to_native(const struct proxyfs_stat *stat, struct stat *native);
void proxyfs_statfs_from_native(const struct statfs *native, struct proxyfs_statfs *statfs);
void proxyfs_statfs_to_native(const struct proxyfs_statfs *statfs, struct statfs *native);

#endif

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mount/operations.h"

static struct handle *handle_of(const struct fuse_file_info *file)
{
	return (struct handle *)(uintptr_t)file->fh;
}

static void reply_status(fuse_req_t request, int failed)
{
	fuse_reply_err(request, failed ? errno : 0);
}

/* Spliced: the bytes do not come into our memory. */
void op_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct fuse_bufvec from = FUSE_BUFVEC_INIT(size);

	(void)number;
	from.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	from.buf[0].fd = handle_of(file)->fd;
	from.buf[0].pos = offset;
	fuse_reply_data(request, &from, 0);
}

/* fcntl(2) may have set or cleared it since. The descriptor is ours alone. */
static void follow_append(struct handle *handle, int flags)
{
	if (!((handle->flags ^ flags) & O_APPEND))
		return;
	fcntl(handle->fd, F_SETFL, flags & O_APPEND);
	handle->flags = (handle->flags & ~O_APPEND) | (flags & O_APPEND);
}

/* What is appended goes to the end at that moment, wherever the kernel believes it to be; splice(2) does not append. */
void op_write_buf(fuse_req_t request, fuse_ino_t number, struct fuse_bufvec *from, off_t offset,
                  struct fuse_file_info *file)
{
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(fuse_buf_size(from));
	struct handle *handle = handle_of(file);
	ssize_t written;

	(void)number;
	if (!file->writepage)
		follow_append(handle, file->flags);
	to.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY;
	to.buf[0].fd = handle->fd;
	to.buf[0].pos = offset;
	written = fuse_buf_copy(&to, from, handle->flags & O_APPEND ? FUSE_BUF_NO_SPLICE : 0);
	if (written < 0)
		fuse_reply_err(request, (int)-written);
	else
		fuse_reply_write(request, (size_t)written);
}

void op_fsync(fuse_req_t request, fuse_ino_t number, int only_data, struct fuse_file_info *file)
{
	int fd = handle_of(file)->fd;

	(void)number;
	reply_status(request, only_data ? fdatasync(fd) : fsync(fd));
}

void op_fallocate(fuse_req_t request, fuse_ino_t number, int mode, off_t offset, off_t size, struct fuse_file_info *file)
{
	(void)number;
	reply_status(request, fallocate(handle_of(file)->fd, mode, offset, size));
}

/* SEEK_DATA and SEEK_HOLE; the kernel does the others itself. */
void op_lseek(fuse_req_t request, fuse_ino_t number, off_t offset, int whence, struct fuse_file_info *file)
{
	off_t found = lseek(handle_of(file)->fd, offset, whence);

	(void)number;
	if (found < 0)
		fuse_reply_err(request, errno);
	else
		fuse_reply_lseek(request, found);
}

void op_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset, struct fuse_file_info *from_file,
                        fuse_ino_t to, off_t to_offset, struct fuse_file_info *to_file, size_t size, int flags)
{
	ssize_t copied = copy_file_range(handle_of(from_file)->fd, &from_offset, handle_of(to_file)->fd, &to_offset, size,
	                                 (unsigned)flags);

	(void)from;
	(void)to;
	if (copied < 0)
		fuse_reply_err(request, errno);
	else
		fuse_reply_write(request, (size_t)copied);
}

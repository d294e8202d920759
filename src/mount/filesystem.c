/* SPDX-License-Identifier: MIT */
#include "mount/filesystem.h"

#include "mount/operations.h"

static void want(struct fuse_conn_info *connection, unsigned capability, bool wanted)
{
	connection->want &= ~capability;
	if (wanted)
		connection->want |= connection->capable & capability;
}

/*
 * What is read goes from the file to the kernel without a copy of ours (SPLICE_WRITE). Requests are not taken that way:
 * each of the many small ones would cost a system call more, and the few large ones are no faster.
 * Attributes along with names are of use to a kernel that may keep them only.
 */
static void init(void *data, struct fuse_conn_info *connection)
{
	const struct filesystem *fs = data;

	want(connection, FUSE_CAP_SPLICE_WRITE, true);
	want(connection, FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_MOVE, false);
	want(connection, FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS, true);
	want(connection, FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO, fs->timeout > 0);
	want(connection, FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS, false);
}

const struct fuse_lowlevel_ops filesystem_operations = {
	.init = init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.statfs = op_statfs,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.release = op_release,
	.read = op_read,
	.write_buf = op_write_buf,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.releasedir = op_releasedir,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};

/* SPDX-License-Identifier: MIT */
#include <proxyfs/codec.h>

#include <string.h>

void proxyfs_stat_from_native(const struct stat *native, struct proxyfs_stat *stat)
{
	*stat = (struct proxyfs_stat){
		.dev = native->st_dev,
		.ino = native->st_ino,
		.nlink = native->st_nlink,
		.mode = native->st_mode,
		.uid = native->st_uid,
		.gid = native->st_gid,
		.rdev = native->st_rdev,
		.size = (uint64_t)native->st_size,
		.blksize = (uint64_t)native->st_blksize,
		.blocks = (uint64_t)native->st_blocks,
		.atime_sec = native->st_atim.tv_sec,
		.atime_nsec = native->st_atim.tv_nsec,
		.mtime_sec = native->st_mtim.tv_sec,
		.mtime_nsec = native->st_mtim.tv_nsec,
		.ctime_sec = native->st_ctim.tv_sec,
		.ctime_nsec = native->st_ctim.tv_nsec,
	};
}

void proxyfs_stat_to_native(const struct proxyfs_stat *stat, struct stat *native)
{
	memset(native, 0, sizeof *native);
	native->st_dev = (dev_t)stat->dev;
	native->st_ino = (ino_t)stat->ino;
	native->st_nlink = (nlink_t)stat->nlink;
	native->st_mode = stat->mode;
	native->st_uid = stat->uid;
	native->st_gid = stat->gid;
	native->st_rdev = (dev_t)stat->rdev;
	native->st_size = (off_t)stat->size;
	native->st_blksize = (blksize_t)stat->blksize;
	native->st_blocks = (blkcnt_t)stat->blocks;
	native->st_atim.tv_sec = (time_t)stat->atime_sec;
	native->st_atim.tv_nsec = (long)stat->atime_nsec;
	native->st_mtim.tv_sec = (time_t)stat->mtime_sec;
	native->st_mtim.tv_nsec = (long)stat->mtime_nsec;
	native->st_ctim.tv_sec = (time_t)stat->ctime_sec;
	native->st_ctim.tv_nsec = (long)stat->ctime_nsec;
}

void proxyfs_statfs_from_native(const struct statfs *native, struct proxyfs_statfs *statfs)
{
	uint32_t fsid[2];

	_Static_assert(sizeof native->f_fsid == sizeof fsid, "two 32-bit words, statfs(2)");
	memcpy(fsid, &native->f_fsid, sizeof fsid);

	*statfs = (struct proxyfs_statfs){
		/* Where it is an int, the sign of a high magic number (btrfs's) must not spread. */
		.type = (uint32_t)native->f_type,
		.bsize = (uint64_t)native->f_bsize,
		.blocks = native->f_blocks,
		.bfree = native->f_bfree,
		.bavail = native->f_bavail,
		.files = native->f_files,
		.ffree = native->f_ffree,
		/* The second word in both halves: whichever QEMU reads, it is the true one (protocol.h). */
		.fsid = { fsid[0], (uint64_t)fsid[1] << 32 | fsid[1] },
		.namelen = (uint64_t)native->f_namelen,
		.frsize = (uint64_t)native->f_frsize,
	};
}

void proxyfs_statfs_to_native(const struct proxyfs_statfs *statfs, struct statfs *native)
{
	const uint32_t fsid[2] = { (uint32_t)statfs->fsid[0], (uint32_t)(statfs->fsid[1] >> 32) };

	memset(native, 0, sizeof *native);
	native->f_type = (__typeof__(native->f_type))statfs->type;
	native->f_bsize = (__typeof__(native->f_bsize))statfs->bsize;
	native->f_blocks = (fsblkcnt_t)statfs->blocks;
	native->f_bfree = (fsblkcnt_t)statfs->bfree;
	native->f_bavail = (fsblkcnt_t)statfs->bavail;
	native->f_files = (fsfilcnt_t)statfs->files;
	native->f_ffree = (fsfilcnt_t)statfs->ffree;
	memcpy(&native->f_fsid, fsid, sizeof fsid);
	native->f_namelen = (__typeof__(native->f_namelen))statfs->namelen;
	native->f_frsize = (__typeof__(native->f_frsize))statfs->frsize;
}

/* SPDX-License-Identifier: MIT */
/*
 * The operations, by file of src/mount/. Each answers its request; what it does with whom is said in the manual. Where
 * one is as fuse_lowlevel.h describes it, nothing is said here.
 */
#ifndef MOUNT_OPERATIONS_H
#define MOUNT_OPERATIONS_H

#include "mount/filesystem.h"

/* lookup.c: names are found, made and forgotten */
void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *text);
void op_forget(fuse_req_t request, fuse_ino_t number, uint64_t count);
void op_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets);
/* Answers with the entry of what was made, or with the error that it was not. */
void op_reply_made(fuse_req_t request, struct node *parent, const char *text, int error);

/* attributes.c */
void op_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file);
void op_statfs(fuse_req_t request, fuse_ino_t number);
void op_readlink(fuse_req_t request, fuse_ino_t number);

/* change.c */
void op_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int which, struct fuse_file_info *file);

/* names.c */
void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *text, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *text, mode_t mode);
void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *text);
void op_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char *text);
void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *text);
void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *text);
void op_rename(fuse_req_t request, fuse_ino_t parent, const char *text, fuse_ino_t new_parent, const char *new_text,
               unsigned flags);

/* open.c */
void op_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file);
void op_create(fuse_req_t request, fuse_ino_t parent, const char *text, mode_t mode, struct fuse_file_info *file);
void op_release(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file);

/* contents.c */
void op_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file);
void op_write_buf(fuse_req_t request, fuse_ino_t number, struct fuse_bufvec *from, off_t offset,
                  struct fuse_file_info *file);
void op_fsync(fuse_req_t request, fuse_ino_t number, int only_data, struct fuse_file_info *file);
void op_fallocate(fuse_req_t request, fuse_ino_t number, int mode, off_t offset, off_t size, struct fuse_file_info *file);
void op_lseek(fuse_req_t request, fuse_ino_t number, off_t offset, int whence, struct fuse_file_info *file);
void op_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset, struct fuse_file_info *from_file,
                        fuse_ino_t to, off_t to_offset, struct fuse_file_info *to_file, size_t size, int flags);

/* directory.c */
void op_opendir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file);
void op_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file);
void op_readdirplus(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file);
void op_fsyncdir(fuse_req_t request, fuse_ino_t number, int only_data, struct fuse_file_info *file);
void op_releasedir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file);

/* xattrs.c */
void op_getxattr(fuse_req_t request, fuse_ino_t number, const char *name, size_t size);
void op_listxattr(fuse_req_t request, fuse_ino_t number, size_t size);
void op_setxattr(fuse_req_t request, fuse_ino_t number, const char *name, const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t request, fuse_ino_t number, const char *name);

#endif

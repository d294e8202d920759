/* SPDX-License-Identifier: MIT */
/*
 * What a name leads to, held without opening it: open(2), O_PATH. Holding has no effect on the object, whatever it is;
 * and what is then done to it is done to that very object, whatever takes its name meanwhile.
 *
 * Theory of operation: only a name can be opened, and a descriptor's name is in /proc/self/fd, which is not in the
 * export. So the worker takes that directory along when it enters: as a mount of its own that is nowhere, open_tree(2),
 * from which no name leads on but those of the worker's own descriptors.
 */
#ifndef OPS_OBJECT_H
#define OPS_OBJECT_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Takes /proc/self/fd along; to be called before the export is entered. Returns its descriptor. Where that is not
 * possible (no /proc, or no right to mount, as in some user namespaces), -1: it is logged, and object_can_reopen() is
 * false.
 */
int object_prepare(void);

/* Whether object_open() and object_chmod() can be used. */
bool object_can_reopen(void);

/* Holds what `path` leads to. Returns a descriptor, and the object's attributes, or -errno; -ELOOP: a symbolic link. */
int object_hold(const char *path, struct stat *stat);

/* Opens an object that is held, with open(2)'s flags. Returns a descriptor or -errno. */
int object_open(int object, int flags);

/* Returns 0 or -errno. */
int object_chmod(int object, mode_t mode);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Which extended attributes are private to the host: those that its /etc/xattr.conf marks "skip", which means that
 * they must not be copied from file to file, and the labels of the kernel's integrity subsystem.
 */
#ifndef COMMON_PRIVATE_ATTRIBUTES_H
#define COMMON_PRIVATE_ATTRIBUTES_H

#include <stdbool.h>

/*
 * Reads the host's file, once: before the process or a child of it changes its root, and while it has one thread.
 * The children inherit what was read. Returns 0, also if there is no file or no rule in it; or -errno, after logging,
 * if it cannot be read or makes no sense: then nobody knows what is private.
 */
int private_attributes_read(void);

/* Whether the attribute of this full name is. Before private_attributes_read(): whether it is on every host. */
bool private_attributes_include(const char *name);

#endif

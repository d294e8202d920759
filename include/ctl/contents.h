/* SPDX-License-Identifier: MIT */
/* What a descriptor that came back holds. Functions return 0 or a negative errno. */
#ifndef CTL_CONTENTS_H
#define CTL_CONTENTS_H

#include <stdbool.h>

#include <proxyfs/protocol.h>

/* "directory", "regular file" ...; of what cannot be told: "unknown". */
const char *contents_kind(int fd);
bool contents_is_directory(int fd);

/* The names in a directory but "." and "..", sorted, a NUL behind each; the caller frees names->data. `fd` stays open. */
int contents_names(int fd, struct proxyfs_bytes *names);

/* All bytes of a file; the caller frees contents->data. */
int contents_read(int fd, struct proxyfs_bytes *contents);

/* From where `from` is to its end. */
int contents_copy(int from, int to);

#endif

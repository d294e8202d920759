/* SPDX-License-Identifier: MIT */
/* A helper's status as a table for people. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/rows.h"

#define TABLE_CELL_SIZE 32 /* bytes */

/* "812 ns", "1.25 ms", "3 s", "2 h 5 min": a time in three digits or so. */
const char *table_time(uint64_t ns, char text[static TABLE_CELL_SIZE]);

/* The same for bytes: "3.4 MB", and "?" for what the helper could not find out. */
const char *table_bytes(const char *number, char text[static TABLE_CELL_SIZE]);

/* What the helper is, in a few lines. */
void table_helper(FILE *out, const struct rows *rows);

/* The heads of the columns; with `rates`, there is one for requests a second. A line that ends without a newline. */
void table_heads(FILE *out, bool rates);

/* A client, on a line that ends without a newline. */
void table_client(FILE *out, const struct rows_client *client, bool rates);

/* What a client asked for, a line an operation. */
void table_operations(FILE *out, const struct rows_client *client);

#endif

/* SPDX-License-Identifier: MIT */
/* Sorting clients, and what they asked for between two looks at them. */
#ifndef CTL_ORDER_H
#define CTL_ORDER_H

#include <stdbool.h>

#include "ctl/rows.h"

/* n: in the order of their arrival; p: pid; r: rate; c: requests; e: errors; 5: p50; 9: p99; w: how long one waits. */
bool order_is_key(char key);

/* Pids and arrivals ascend, all else descends; clients that are equal stay in the order of their arrival. */
void order_clients(struct rows *rows, char key);

/* Sets the rates of the clients in `now`, from `ns` ago; of one that was not there then, since it came. */
void order_rates(struct rows *now, const struct rows *before, uint64_t ns);

#endif

/* SPDX-License-Identifier: MIT */
#include "ctl/order.h"

#include <stdlib.h>
#include <string.h>

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_number(const void *a, const void *b)
{
	return compare_numbers(((const struct rows_client *)a)->number, ((const struct rows_client *)b)->number);
}

#define descending(name, member)                                                                                       \
	static int name(const void *left, const void *right)                                                           \
	{                                                                                                              \
		const struct rows_client *a = left, *b = right;                                                        \
		int order = a->member < b->member ? 1 : -(a->member > b->member);                                      \
                                                                                                                       \
		return order ? order : by_number(a, b);                                                                \
	}

descending(by_rate, rate)
descending(by_requests, requests)
descending(by_errors, errors)
descending(by_p50, p50)
descending(by_p99, p99)
descending(by_wait, since)

static int by_pid(const void *left, const void *right)
{
	const struct rows_client *a = left, *b = right;
	int order = compare_numbers(a->pid, b->pid);

	return order ? order : by_number(a, b);
}

static const struct {
	char key;
	int (*compare)(const void *a, const void *b);
} orders[] = {
	{ 'n', by_number }, { 'p', by_pid }, { 'r', by_rate }, { 'c', by_requests },
	{ 'e', by_errors }, { '5', by_p50 }, { '9', by_p99 },  { 'w', by_wait },
};

bool order_is_key(char key)
{
	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
		if (orders[i].key == key)
			return true;
	return false;
}

void order_clients(struct rows *rows, char key)
{
	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
		if (orders[i].key == key && rows->client_count > 0)
			qsort(rows->clients, rows->client_count, sizeof *rows->clients, orders[i].compare);
}

/* Looked for among those of the same number; most lists are short, and in the order in which they were sorted last. */
static const struct rows_client *find(const struct rows *rows, uint64_t number)
{
	for (size_t i = 0; i < rows->client_count; i++)
		if (rows->clients[i].number == number)
			return &rows->clients[i];
	return NULL;
}

void order_rates(struct rows *now, const struct rows *before, uint64_t ns)
{
	for (size_t i = 0; i < now->client_count; i++) {
		struct rows_client *client = &now->clients[i];
		const struct rows_client *old = find(before, client->number);
		uint64_t requests = client->requests - (old ? old->requests : 0);
		uint64_t time = old ? ns : client->age;

		client->rate = time > 0 ? (double)requests * 1e9 / (double)time : 0;
	}
}

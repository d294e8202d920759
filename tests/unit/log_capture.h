/* SPDX-License-Identifier: MIT */
/* Takes the place of common/log.c: keeps what is logged for the test to look at. */
#ifndef TESTS_LOG_CAPTURE_H
#define TESTS_LOG_CAPTURE_H

#include "common/log.h"

void log_capture_reset(void);

/* Lines since the reset. */
unsigned log_capture_count(void);

/* Those of them that are errors. */
unsigned log_capture_errors(void);

/* The last of them, "" before the first, and its priority. */
const char *log_capture_text(void);
int log_capture_priority(void);

#endif

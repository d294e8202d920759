/* SPDX-License-Identifier: MIT */
/* Takes the place of common/ration.c: there is always one more, so that a test sees each line of the log. */
#include "common/ration.h"

bool ration_take(struct ration *ration, uint64_t now)
{
	(void)ration;
	(void)now;
	return true;
}

uint64_t ration_left_out(struct ration *ration)
{
	(void)ration;
	return 0;
}

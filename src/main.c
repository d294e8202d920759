/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "common/fault.h"
#include "monitor/handover.h"
#include "monitor/monitor.h"
#include "options.h"

int main(int count, char **arguments)
{
	struct options options;
	struct handover handover;

#ifdef FAULT_POINTS
	fault_begin(count, arguments);
#endif
	if (handover_find(&handover))
		return EXIT_FAILURE;
	switch (options_parse(count, arguments, handover.parcel_fd >= 0, handover.config_fd, &options)) {
	case OPTIONS_RUN:
		return handover.parcel_fd < 0 ? monitor_main(&options) : handover_main(&options, &handover);
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_USAGE:
		break;
	}
	return EXIT_USAGE;
}

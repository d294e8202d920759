/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "common/fault.h"
#include "monitor/monitor.h"
#include "options.h"

int main(int count, char **arguments)
{
	struct options options;

#ifdef FAULT_POINTS
	fault_begin(count, arguments);
#endif
	switch (options_parse(count, arguments, &options)) {
	case OPTIONS_RUN:
		return monitor_main(&options);
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_USAGE:
		break;
	}
	return EXIT_USAGE;
}

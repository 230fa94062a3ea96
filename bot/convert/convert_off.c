/*
 * convert_off.c - cmd_convert.h in a build without libyaml.
 */
#include <stdio.h>
#include <sysexits.h>
#include "bot/convert/cmd_convert.h"

int cmd_convert(const char *path)
{
	fprintf(stderr,
	        "--alertmanager: this build cannot read YAML (it was built without libyaml)\n");
	return EX_USAGE;
}

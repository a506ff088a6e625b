/*
 * status.c
 *		Names of the statuses.
 */
#include "base/status.h"
#include "base/pure_c.h"

const char *
tcls_status_name(TclsStatus status)
{
	switch (status)
	{
		case TCLS_OK:
			return "ok";
		case TCLS_OUT_OF_MEMORY:
			return "out of memory";
		case TCLS_CANCELLED:
			return "cancelled";
		case TCLS_BAD_FILE:
			return "bad file";
		case TCLS_UNSUPPORTED:
			return "unsupported";
		case TCLS_BAD_ARGUMENT:
			return "bad argument";
		case TCLS_BAD_TEXT:
			return "bad text";
		case TCLS_TOO_LARGE:
			return "too large";
		case TCLS_IO:
			return "input/output";
		case TCLS_DIVERGED:
			return "diverged";
		case TCLS_INTERNAL:
			break;
	}
	return "internal";
}

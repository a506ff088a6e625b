/*
 * unit.h
 *		A test host and a few checks for the core, without a server.
 *
 * A test is a program: UNIT_MAIN lists its cases.  Each case prints "ok - name" or
 * "not ok - name"; the program exits 1 when one failed.  The host frees everything a
 * case allocated when the case ends, as a memory context does.
 */
#ifndef TEXTCLS_UNIT_H
#define TEXTCLS_UNIT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/host.h"

typedef struct UnitHost
{
	TclsHost	host;			/* hand &unit.host to the core */
	void	   *blocks;			/* list of live blocks */
	size_t		live_blocks;
	size_t		allocations;	/* so far */
	size_t		fail_at;		/* the allocation with this number (1..) fails; 0: none */
	size_t		polls;
	size_t		cancel_at;		/* the poll with this number cancels; 0: none */
} UnitHost;

extern void unit_host_init(UnitHost *unit);
extern void unit_host_reset(UnitHost *unit);	/* frees what is live */

typedef void (*UnitCase) (UnitHost *unit);

extern void unit_run(const char *name, UnitCase test);
extern void unit_fail(const char *file, int line, const char *format,...) __attribute__((format(printf, 3, 4)));
extern int	unit_finish(void);

/* Whole file into memory of malloc, terminated; fails the case and returns NULL when absent. */
extern char *unit_read_file(const char *path, size_t *size);

/* A TclsWriter's context that appends to bytes of the host. */
typedef struct UnitSink
{
	TclsBytes  *bytes;
	TclsHost   *host;
	size_t		room;			/* a write beyond this many bytes fails; 0: no limit */
} UnitSink;

extern TclsStatus unit_sink_write(void *sink, const void *data, size_t size);

#define CHECK(condition) \
	do { if (!(condition)) unit_fail(__FILE__, __LINE__, "%s", #condition); } while (0)
#define CHECK_STATUS(expression, wanted, host) \
	do { \
		TclsStatus	status_ = (expression); \
		if (status_ != (wanted)) \
			unit_fail(__FILE__, __LINE__, "%s gave %s (%s), wanted %s", #expression, \
					  tcls_status_name(status_), (host)->detail, tcls_status_name(wanted)); \
	} while (0)
#define CHECK_OK(expression, host) CHECK_STATUS(expression, TCLS_OK, host)
#define CHECK_CLOSE(actual, wanted, tolerance) \
	do { \
		double		actual_ = (actual), wanted_ = (wanted); \
		if (!(__builtin_fabs(actual_ - wanted_) <= (tolerance))) \
			unit_fail(__FILE__, __LINE__, "%s is %.9g, wanted %.9g", #actual, actual_, wanted_); \
	} while (0)
#define RUN(test) unit_run(#test, test)

#endif							/* TEXTCLS_UNIT_H */

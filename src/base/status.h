/*
 * status.h
 *		What a function of the core returns, and how it is passed on.
 *
 * The core never raises and never exits.  The text that goes with a failure
 * is put into the host by tcls_fail(), which gives the status back:
 *
 *		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" has no data", name);
 *
 * Texts follow PostgreSQL's style for primary messages: lower case, no period.
 */
#ifndef TEXTCLS_STATUS_H
#define TEXTCLS_STATUS_H

typedef enum TclsStatus
{
	TCLS_OK = 0,
	TCLS_OUT_OF_MEMORY,
	TCLS_CANCELLED,				/* the host's poll asked to stop */
	TCLS_BAD_FILE,				/* malformed, truncated or contradictory bytes */
	TCLS_UNSUPPORTED,			/* well-formed, but nothing we can run */
	TCLS_BAD_ARGUMENT,			/* an option or value the caller gave */
	TCLS_BAD_TEXT,				/* not valid UTF-8 */
	TCLS_TOO_LARGE,				/* above a limit or an integer range */
	TCLS_IO,					/* a callback of the caller could not read or write */
	TCLS_DIVERGED,				/* loss or weights are no longer finite */
	TCLS_INTERNAL				/* a promise inside the core was broken */
} TclsStatus;

/* Pass a failure on to the caller. */
#define TCLS_TRY(expression) \
	do { \
		TclsStatus	tcls_status_ = (expression); \
		if (tcls_status_ != TCLS_OK) \
			return tcls_status_; \
	} while (0)

/* A short name of the status for logs and tests, static storage. */
extern const char *tcls_status_name(TclsStatus status);

#endif							/* TEXTCLS_STATUS_H */

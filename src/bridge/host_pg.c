/*
 * host_pg.c
 *		The core's host in the server.
 */
#include "postgres.h"

#include <stdarg.h>

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "bridge/host_pg.h"
#include "bridge/settings.h"

static void *
host_alloc(void *context, size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		return NULL;
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
host_free(void *context, void *block)
{
	pfree(block);
}

static TclsStatus
host_poll(void *context)
{
	CHECK_FOR_INTERRUPTS();
	return TCLS_OK;
}

TclsHost *
tcls_host_create(MemoryContext context)
{
	TclsHost   *host = MemoryContextAllocZero(context, sizeof(TclsHost));

	host->alloc = host_alloc;
	host->free = host_free;
	host->poll = host_poll;
	host->context = context;
	return host;
}

static int
status_sqlstate(TclsStatus status)
{
	switch (status)
	{
		case TCLS_OUT_OF_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case TCLS_CANCELLED:
			return ERRCODE_QUERY_CANCELED;
		case TCLS_BAD_FILE:
			return ERRCODE_INVALID_BINARY_REPRESENTATION;
		case TCLS_UNSUPPORTED:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case TCLS_BAD_ARGUMENT:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case TCLS_BAD_TEXT:
			return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		case TCLS_TOO_LARGE:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case TCLS_IO:
			return ERRCODE_IO_ERROR;
		case TCLS_DIVERGED:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case TCLS_OK:
		case TCLS_INTERNAL:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/* The core speaks UTF-8; a message must not fail over a character of the culprit it quotes. */
static const char *
detail_text(TclsHost *host)
{
	char	   *detail = pstrdup(host->detail);

	detail[pg_encoding_mbcliplen(PG_UTF8, detail, strlen(detail), sizeof(host->detail) - 1)] = '\0';
	if (GetDatabaseEncoding() != PG_UTF8 || !pg_verify_mbstr(PG_UTF8, detail, strlen(detail), true))
		for (char *c = detail; *c != '\0'; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
	return detail;
}

void
tcls_host_check(TclsStatus status, TclsHost *host)
{
	if (status != TCLS_OK)
		ereport(ERROR,
				(errcode(status_sqlstate(status)),
				 errmsg_internal("%s", detail_text(host))));
}

void
tcls_host_check_context(TclsStatus status, TclsHost *host, const char *format,...)
{
	StringInfoData context;
	va_list		args;
	int			needed;

	if (status == TCLS_OK)
		return;
	initStringInfo(&context);
	do
	{
		va_start(args, format);
		needed = appendStringInfoVA(&context, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&context, needed);
	} while (needed > 0);
	ereport(ERROR,
			(errcode(status_sqlstate(status)),
			 errmsg_internal("%s", detail_text(host)),
			 errdetail_internal("%s", context.data)));
}

/*
 * A database of encoding SQL_ASCII holds bytes of no known encoding; they are taken for
 * UTF-8, which pg_server_to_any() verifies in that case.
 */
static int
assumed_encoding(void)
{
	return GetDatabaseEncoding() == PG_SQL_ASCII ? PG_UTF8 : GetDatabaseEncoding();
}

/* Bytes of the part that is looked at. */
static int
used_length(const text *input)
{
	int			length = VARSIZE_ANY_EXHDR(input);
	int			limit = tcls_setting_max_text_kb * 1024;

	return length <= limit ? length : pg_encoding_mbcliplen(assumed_encoding(), VARDATA_ANY(input), length, limit);
}

const char *
tcls_host_utf8(size_t *size, const text *input)
{
	const char *data = VARDATA_ANY(input);
	int			length = used_length(input);
	const char *utf8 = pg_server_to_any(data, length, PG_UTF8);

	*size = utf8 == data ? length : strlen(utf8);
	return utf8;
}

bool
tcls_host_has_utf8(const text *input)
{
	unsigned char *data = (unsigned char *) VARDATA_ANY(input);
	int			length = used_length(input);
	int			encoding = assumed_encoding();
	Oid			conversion;
	Size		room;

	if (encoding == PG_UTF8)
		return GetDatabaseEncoding() == PG_UTF8 || pg_verify_mbstr(PG_UTF8, (char *) data, length, true);
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	room = length * (Size) MAX_CONVERSION_GROWTH + 1;
	if (!OidIsValid(conversion) || room > MaxAllocSize)
		return false;
	return pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8, data, length, palloc(room), (int) room,
										 true) == length;
}

text *
tcls_host_text(const char *utf8, size_t size)
{
	const char *server;

	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("text of %zu bytes is too long", size)));
	server = pg_any_to_server(utf8, (int) size, PG_UTF8);
	return cstring_to_text_with_len(server, server == utf8 ? (int) size : (int) strlen(server));
}

/*
 * large_object.c
 *		Large objects: written through be_lo_*, read page by page from the catalog.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_largeobject_metadata.h"
#include "commands/comment.h"
#include "libpq/be-fsstubs.h"
#include "libpq/libpq-fs.h"
#include "miscadmin.h"
#include "storage/large_object.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "bridge/host_pg.h"
#include "store/large_object.h"

/* Bytes collected before a write: whole pages, so that none is written twice. */
#define WRITE_BUFFER_SIZE (128 * LOBLKSIZE)

/* Bytes hashed between two looks for interrupts. */
#define HASH_PIECE ((size_t) 16 << 20)

static void
hash_update(pg_cryptohash_ctx *hash, const void *data, size_t size)
{
	const uint8 *bytes = data;

	while (size > 0)
	{
		size_t		piece = Min(size, HASH_PIECE);

		CHECK_FOR_INTERRUPTS();
		if (pg_cryptohash_update(hash, bytes, piece) < 0)
			elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(hash));
		bytes += piece;
		size -= piece;
	}
}

static pg_cryptohash_ctx *
hash_begin(void)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not start SHA-256: %s", pg_cryptohash_error(hash));
	return hash;
}

static void
hash_end(uint8 digest[PG_SHA256_DIGEST_LENGTH], pg_cryptohash_ctx *hash)
{
	if (pg_cryptohash_final(hash, digest, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not finish SHA-256: %s", pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
}

void
tcls_sha256(uint8 digest[PG_SHA256_DIGEST_LENGTH], const void *data, size_t size)
{
	pg_cryptohash_ctx *hash = hash_begin();

	hash_update(hash, data, size);
	hash_end(digest, hash);
}

static void
writer_flush(TclsObjectWriter *writer)
{
	if (writer->buffered > 0 &&
		lo_write(writer->descriptor, writer->buffer, writer->buffered) != writer->buffered)
		elog(ERROR, "could not write large object %u", writer->object);
	writer->buffered = 0;
}

static TclsStatus
writer_write(void *context, const void *data, size_t size)
{
	TclsObjectWriter *writer = context;
	const char *bytes = data;

	hash_update(writer->hash, data, size);
	writer->size += size;
	while (size > 0)
	{
		size_t		piece = Min(size, (size_t) (WRITE_BUFFER_SIZE - writer->buffered));

		memcpy(writer->buffer + writer->buffered, bytes, piece);
		writer->buffered += piece;
		bytes += piece;
		size -= piece;
		if (writer->buffered == WRITE_BUFFER_SIZE)
		{
			CHECK_FOR_INTERRUPTS();
			writer_flush(writer);
		}
	}
	return TCLS_OK;
}

TclsObjectWriter *
tcls_object_create(void)
{
	TclsObjectWriter *writer = palloc0(sizeof(TclsObjectWriter));

	writer->object = DatumGetObjectId(DirectFunctionCall1(be_lo_create, ObjectIdGetDatum(InvalidOid)));
	tcls_object_describe(writer->object, "unpublished");
	writer->descriptor = DatumGetInt32(DirectFunctionCall2(be_lo_open, ObjectIdGetDatum(writer->object),
														   Int32GetDatum(INV_WRITE)));
	writer->buffer = palloc(WRITE_BUFFER_SIZE);
	writer->hash = hash_begin();
	writer->writer.write = writer_write;
	writer->writer.context = writer;
	return writer;
}

Oid
tcls_object_finish(TclsObjectWriter *writer, uint8 sha256[PG_SHA256_DIGEST_LENGTH])
{
	Oid			object = writer->object;

	writer_flush(writer);
	DirectFunctionCall1(be_lo_close, Int32GetDatum(writer->descriptor));
	hash_end(sha256, writer->hash);
	pfree(writer->buffer);
	pfree(writer);
	CommandCounterIncrement();
	return object;
}

void
tcls_object_describe(Oid object, const char *what)
{
	CreateComments(object, LargeObjectRelationId, 0, psprintf(TCLS_OBJECT_COMMENT "%s", what));
}

/* An ordered scan over the pages of one object. */
typedef struct PageScan
{
	Oid			object;
	Relation	pages;
	Relation	index;
	SysScanDesc scan;
} PageScan;

static void
page_scan_begin(PageScan *scan, Oid object)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_largeobject_loid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan->object = object;
	scan->pages = table_open(LargeObjectRelationId, AccessShareLock);
	scan->index = index_open(LargeObjectLOidPNIndexId, AccessShareLock);
	scan->scan = systable_beginscan_ordered(scan->pages, scan->index, GetActiveSnapshot(), 1, &key);
}

static void
page_scan_end(PageScan *scan)
{
	systable_endscan_ordered(scan->scan);
	index_close(scan->index, AccessShareLock);
	table_close(scan->pages, AccessShareLock);
}

static void
report_corrupted(Oid object, int32 pageno)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("large object %u is damaged at page %d", object, pageno)));
}

/*
 * The next page in the direction, detoasted into *detoasted when it is compressed (to be freed by
 * the caller; NULL otherwise).  False at the end.
 */
static bool
page_scan_next(PageScan *scan, ScanDirection direction, int32 *pageno, const char **data, int *size,
			   struct varlena **detoasted)
{
	HeapTuple	tuple = systable_getnext_ordered(scan->scan, direction);
	Form_pg_largeobject form;
	struct varlena *value;

	*detoasted = NULL;
	if (!HeapTupleIsValid(tuple))
		return false;
	if (HeapTupleHasNulls(tuple))
		report_corrupted(scan->object, -1);
	form = (Form_pg_largeobject) GETSTRUCT(tuple);
	value = (struct varlena *) &form->data;
	if (VARATT_IS_EXTENDED(value))
		*detoasted = value = detoast_attr(value);
	*pageno = form->pageno;
	*data = VARDATA(value);
	*size = VARSIZE(value) - VARHDRSZ;
	if (*size < 0 || *size > LOBLKSIZE)
		report_corrupted(scan->object, form->pageno);
	return true;
}

/* Bytes of the object, from its last page. */
static size_t
object_size(Oid object)
{
	PageScan	scan;
	int32		pageno;
	const char *data;
	int			length;
	struct varlena *detoasted;
	size_t		size = 0;

	page_scan_begin(&scan, object);
	if (page_scan_next(&scan, BackwardScanDirection, &pageno, &data, &length, &detoasted))
	{
		size = (size_t) pageno * LOBLKSIZE + length;
		if (detoasted != NULL)
			pfree(detoasted);
	}
	page_scan_end(&scan);
	return size;
}

/* Hand all pages to the writer; false at a page that is missing or short. */
static bool
write_pages(const TclsWriter *writer, Oid object, TclsHost *host)
{
	PageScan	scan;
	int32		pageno;
	const char *data;
	int			length;
	struct varlena *detoasted;
	int32		next = 0;
	int			last_length = LOBLKSIZE;
	bool		whole = true;

	if (!tcls_object_exists(object))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("large object %u does not exist", object)));
	page_scan_begin(&scan, object);
	while (whole && page_scan_next(&scan, ForwardScanDirection, &pageno, &data, &length, &detoasted))
	{
		CHECK_FOR_INTERRUPTS();
		whole = pageno == next && last_length == LOBLKSIZE;
		if (whole)
			tcls_host_check(writer->write(writer->context, data, length), host);
		if (detoasted != NULL)
			pfree(detoasted);
		next = pageno + 1;
		last_length = length;
	}
	page_scan_end(&scan);
	return whole;
}

typedef struct Block
{
	char	   *data;
	size_t		size;
	size_t		used;
} Block;

static TclsStatus
block_write(void *context, const void *data, size_t size)
{
	Block	   *block = context;

	Assert(size <= block->size - block->used);
	memcpy(block->data + block->used, data, size);
	block->used += size;
	return TCLS_OK;
}

void *
tcls_object_read(Oid object, size_t *size, TclsHost *host)
{
	Block		block;
	TclsWriter	writer = {block_write, &block};

	block.size = object_size(object);
	block.used = 0;
	tcls_host_check(tcls_alloc(&block.data, block.size, 1, host), host);
	if (!write_pages(&writer, object, host))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("large object %u has a hole after %zu bytes", object, block.used)));
	*size = block.used;
	return block.data;
}

typedef struct HashingWriter
{
	pg_cryptohash_ctx *hash;
	const TclsWriter *next;		/* or NULL */
} HashingWriter;

static TclsStatus
hashing_write(void *context, const void *data, size_t size)
{
	HashingWriter *hashing = context;

	hash_update(hashing->hash, data, size);
	return hashing->next == NULL ? TCLS_OK : hashing->next->write(hashing->next->context, data, size);
}

void
tcls_object_stream(uint8 sha256[PG_SHA256_DIGEST_LENGTH], const TclsWriter *writer, Oid object, TclsHost *host)
{
	HashingWriter hashing = {hash_begin(), writer};
	TclsWriter	through = {hashing_write, &hashing};
	bool		whole;

	whole = write_pages(&through, object, host);
	hash_end(sha256, hashing.hash);
	if (!whole)
		memset(sha256, 0, PG_SHA256_DIGEST_LENGTH);
}

Oid
tcls_object_owner(Oid object)
{
	Relation	metadata = table_open(LargeObjectMetadataRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_largeobject_metadata_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(metadata, LargeObjectMetadataOidIndexId, true, GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_largeobject_metadata) GETSTRUCT(tuple))->lomowner;
	systable_endscan(scan);
	table_close(metadata, AccessShareLock);
	return owner;
}

bool
tcls_object_exists(Oid object)
{
	return OidIsValid(tcls_object_owner(object));
}

bool
tcls_object_readable(Oid object, Oid role)
{
	return tcls_object_exists(object) &&
		pg_largeobject_aclcheck_snapshot(object, role, ACL_SELECT, GetActiveSnapshot()) == ACLCHECK_OK;
}

void
tcls_object_unlink(Oid object)
{
	DirectFunctionCall1(be_lo_unlink, ObjectIdGetDatum(object));
}

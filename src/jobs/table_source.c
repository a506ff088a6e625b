/*
 * table_source.c
 *		Relation to spool to tokens, and random access to the tokens.
 */
#include "postgres.h"

#include <fcntl.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "bridge/host_pg.h"
#include "jobs/table_source.h"
#include "train/split.h"

#define FETCH_ROWS 1000
#define FETCH_BYTES (16 * 1024 * 1024)	/* long texts are fetched in smaller groups */
#define COPY_BYTES (64 * 1024)

/* The files that other processes open. */
#define TOKENS_NAME "tokens"
#define TRAIN_NAME "train"
#define VALIDATION_NAME "validation"

/* What the split column says of a row. */
typedef enum RowSide
{
	SIDE_OPEN,					/* there is no such column */
	SIDE_TRAIN,
	SIDE_VALIDATION,
	SIDE_NEITHER
} RowSide;

/* A row of the spool: this, num_labels int32, size bytes of UTF-8. */
typedef struct SpoolRow
{
	uint64		text_hash;
	int32		side;			/* RowSide */
	int32		num_labels;
	int32		size;
} SpoolRow;

/* A row of an index: where the example lies among the tokens. */
typedef struct IndexRow
{
	int64		offset;			/* of num_labels int32, then n_tokens int32 */
	int32		n_tokens;
	int32		num_labels;
} IndexRow;

typedef struct LabelEntry
{
	char		name[TCLS_SOURCE_MAX_LABEL_BYTES + 1]; /* key */
	int32		number;
} LabelEntry;

static TclsStatus side_read(void *context, int64_t index, TclsExample *example);

static void
side_create(TclsTableSide *side, TclsTableSource *table, bool inter_transaction)
{
	side->table = table;
	side->index = BufFileCreateTemp(inter_transaction);
	side->source.read = side_read;
	side->source.context = side;
}

TclsTableSource *
tcls_table_source_create(const TclsRelation *relation, const TclsJobOptions *options, bool inter_transaction,
						 MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TclsTableSource *source = palloc0(sizeof(TclsTableSource));
	HASHCTL		control = {
		.keysize = sizeof(((LabelEntry *) 0)->name),
		.entrysize = sizeof(LabelEntry),
		.hcxt = context
	};

	source->context = context;
	source->relation = relation;
	source->options = options;
	source->multi_label = relation->multi_label;
	source->spool = BufFileCreateTemp(inter_transaction);
	source->tokens = BufFileCreateTemp(inter_transaction);
	side_create(&source->train, source, inter_transaction);
	side_create(&source->validation, source, inter_transaction);
	source->label_table = hash_create("textcls labels", 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	MemoryContextSwitchTo(old);
	return source;
}

void
tcls_table_source_destroy(TclsTableSource *source)
{
	if (source->spool != NULL)
		BufFileClose(source->spool);
	BufFileClose(source->tokens);
	BufFileClose(source->train.index);
	BufFileClose(source->validation.index);
}

/* The number of a label, which is added when it is new. */
static int32
label_number(TclsTableSource *source, const text *value)
{
	char		name[TCLS_SOURCE_MAX_LABEL_BYTES + 1];
	size_t		size;
	const char *utf8 = tcls_host_utf8(&size, value);
	LabelEntry *entry;
	bool		found;

	if (size > TCLS_SOURCE_MAX_LABEL_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column \"%s\" has a label of %zu bytes, at most %d are allowed",
						source->relation->label_column, size, TCLS_SOURCE_MAX_LABEL_BYTES),
				 errhint("Is it the column of the labels?")));
	memcpy(name, utf8, size);
	name[size] = '\0';
	entry = hash_search(source->label_table, name, HASH_ENTER, &found);
	if (found)
		return entry->number;
	if (source->num_labels == TCLS_SOURCE_MAX_LABELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column \"%s\" has more than %d different labels", source->relation->label_column,
						TCLS_SOURCE_MAX_LABELS),
				 errhint("Is it the column of the labels?")));
	if (source->num_labels == source->label_capacity)
	{
		int32		capacity = Max(64, 2 * source->label_capacity);
		MemoryContext old = MemoryContextSwitchTo(source->context);

		source->labels = source->labels == NULL ? palloc(capacity * sizeof(char *)) :
			repalloc(source->labels, capacity * sizeof(char *));
		source->label_rows = source->label_rows == NULL ? palloc(capacity * sizeof(int64)) :
			repalloc(source->label_rows, capacity * sizeof(int64));
		source->label_capacity = capacity;
		MemoryContextSwitchTo(old);
	}
	entry->number = source->num_labels++;
	source->labels[entry->number] = entry->name;
	source->label_rows[entry->number] = 0;
	return entry->number;
}

/* The labels of a row, each once; *numbers is palloc'ed. */
static int32
row_labels(int32 **numbers, TclsTableSource *source, Datum value)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int32		used = 0;

	if (!source->multi_label)
	{
		*numbers = palloc(sizeof(int32));
		(*numbers)[0] = label_number(source, DatumGetTextPP(value));
		return 1;
	}
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	*numbers = palloc((count + 1) * sizeof(int32));
	for (int i = 0; i < count; i++)
	{
		int32		number;
		int32		seen = 0;

		if (nulls[i])
			continue;
		number = label_number(source, DatumGetTextPP(elements[i]));
		while (seen < used && (*numbers)[seen] != number)
			seen++;
		if (seen == used)
			(*numbers)[used++] = number;
	}
	return used;
}

static RowSide
row_side(const TclsTableSource *source, const char *value)
{
	static const char *const validation[] = {"true", "validation", "valid", "val", "eval", "dev"};
	static const char *const train[] = {"false", "train", "training"};

	if (source->options->split != TCLS_SPLIT_COLUMN)
		return SIDE_OPEN;
	for (int i = 0; value != NULL && i < lengthof(validation); i++)
		if (pg_strcasecmp(value, validation[i]) == 0)
			return SIDE_VALIDATION;
	for (int i = 0; value != NULL && i < lengthof(train); i++)
		if (pg_strcasecmp(value, train[i]) == 0)
			return SIDE_TRAIN;
	return SIDE_NEITHER;
}

/* One row of the cursor (text, label, side) into the spool. */
static void
spool_row(TclsTableSource *source, HeapTuple tuple, TupleDesc columns)
{
	bool		text_null;
	bool		label_null;
	Datum		text_value = SPI_getbinval(tuple, columns, 1, &text_null);
	Datum		label_value = SPI_getbinval(tuple, columns, 2, &label_null);
	SpoolRow	row = {.side = row_side(source, SPI_getvalue(tuple, columns, 3))};
	int32	   *labels;
	const char *utf8;
	size_t		size;

	source->rows_read++;
	if (text_null || label_null || row.side == SIDE_NEITHER)
	{
		source->rows_skipped++;
		return;
	}
	utf8 = tcls_host_utf8(&size, DatumGetTextPP(text_value));
	if (tcls_relation_is_blank(utf8, size))
	{
		source->rows_skipped++;
		return;
	}
	row.num_labels = row_labels(&labels, source, label_value);
	row.size = (int32) size;
	row.text_hash = hash_bytes_extended((const unsigned char *) utf8, row.size, 0);
	for (int i = 0; i < row.num_labels; i++)
		source->label_rows[labels[i]]++;
	BufFileWrite(source->spool, &row, sizeof(row));
	BufFileWrite(source->spool, labels, row.num_labels * sizeof(int32));
	BufFileWrite(source->spool, unconstify(char *, utf8), size);
	source->spool_rows++;
	source->bytes_read += size;
}

/*
 * The seed is in the hash, so that another seed gives another split.  The
 * rest of the order makes it total.
 */
static char *
reading_query(const TclsTableSource *source)
{
	const TclsRelation *relation = source->relation;
	const char *split = source->options->split_column;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT t, l, s FROM (SELECT %s::pg_catalog.text AS t,",
					 quote_identifier(relation->text_column));
	appendStringInfo(&sql, " %s::pg_catalog.text%s AS l,", quote_identifier(relation->label_column),
					 relation->multi_label ? "[]" : "");
	appendStringInfo(&sql, " %s::pg_catalog.text AS s FROM %s) AS rows",
					 split != NULL ? quote_identifier(split) : "NULL", relation->qualified);
	appendStringInfoString(&sql, " ORDER BY pg_catalog.hashtextextended(t COLLATE pg_catalog.\"C\", $1),"
						   " t COLLATE pg_catalog.\"C\", l COLLATE pg_catalog.\"C\", s COLLATE pg_catalog.\"C\"");
	return sql.data;
}

/*
 * A superuser who reads another's view would run that role's functions with all
 * rights: read as the owner then, who can see all of it, and let nothing escape.
 */
static void
lower_rights(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;
	Oid			user;
	int			security;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(&user, &security);
	if (superuser_arg(user) && !superuser_arg(owner))
		SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

static void
spool_cursor(TclsTableSource *source, Portal portal)
{
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "textcls rows", ALLOCSET_DEFAULT_SIZES);
	long		group = 10;

	for (;;)
	{
		MemoryContext old;
		uint64		rows;

		SPI_cursor_fetch(portal, true, group);
		rows = SPI_processed;
		old = MemoryContextSwitchTo(batch);
		for (uint64 i = 0; i < rows; i++)
		{
			CHECK_FOR_INTERRUPTS();
			spool_row(source, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch);
		SPI_freetuptable(SPI_tuptable);
		if (rows == 0)
			break;
		group = Max(1, Min(FETCH_ROWS, FETCH_BYTES * source->rows_read / (source->bytes_read + 1)));
	}
	MemoryContextDelete(batch);
}

void
tcls_table_source_read(TclsTableSource *source)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum((int64) source->options->train.seed)};
	Portal		portal;
	Oid			user;
	int			security;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GetUserIdAndSecContext(&user, &security);
	lower_rights(source->relation->relid);
	portal = SPI_cursor_open_with_args(NULL, reading_query(source), 1, types, values, NULL, true,
									   CURSOR_OPT_NO_SCROLL);
	spool_cursor(source, portal);
	SPI_cursor_close(portal);
	SetUserIdAndSecContext(user, security);
	SPI_finish();
}

void
tcls_table_source_check(const TclsTableSource *source)
{
	const char *relation = source->relation->qualified;

	if (source->spool_rows < TCLS_SOURCE_MIN_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation %s has " INT64_FORMAT " usable rows, at least %d are needed", relation,
						source->spool_rows, TCLS_SOURCE_MIN_ROWS),
				 errdetail(INT64_FORMAT " rows were read, " INT64_FORMAT " have no text, no label or no side.",
						   source->rows_read, source->rows_skipped)));
	if (source->num_labels < (source->multi_label ? 1 : 2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("all rows of relation %s have %s", relation,
						source->num_labels == 0 ? "no label" : "the same label"),
				 errhint("A classifier needs examples of at least two labels.")));
	if (source->options->problem == TCLS_BINARY && source->num_labels != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"problem_type\" is \"binary\", but relation %s has %d labels", relation,
						source->num_labels)));
}

/* A row of the spool with its parts, which are valid until the next one. */
typedef struct RowReader
{
	SpoolRow	row;
	int32	   *labels;
	char	   *text;
	int32		label_capacity;
	int32		text_capacity;
} RowReader;

static void
read_exactly(BufFile *file, void *data, size_t size)
{
	if (BufFileRead(file, data, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file")));
}

static void
next_row(RowReader *reader, BufFile *spool)
{
	read_exactly(spool, &reader->row, sizeof(SpoolRow));
	if (reader->labels == NULL || reader->row.num_labels > reader->label_capacity)
	{
		reader->label_capacity = Max(8, 2 * reader->row.num_labels);
		reader->labels = palloc(reader->label_capacity * sizeof(int32));
	}
	if (reader->text == NULL || reader->row.size > reader->text_capacity)
	{
		reader->text_capacity = Max(1024, reader->row.size);
		if (reader->text != NULL)
			pfree(reader->text);
		reader->text = palloc(reader->text_capacity);
	}
	read_exactly(spool, reader->labels, reader->row.num_labels * sizeof(int32));
	read_exactly(spool, reader->text, reader->row.size);
}

/* The dealer of this source's rows, the same whenever it is created. */
static TclsSplit *
create_split(const TclsTableSource *source, TclsHost *host)
{
	bool		stratified = source->options->split == TCLS_SPLIT_STRATIFIED && !source->multi_label;
	bool		deals = source->options->split == TCLS_SPLIT_STRATIFIED || source->options->split == TCLS_SPLIT_RANDOM;
	const int64_t rows[1] = {source->spool_rows};
	TclsSplit  *split;

	tcls_host_check(tcls_split_create(&split, stratified ? source->label_rows : rows,
									  stratified ? source->num_labels : 1,
									  deals ? source->options->eval_fraction : 0, stratified, host), host);
	return split;
}

/* The side of the reader's row; called for every row in order. */
static bool
is_validation(const TclsTableSource *source, const RowReader *reader, TclsSplit *split)
{
	bool		single = source->options->split == TCLS_SPLIT_STRATIFIED && !source->multi_label;

	if (reader->row.side != SIDE_OPEN)
		return reader->row.side == SIDE_VALIDATION;
	return tcls_split_next(split, single ? reader->labels[0] : 0, reader->row.text_hash);
}

static void
rewind_spool(const TclsTableSource *source)
{
	if (BufFileSeek(source->spool, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not rewind a temporary file");
}

void
tcls_table_source_learn(TclsTableSource *source, TclsWordPieceTrainer *trainer, TclsHost *host)
{
	RowReader	reader = {.labels = NULL};
	TclsSplit  *split = create_split(source, host);

	rewind_spool(source);
	for (int64 i = 0; i < source->spool_rows; i++)
	{
		tcls_host_check(tcls_poll(host), host);
		next_row(&reader, source->spool);
		if (!is_validation(source, &reader, split))
			tcls_host_check(tcls_wordpiece_trainer_add(trainer, reader.text, reader.row.size, host), host);
	}
	tcls_split_destroy(split, host);
}

/* One tokenised row to its side; the running hash takes all that training depends on. */
static void
append_example(TclsTableSource *source, const RowReader *reader, const TclsTokens *tokens, int64 *offset,
			   bool validation)
{
	TclsTableSide *side = validation ? &source->validation : &source->train;
	IndexRow	row = {*offset, tokens->count, reader->row.num_labels};
	size_t		labels_size = reader->row.num_labels * sizeof(int32);
	size_t		ids_size = tokens->count * sizeof(int32);

	BufFileWrite(source->tokens, reader->labels, labels_size);
	BufFileWrite(source->tokens, tokens->ids, ids_size);
	BufFileWrite(side->index, &row, sizeof(row));
	*offset += labels_size + ids_size;
	side->source.count++;
	source->examples++;
	source->hash = hash_bytes_extended((const unsigned char *) tokens->ids, ids_size, source->hash);
	source->hash = hash_bytes_extended((const unsigned char *) reader->labels, labels_size, source->hash);
	source->hash = hash_bytes_uint32_extended(validation, source->hash);
}

void
tcls_table_source_tokenize(TclsTableSource *source, const TclsTokenizer *tokenizer, int32 max_length, TclsHost *host)
{
	RowReader	reader = {.labels = NULL};
	TclsSplit  *split = create_split(source, host);
	TclsTokens	tokens = {.count = 0};
	int64		offset = 0;

	rewind_spool(source);
	for (int64 i = 0; i < source->spool_rows; i++)
	{
		bool		validation;

		tcls_host_check(tcls_poll(host), host);
		next_row(&reader, source->spool);
		validation = is_validation(source, &reader, split);
		tcls_host_check(tcls_tokenizer_encode(&tokens, tokenizer, reader.text, reader.row.size, max_length, false,
											  host), host);
		if (tokens.count <= 2)
			source->rows_skipped++;
		else
			append_example(source, &reader, &tokens, &offset, validation);
		source->rows_truncated += tokens.is_truncated;
	}
	for (int32 i = 0; i < source->num_labels; i++)
		source->hash = hash_bytes_extended((const unsigned char *) source->labels[i], strlen(source->labels[i]),
										   source->hash);
	tcls_split_destroy(split, host);
	BufFileClose(source->spool);
	source->spool = NULL;
	source->max_length = max_length;
}

/* What reading needs besides the files and the labels' places. */
static void
begin_reading(TclsTableSource *source)
{
	source->ids = MemoryContextAlloc(source->context, source->max_length * sizeof(int32));
	source->example_labels = MemoryContextAlloc(source->context, (source->num_labels + 1) * sizeof(int32));
	source->multi = MemoryContextAlloc(source->context, source->model_labels * sizeof(float));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

char **
tcls_table_source_sorted_labels(const TclsTableSource *source)
{
	char	  **sorted = palloc(source->num_labels * sizeof(char *));

	memcpy(sorted, source->labels, source->num_labels * sizeof(char *));
	qsort(sorted, source->num_labels, sizeof(char *), compare_names);
	return sorted;
}

bool
tcls_table_source_order(TclsTableSource *source, char **labels, int32 num_labels)
{
	bool		complete = true;

	source->label_places = MemoryContextAlloc(source->context, source->num_labels * sizeof(int32));
	source->model_labels = num_labels;
	begin_reading(source);
	for (int32 i = 0; i < source->num_labels; i++)
		source->label_places[i] = -1;
	for (int32 place = 0; place < num_labels; place++)
	{
		LabelEntry *entry = NULL;

		if (strlen(labels[place]) <= TCLS_SOURCE_MAX_LABEL_BYTES)
			entry = hash_search(source->label_table, labels[place], HASH_FIND, NULL);
		if (entry != NULL)
			source->label_places[entry->number] = place;
	}
	for (int32 i = 0; i < source->num_labels; i++)
		if (source->label_places[i] < 0)
			complete = false;
	return complete;
}

static void
read_index(IndexRow *row, const TclsTableSide *side, int64 index)
{
	if (BufFileSeek(side->index, 0, index * sizeof(IndexRow), SEEK_SET) != 0)
		elog(ERROR, "could not seek in a temporary file");
	read_exactly(side->index, row, sizeof(IndexRow));
}

static TclsStatus
side_read(void *context, int64_t index, TclsExample *example)
{
	TclsTableSide *side = context;
	TclsTableSource *table = side->table;
	IndexRow	row;

	read_index(&row, side, index);
	if (BufFileSeek(table->tokens, 0, row.offset, SEEK_SET) != 0)
		elog(ERROR, "could not seek in a temporary file");
	read_exactly(table->tokens, table->example_labels, row.num_labels * sizeof(int32));
	read_exactly(table->tokens, table->ids, row.n_tokens * sizeof(int32));
	example->ids = table->ids;
	example->n_tokens = row.n_tokens;
	example->label = 0;
	example->multi = NULL;
	if (!table->multi_label)
		example->label = table->label_places[table->example_labels[0]];
	else
	{
		memset(table->multi, 0, table->model_labels * sizeof(float));
		for (int32 i = 0; i < row.num_labels; i++)
			table->multi[table->label_places[table->example_labels[i]]] = 1;
		example->multi = table->multi;
	}
	return TCLS_OK;
}

static void
copy_file(BufFile *file, FileSet *files, const char *name)
{
	char	   *buffer = palloc(COPY_BYTES);
	BufFile    *copy = BufFileCreateFileSet(files, name);
	size_t		size;

	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not rewind a temporary file");
	while ((size = BufFileRead(file, buffer, COPY_BYTES)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		BufFileWrite(copy, buffer, size);
	}
	BufFileExportFileSet(copy);
	BufFileClose(copy);
	pfree(buffer);
}

void
tcls_table_source_share(TclsSharedSource *shared, const TclsTableSource *source, FileSet *files)
{
	copy_file(source->tokens, files, TOKENS_NAME);
	copy_file(source->train.index, files, TRAIN_NAME);
	copy_file(source->validation.index, files, VALIDATION_NAME);
	*shared = (TclsSharedSource) {
		.train_rows = source->train.source.count,
		.validation_rows = source->validation.source.count,
		.num_labels = source->num_labels,
		.model_labels = source->model_labels,
		.max_length = source->max_length,
		.multi_label = source->multi_label
	};
}

static void
side_attach(TclsTableSide *side, TclsTableSource *table, FileSet *files, const char *name, int64 rows)
{
	side->table = table;
	side->index = BufFileOpenFileSet(files, name, O_RDONLY, false);
	side->source = (TclsExampleSource) {.count = rows, .read = side_read, .context = side};
}

TclsTableSource *
tcls_table_source_attach(const TclsSharedSource *shared, int32 *places, FileSet *files, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TclsTableSource *source = palloc0(sizeof(TclsTableSource));

	source->context = context;
	source->multi_label = shared->multi_label;
	source->num_labels = shared->num_labels;
	source->model_labels = shared->model_labels;
	source->max_length = shared->max_length;
	source->label_places = places;
	source->tokens = BufFileOpenFileSet(files, TOKENS_NAME, O_RDONLY, false);
	side_attach(&source->train, source, files, TRAIN_NAME, shared->train_rows);
	side_attach(&source->validation, source, files, VALIDATION_NAME, shared->validation_rows);
	begin_reading(source);
	MemoryContextSwitchTo(old);
	return source;
}

int64 *
tcls_table_source_counts(TclsTableSource *source, int32 num_labels)
{
	int64	   *counts = palloc0(num_labels * sizeof(int64));

	for (int64 i = 0; i < source->train.source.count; i++)
	{
		TclsExample example;

		(void) side_read(&source->train, i, &example);
		if (example.multi == NULL)
			counts[example.label]++;
		else
			for (int32 label = 0; label < num_labels; label++)
				counts[label] += example.multi[label] > 0;
	}
	return counts;
}

/*
 * relation.c
 *		Resolves, checks and reads the relation and the columns that texts come from.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "jobs/relation.h"

static bool
is_text_type(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(getBaseType(type), &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

/* Types whose text form names a class and can be cast back from it. */
static bool
is_label_type(Oid type)
{
	Oid			base = getBaseType(type);

	return is_text_type(base) || type_is_enum(base) || base == BOOLOID ||
		base == INT2OID || base == INT4OID || base == INT8OID;
}

static void
check_kind(Relation relation)
{
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table, foreign table, view or materialized view",
							RelationGetRelationName(relation))));
	}
	if (RELATION_IS_OTHER_TEMP(relation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot read temporary table \"%s\" of another session",
						RelationGetRelationName(relation))));
}

/* Raise unless the current user may read the whole relation or this column of it. */
static void
check_privilege(Relation relation, Form_pg_attribute column)
{
	Oid			relid = RelationGetRelid(relation);
	AclResult	result;

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return;
	result = pg_attribute_aclcheck(relid, column->attnum, GetUserId(), ACL_SELECT);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(relation->rd_rel->relkind),
					   RelationGetRelationName(relation));
}

static Form_pg_attribute
find_column(Relation relation, const char *name)
{
	TupleDesc	columns = RelationGetDescr(relation);

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0)
			return column;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist", name, RelationGetRelationName(relation))));
}

/* The one text column beside the label; none or several is an error that names them. */
static Form_pg_attribute
find_text_column(Relation relation, Form_pg_attribute label)
{
	TupleDesc	columns = RelationGetDescr(relation);
	Form_pg_attribute found = NULL;
	int			count = 0;
	StringInfoData candidates;

	initStringInfo(&candidates);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped || column == label || !is_text_type(column->atttypid))
			continue;
		appendStringInfo(&candidates, "%s\"%s\"", count > 0 ? ", " : "", NameStr(column->attname));
		found = column;
		count++;
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("relation \"%s\" has no text column%s", RelationGetRelationName(relation),
						label != NULL ? " beside the label" : ""),
				 errhint("Cast another type to text in a view and use the view.")));
	if (count > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("relation \"%s\" has more than one text column", RelationGetRelationName(relation)),
				 errhint("Say which with text_column: %s.", candidates.data)));
	pfree(candidates.data);
	return found;
}

static Form_pg_attribute
resolve_label(Relation relation, const char *name, bool *multi_label)
{
	Form_pg_attribute column = find_column(relation, name);
	Oid			element = get_base_element_type(column->atttypid);

	*multi_label = OidIsValid(element);
	if (!is_label_type(*multi_label ? element : column->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot hold labels", name, format_type_be(column->atttypid)),
				 errhint("Labels are of type text, varchar, enum, integer or boolean, or arrays of these where a text "
						 "has several; cast other types in a view.")));
	check_privilege(relation, column);
	return column;
}

static Form_pg_attribute
resolve_text(Relation relation, const char *name, Form_pg_attribute label)
{
	Form_pg_attribute column;

	column = name != NULL ? find_column(relation, name) : find_text_column(relation, label);
	if (column == label)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" cannot be both text and label", NameStr(column->attname))));
	if (!is_text_type(column->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be used as text", NameStr(column->attname),
						format_type_be(column->atttypid)),
				 errhint("Cast it to text in a view and use the view.")));
	check_privilege(relation, column);
	return column;
}

TclsRelation *
tcls_relation_resolve(Oid relid, const char *label_column, const char *text_column)
{
	TclsRelation *result = palloc0(sizeof(TclsRelation));
	Relation	relation = try_relation_open(relid, AccessShareLock);
	Form_pg_attribute label = NULL;
	Form_pg_attribute column;

	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	check_kind(relation);
	if (label_column != NULL)
		label = resolve_label(relation, label_column, &result->multi_label);
	column = resolve_text(relation, text_column, label);

	result->relid = relid;
	result->name = pstrdup(RelationGetRelationName(relation));
	result->qualified = pstrdup(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
														   result->name));
	result->text_column = pstrdup(NameStr(column->attname));
	result->label_column = label != NULL ? pstrdup(NameStr(label->attname)) : NULL;

	/* The lock stays to the end of the transaction: what was checked is what will be read. */
	relation_close(relation, NoLock);
	return result;
}

void
tcls_relation_check_split(const TclsRelation *relation, const char *column)
{
	Relation	opened = relation_open(relation->relid, AccessShareLock);
	Form_pg_attribute attribute = find_column(opened, column);

	if (getBaseType(attribute->atttypid) != BOOLOID && !is_text_type(attribute->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot say on which side of the split a row is", column,
						format_type_be(attribute->atttypid)),
				 errhint("Use a boolean column, true for validation rows, or a text column of \"train\" and "
						 "\"validation\".")));
	check_privilege(opened, attribute);
	relation_close(opened, NoLock);
}

bool
tcls_relation_is_blank(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\n' && text[i] != '\r')
			return false;
	return true;
}

void
tcls_relation_read(const char *query, int rows, void (*portion) (void *context), void *context)
{
	Portal		cursor;

	SPI_connect();
	cursor = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(cursor, true, rows);
		if (SPI_processed == 0)
			break;
		portion(context);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(cursor);
	SPI_finish();
}

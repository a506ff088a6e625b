/*
 * tag_api.c
 *		tag(): the trigger that fills a label column from a text column.
 *
 *		CREATE TRIGGER ... BEFORE INSERT OR UPDATE OF body ON inbox FOR EACH ROW
 *			EXECUTE FUNCTION textcls.tag('body', 'topic' [, 'model']);
 *
 * The model must be usable by the owner of the table, not by whoever writes a row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "bridge/settings.h"
#include "query/scoring.h"

PG_FUNCTION_INFO_V1(textcls_tag);

typedef struct Tag
{
	Relation	relation;
	const char *model;			/* NULL: as in classify(text) */
	Form_pg_attribute text_column;
	Form_pg_attribute label_column;
} Tag;

static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("textcls.tag() can only be called as a trigger")));
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired BEFORE INSERT OR UPDATE FOR EACH ROW",
						trigger->tg_trigger->tgname)));
	if (trigger->tg_trigger->tgnargs < 2 || trigger->tg_trigger->tgnargs > 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trigger \"%s\" must give textcls.tag() two or three arguments",
						trigger->tg_trigger->tgname),
				 errhint("They are text column, label column and optionally the model.")));
}

/* A generated column is computed after the triggers: it can neither be read nor set in one. */
static Form_pg_attribute
find_column(Relation relation, const char *name)
{
	TupleDesc	columns = RelationGetDescr(relation);

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped || strcmp(NameStr(column->attname), name) != 0)
			continue;
		if (column->attgenerated != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("textcls.tag() cannot use the generated column \"%s\" of relation \"%s\"",
							name, RelationGetRelationName(relation))));
		return column;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist", name, RelationGetRelationName(relation)),
			 errhint("The arguments of textcls.tag() are text column, label column and optionally the model.")));
}

static void
check_text_type(const Tag *tag)
{
	char		category;
	bool		is_preferred;

	get_type_category_preferred(getBaseType(tag->text_column->atttypid), &category, &is_preferred);
	if (category != TYPCATEGORY_STRING)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be used as text", NameStr(tag->text_column->attname),
						format_type_be(tag->text_column->atttypid))));
}

static void
read_tag(Tag *tag, const TriggerData *trigger)
{
	char	  **arguments = trigger->tg_trigger->tgargs;

	tag->relation = trigger->tg_relation;
	tag->text_column = find_column(tag->relation, arguments[0]);
	tag->label_column = find_column(tag->relation, arguments[1]);
	tag->model = trigger->tg_trigger->tgnargs == 3 ? arguments[2] : NULL;
	check_text_type(tag);
}

/* The text form of a string value; text itself, varchar and char need no conversion. */
static Datum
as_text(Datum value, Oid type)
{
	Oid			output;
	bool		is_varlena;

	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return value;
		default:
			getTypeOutputInfo(type, &output, &is_varlena);
			return CStringGetTextDatum(OidOutputFunctionCall(output, value));
	}
}

static void
describe_label(void *argument)
{
	const Tag  *tag = argument;

	errcontext("label of textcls.tag() for column \"%s\" of relation \"%s\"",
			   NameStr(tag->label_column->attname), RelationGetRelationName(tag->relation));
}

/* The label as a value of its column; what does not fit is an ERROR of the column's type. */
static Datum
as_label(const Tag *tag, text *label)
{
	ErrorContextCallback context;
	Oid			input;
	Oid			parameter;
	Datum		result;

	context.callback = describe_label;
	context.arg = unconstify(Tag *, tag);
	context.previous = error_context_stack;
	error_context_stack = &context;
	getTypeInputInfo(tag->label_column->atttypid, &input, &parameter);
	result = OidInputFunctionCall(input, text_to_cstring(label), parameter, tag->label_column->atttypmod);
	error_context_stack = context.previous;
	return result;
}

static Datum
label_of(const Tag *tag, Datum value)
{
	TclsScoring scoring;
	int32		index;

	tcls_scoring_begin(&scoring, tag->model, 0, tag->relation->rd_rel->relowner);
	tcls_scoring_require_one_label(&scoring);
	index = tcls_scoring_classify(&scoring, as_text(value, tag->text_column->atttypid));
	MemoryContextSwitchTo(scoring.caller);
	value = as_label(tag, tcls_scoring_label(&scoring, index));
	tcls_scoring_end(&scoring);
	return value;
}

/*
 * Whether a row may be kept without its label after this error.  Never after a cancel, a timeout or
 * a shutdown (class 57), for want of memory or disk (53), or when the transaction must be repeated (40).
 */
static bool
is_excusable(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
			return false;
		default:
			return true;
	}
}

static void
warn_of(const Tag *tag, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("row of \"%s\" is kept without a label: %s", RelationGetRelationName(tag->relation),
					error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/*
 * As label_of(), with *is_null in place of an excusable error.  The subtransaction gives back
 * what the failed call still held (scans, pins, the user id); it writes nothing, hence gets no
 * transaction id and costs a microsecond.
 */
static Datum
label_or_null(const Tag *tag, Datum value, bool *is_null)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile Datum result = (Datum) 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		result = label_of(tag, value);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(memory);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(memory);
		CurrentResourceOwner = owner;
		if (!is_excusable(error))
			ReThrowError(error);
		warn_of(tag, error);
		FreeErrorData(error);
		*is_null = true;
	}
	PG_END_TRY();
	return result;
}

Datum
textcls_tag(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	row;
	Tag			tag;
	Datum		value;
	bool		is_null;
	int			column;

	check_protocol(fcinfo);
	read_tag(&tag, trigger);
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	value = heap_getattr(row, tag.text_column->attnum, RelationGetDescr(tag.relation), &is_null);
	if (is_null)
		value = (Datum) 0;
	else if (tcls_setting_tag_on_error == TCLS_TAG_WARN)
		value = label_or_null(&tag, value, &is_null);
	else
		value = label_of(&tag, value);

	column = tag.label_column->attnum;
	row = heap_modify_tuple_by_cols(row, RelationGetDescr(tag.relation), 1, &column, &value, &is_null);
	return PointerGetDatum(row);
}

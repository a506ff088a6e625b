/*
 * relation.h
 *		The table, view or foreign table that labelled texts come from.
 */
#ifndef TEXTCLS_RELATION_H
#define TEXTCLS_RELATION_H

typedef struct TclsRelation
{
	Oid			relid;
	char	   *qualified;		/* quoted schema.name, for SQL */
	char	   *name;			/* bare, for naming models */
	char	   *text_column;	/* unquoted */
	char	   *label_column;	/* unquoted; NULL when not asked for */
	bool		multi_label;	/* the label column is text[] (or another array of a label type) */
} TclsRelation;

/*
 * Check kind, existence, column types and the caller's SELECT privilege, each
 * with a clear ERROR.  text_column NULL: the only column of a text type that is
 * not the label; the error for none or several names the candidates.  label_column NULL: not
 * wanted.  Result in the current context.
 */
extern TclsRelation *tcls_relation_resolve(Oid relid, const char *label_column, const char *text_column);

/*
 * Raise unless the column exists, may be read and can say on which side of a
 * split a row is: boolean (true: validation) or text ("train", "validation").
 */
extern void tcls_relation_check_split(const TclsRelation *relation, const char *column);

/* Whether a text holds nothing but white space: such rows neither train nor count. */
extern bool tcls_relation_is_blank(const char *text, size_t size);

/*
 * Run a query over a relation as the caller, by a cursor: each portion of at most so many rows is in
 * SPI_tuptable and SPI_processed when the callback gets it.  No result is kept.
 */
extern void tcls_relation_read(const char *query, int rows, void (*portion) (void *context), void *context);

#endif							/* TEXTCLS_RELATION_H */

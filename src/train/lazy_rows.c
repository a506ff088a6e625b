/*
 * lazy_rows.c
 *		Which rows of a table a step touches, and what step each has come to.
 */
#include "train/lazy_rows.h"
#include "base/pure_c.h"

TclsStatus
tcls_lazy_rows_create(TclsLazyRows *out, const TclsParameter *table, TclsHost *host)
{
	size_t		rows = (size_t) table->shape[0];

	*out = (TclsLazyRows) {.offset = table->offset, .columns = (size_t) table->shape[1], .rows = (int32_t) rows,
		.ranks = 1};
	TCLS_TRY(tcls_alloc_zero(&out->steps, rows, sizeof(int64_t), host));
	TCLS_TRY(tcls_alloc_zero(&out->touched, rows, sizeof(int32_t), host));
	return tcls_alloc_zero(&out->is_touched, rows, sizeof(bool), host);
}

static void
touch(TclsLazyRows *lazy, int32_t row)
{
	if (lazy->is_touched[row])
		return;
	lazy->is_touched[row] = true;
	lazy->touched[lazy->touched_count++] = row;
}

static void
forget(TclsLazyRows *lazy)
{
	for (int32_t i = 0; i < lazy->touched_count; i++)
		lazy->is_touched[lazy->touched[i]] = false;
	lazy->touched_count = 0;
}

void
tcls_lazy_rows_touch(TclsLazyRows *lazy, const int32_t *rows, size_t count)
{
	forget(lazy);
	for (size_t i = 0; i < count; i++)
		touch(lazy, rows[i]);
}

bool
tcls_lazy_rows_owns(const TclsLazyRows *lazy, int32_t row)
{
	return row % lazy->ranks == lazy->rank;
}

size_t
tcls_lazy_rows_offset(const TclsLazyRows *lazy, int32_t row)
{
	return lazy->offset + (size_t) row * lazy->columns;
}

void
tcls_lazy_rows_destroy(TclsLazyRows *lazy, TclsHost *host)
{
	tcls_free(lazy->steps, host);
	tcls_free(lazy->touched, host);
	tcls_free(lazy->is_touched, host);
}

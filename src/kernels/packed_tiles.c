/*
 * packed_tiles.c
 *		The loops around the tiles of the packed kernels.
 *
 *		rows of X that fit the second cache
 *			panels of W
 *				blocks of K: the panel's block stays in the first cache
 *					tiles of rows
 *				finish the panel's sums while they are in the first cache
 *
 * The order of Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008,
 * with the weights packed before and for good.  Rows are cut into tiles of about equal height:
 * 20 rows are 4 tiles of 5, not 3 of 6 and one of 2.
 */
#include "kernels/packed_parts.h"
#include "base/pure_c.h"

/* Rows of a block: so many at most, and fewer when they are long. */
#define BLOCK_ROWS 72
#define BLOCK_ROWS_MIN 24
#define BLOCK_BYTES (256 * 1024)
#define SUMS (BLOCK_ROWS * 32)

typedef struct Job
{
	float	   *y;
	const char *input;
	const char *panels;
	size_t		m;
	size_t		n;
	size_t		steps;
	const TclsScales *scales;
	const TclsTiling *tiling;
	const TclsEpilogue *epilogue;
} Job;

static size_t
steps_of(int k, const TclsTiling *tiling)
{
	return tcls_packed_round_up((size_t) k, tiling->step_depth) / tiling->step_depth;
}

size_t
tcls_tiling_input_bytes(int m, int k, const TclsTiling *tiling)
{
	return tcls_packed_round_up(steps_of(k, tiling), TCLS_TILE_DEPTH) / TCLS_TILE_DEPTH * (size_t) m * TCLS_TILE_ROW;
}

size_t
tcls_tiling_panel_bytes(int n, int k, const TclsTiling *tiling)
{
	size_t		panels = tcls_packed_round_up((size_t) n, tiling->columns) / tiling->columns;

	return tcls_packed_round_up(panels * steps_of(k, tiling) * tiling->step_bytes, 64);
}

size_t
tcls_tiling_place(size_t j, size_t s, int k, const TclsTiling *tiling)
{
	size_t		panel = j / tiling->columns * steps_of(k, tiling) * tiling->step_bytes;

	return panel + s * tiling->step_bytes + j % tiling->columns * (tiling->step_bytes / tiling->columns);
}

/* Part i of count about equal parts of total begins here. */
static size_t
part_begin(size_t total, size_t count, size_t i)
{
	size_t		longer = total % count;

	return i * (total / count) + (i < longer ? i : longer);
}

static size_t
part_count(size_t total, size_t largest)
{
	return (total + largest - 1) / largest;
}

/* sums (rows, panels side by side) of some rows. */
static void
panel_sums(float *sums, const Job *job, size_t first_row, size_t rows, const char *panel, size_t panels)
{
	const TclsTiling *tiling = job->tiling;
	size_t		count = part_count(rows, tiling->max_rows);
	TclsTile	tile;

	tile.stride = panels * tiling->columns * sizeof(float);
	tile.panel_stride = job->steps * tiling->step_bytes;
	for (size_t s = 0; s < job->steps; s += TCLS_TILE_DEPTH)
	{
		const char *input = job->input + (s / TCLS_TILE_DEPTH * job->m + first_row) * TCLS_TILE_ROW;

		tile.panel = panel + s * tiling->step_bytes;
		tile.steps = job->steps - s < TCLS_TILE_DEPTH ? job->steps - s : TCLS_TILE_DEPTH;
		tile.accumulate = s > 0;
		for (size_t i = 0; i < count; i++)
		{
			size_t		begin = part_begin(rows, count, i);
			size_t		height = part_begin(rows, count, i + 1) - begin;

			tile.sums = (char *) sums + begin * tile.stride;
			tile.input = input + begin * TCLS_TILE_ROW;
			if (panels > 1)
				tiling->wide_tiles[height - 1] (&tile);
			else
				tiling->tiles[height - 1] (&tile);
		}
	}
}

static void
multiply_rows(const Job *job, size_t first_row, size_t rows)
{
	static const size_t wide[3] = {4, 2, 2};
	const TclsTiling *tiling = job->tiling;
	float		sums[SUMS] __attribute__((aligned(64)));
	size_t		panels = 1;

	for (size_t j = 0; j < job->n; j += panels * tiling->columns)
	{
		TclsPackedBlock block = {sums, 0, rows, 0, first_row, j, job->n, job->scales};

		panels = rows <= 3 ? wide[rows - 1] : 1;
		if (panels > part_count(job->n - j, tiling->columns))
			panels = 1;
		/* Where the result goes has left the caches by now, and comes back while the sums are computed. */
		for (size_t i = 0; i < rows; i++)
			__builtin_prefetch(job->y + (first_row + i) * job->n + j, 1);
		panel_sums(sums, job, first_row, rows, job->panels + j / tiling->columns * job->steps * tiling->step_bytes,
				   panels);
		block.stride = panels * tiling->columns;
		block.columns = job->n - j < block.stride ? job->n - j : block.stride;
		tcls_packed_finish(job->y, &block, job->epilogue);
	}
}

void
tcls_tiling_multiply(float *y, const void *input, const void *panels, int m, int n, int k, const TclsScales *scales,
					 const TclsTiling *tiling, const TclsEpilogue *epilogue)
{
	Job			job = {y, input, panels, (size_t) m, (size_t) n, steps_of(k, tiling), scales, tiling, epilogue};
	size_t		rows = BLOCK_BYTES / (job.steps * 4);
	size_t		count;

	rows = rows < BLOCK_ROWS_MIN ? BLOCK_ROWS_MIN : rows > BLOCK_ROWS ? BLOCK_ROWS : rows;
	count = part_count(job.m, rows);
	for (size_t i = 0; i < count; i++)
	{
		size_t		begin = part_begin(job.m, count, i);

		multiply_rows(&job, begin, part_begin(job.m, count, i + 1) - begin);
	}
}

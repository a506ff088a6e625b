/*
 * packed_onednn.c
 *		The packed products of oneDNN.
 *
 *		packed:	form of the panels (8 bytes, then up to 64 unused); scales and totals of W (2 N floats, int8
 *				only); panels of PANEL output channels, the last one of what is left, in multiples of 64
 *		input:	scales and shifts of X (2 M floats, int8 only); rows of K elements
 *
 * Each part begins at a multiple of 64 bytes; N, K and M are filled up with zeros to what the
 * library's products take.  A panel is multiplied by all rows before the next one, so that it
 * stays in the second cache, and what becomes of the sums happens while they are there, too.
 *
 * Where the library fails (it is out of memory) sums are NaN: weight_bytes() makes what a shape
 * needs and asks for more than any host has if it cannot, so that this is seen early.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/onednn.h"
#include "kernels/packed_parts.h"
#include "base/pure_c.h"

#define PANEL 384				/* divides the sizes of most encoders */
#define UNIT 64					/* of columns and depth: no form of the library pads them */
#define TOO_MUCH ((size_t) 1 << 56)
#define FORM_BYTES 64

#define LAYOUT_SIZE 96

/* ---- what the three precisions share ---- */

typedef struct Shape
{
	TclsOnednnType type;
	size_t		m;
	size_t		n;
	size_t		k;
	size_t		padded_k;
	size_t		element;		/* bytes */
} Shape;

static Shape
shape_of(TclsOnednnType type, int m, int n, int k)
{
	Shape		shape = {type, (size_t) m, (size_t) n, (size_t) k, tcls_packed_round_up((size_t) k, UNIT), 0};

	shape.element = type == TCLS_ONEDNN_INT8 ? 1 : type == TCLS_ONEDNN_BF16 ? 2 : 4;
	return shape;
}

/* Bytes of scales, and of totals or shifts, before the elements. */
static size_t
scale_bytes(const Shape *shape, size_t count)
{
	return shape->type == TCLS_ONEDNN_INT8 ? tcls_quantised_rows_bytes(count) : 0;
}

/* The product of the panel that begins at this column; *columns gets how many of W are in it. */
static TclsOnednnProduct *
panel_product(size_t *columns, const Shape *shape, size_t first)
{
	*columns = shape->n - first < PANEL ? shape->n - first : PANEL;
	return tcls_onednn_product(shape->type, (int) tcls_packed_round_up(*columns, UNIT), (int) shape->padded_k);
}

static size_t
panel_bytes(const TclsOnednnProduct *product)
{
	return tcls_packed_round_up(tcls_onednn_panel_bytes(product), UNIT);
}

static size_t
weight_bytes(const Shape *shape)
{
	size_t		size = FORM_BYTES + scale_bytes(shape, shape->n);
	size_t		columns;

	for (size_t j = 0; j < shape->n; j += columns)
	{
		TclsOnednnProduct *product = panel_product(&columns, shape, j);

		if (product == NULL)
			return TOO_MUCH;
		size += panel_bytes(product);
	}
	return size;
}

static TclsQuantisedPlace
place_of(const Shape *shape)
{
	TclsQuantisedPlace place = {TCLS_QUANTISED_INT8, shape->k, 0, shape->padded_k, UNIT};

	return place;
}

/* Rows of floats to rows of bf16 or fp32 with zeros behind them. */
static void
convert_rows(void *elements, const float *x, const Shape *shape, size_t rows)
{
	if (shape->type == TCLS_ONEDNN_BF16)
	{
		tcls_narrow_bf16(elements, x, rows, shape->k, shape->k, shape->padded_k);
		return;
	}
	for (size_t i = 0; i < rows; i++)
	{
		float	   *row = (float *) elements + i * shape->padded_k;

		memcpy(row, x + i * shape->k, shape->k * sizeof(float));
		memset(row + shape->k, 0, (shape->padded_k - shape->k) * sizeof(float));
	}
}

/* Output channels first..first + columns - 1 to elements; columns_meaning is of all channels (int8). */
static void
convert_channels(char *elements, const TclsQuantisedRows *columns_meaning, const float *weight, const Shape *shape,
				 size_t first, size_t columns)
{
	TclsQuantisedPlace place = place_of(shape);

	weight += first * shape->k;
	if (shape->type != TCLS_ONEDNN_INT8)
		convert_rows(elements, weight, shape, columns);
	else
		for (size_t j = 0; j < columns; j++)
			tcls_quantise_channel(elements + j * shape->padded_k, &columns_meaning->scales[first + j],
								  &columns_meaning->shifts[first + j], weight + j * shape->k, shape->k, &place);
}

/* What the library's form of all panels is, as a number; 0: it has none. */
static uint64_t
form_of(const Shape *shape)
{
	uint64_t	form = 0;
	size_t		columns;

	for (size_t j = 0; j < shape->n; j += columns)
	{
		TclsOnednnProduct *product = panel_product(&columns, shape, j);

		if (product == NULL)
			return 0;
		form = form * 31 + tcls_onednn_panel_form(product);
	}
	return form;
}

static bool
pack_panels(char *panel, const TclsQuantisedRows *meaning, const float *weight, const Shape *shape)
{
	size_t		columns;

	for (size_t j = 0; j < shape->n; j += columns)
	{
		TclsOnednnProduct *product = panel_product(&columns, shape, j);
		void	   *elements = product != NULL ? tcls_onednn_pack_begin(product) : NULL;

		if (elements == NULL)
			return false;
		memset(elements, 0, tcls_packed_round_up(columns, UNIT) * shape->padded_k * shape->element);
		convert_channels(elements, meaning, weight, shape, j, columns);
		if (!tcls_onednn_pack_end(product, panel))
			return false;
		panel += panel_bytes(product);
	}
	return true;
}

static void
pack(void *packed, const float *weight, const Shape *shape)
{
	char	   *scales = (char *) packed + FORM_BYTES;
	TclsQuantisedRows meaning = tcls_quantised_rows(scales, shape->n);
	uint64_t	form = 0;

	memset(packed, 0, FORM_BYTES + scale_bytes(shape, shape->n));
	if (pack_panels(scales + scale_bytes(shape, shape->n), &meaning, weight, shape))
		form = form_of(shape);
	memcpy(packed, &form, sizeof(form));
}

static size_t
input_bytes(const Shape *shape)
{
	size_t		rows = tcls_packed_round_up(shape->m, TCLS_ONEDNN_ROWS);

	return scale_bytes(shape, shape->m) + tcls_packed_round_up(rows * shape->padded_k * shape->element, UNIT);
}

static void
convert(void *input, const float *x, const Shape *shape)
{
	TclsQuantisedRows meaning = tcls_quantised_rows(input, shape->m);
	TclsQuantisedPlace place = place_of(shape);
	size_t		row_bytes = shape->padded_k * shape->element;
	char	   *elements = (char *) input + scale_bytes(shape, shape->m);
	size_t		rows = tcls_packed_round_up(shape->m, TCLS_ONEDNN_ROWS);

	if (shape->type == TCLS_ONEDNN_INT8)
		tcls_quantise_rows(elements, &meaning, x, shape->m, shape->k, &place);
	else
		convert_rows(elements, x, shape, shape->m);
	memset(elements + shape->m * row_bytes, 0, (rows - shape->m) * row_bytes);
}

/* One panel times all rows.  The sums of a product of the library lie in the block. */
static void
multiply_panel(float *y, const void *input, const char *panel, TclsOnednnProduct *product, TclsPackedBlock *block,
			   const Shape *shape, const TclsEpilogue *epilogue)
{
	const TclsScales *scales = block->scales;
	const char *x = (const char *) input + scale_bytes(shape, shape->m);

	for (size_t i = 0; i < shape->m; i += block->rows)
	{
		int			done = product == NULL ? 0 :
			tcls_onednn_multiply(product, block->sums, x + i * shape->padded_k * shape->element, panel,
								 (int) (shape->m - i));

		block->first_row = i;
		block->rows = done > 0 ? (size_t) done : TCLS_ONEDNN_ROWS;
		if (block->rows > shape->m - i)
			block->rows = shape->m - i;
		block->scales = done > 0 ? scales : NULL;
		for (size_t s = 0; done == 0 && s < block->rows * block->stride; s++)
			((float *) block->sums)[s] = NAN;
		tcls_packed_finish(y, block, epilogue);
	}
}

static void
multiply(float *y, const void *input, const void *packed, const Shape *shape, const TclsEpilogue *epilogue)
{
	static float sums[TCLS_ONEDNN_MOST_ROWS * PANEL] __attribute__((aligned(UNIT)));
	const char *panel = (const char *) packed + FORM_BYTES + scale_bytes(shape, shape->n);
	TclsQuantisedRows channels = tcls_quantised_rows((const char *) packed + FORM_BYTES, shape->n);
	TclsScales	scales = {tcls_quantised_rows(input, shape->m), channels.scales, channels.shifts, NULL};
	uint64_t	form = form_of(shape);
	bool		known = form != 0 && memcmp(packed, &form, sizeof(form)) == 0;
	size_t		columns;

	for (size_t j = 0; j < shape->n; j += columns)
	{
		TclsOnednnProduct *product = panel_product(&columns, shape, j);
		TclsPackedBlock block = {
			.sums = sums, .stride = tcls_packed_round_up(columns, UNIT), .columns = columns, .first_column = j,
			.n = shape->n, .scales = shape->type == TCLS_ONEDNN_INT8 ? &scales : NULL
		};

		multiply_panel(y, input, panel, known ? product : NULL, &block, shape, epilogue);
		if (known)
			panel += panel_bytes(product);
	}
}

/* ---- the kernels ---- */

/* Has the library such products here?  If so *layout gets the name of the form of their panels. */
static bool
usable(char *layout, TclsOnednnType type, const char *precision)
{
	Shape		shape = shape_of(type, 1, PANEL, PANEL);
	uint64_t	form = form_of(&shape);

	if (form == 0)
		return false;
	snprintf(layout, LAYOUT_SIZE, "%s-onednn-2-%s-%016" PRIx64, precision, tcls_onednn_build(), form);
	return true;
}

#define ONEDNN_KERNEL(name, type, precision, condition) \
	static char name##_layout[LAYOUT_SIZE] = #name "-onednn"; \
	\
	static bool \
	name##_available(void) \
	{ \
		return tcls_onednn_pays() && (condition) && usable(name##_layout, type, #name); \
	} \
	static size_t \
	name##_weight_bytes(int n, int k) \
	{ \
		Shape		shape = shape_of(type, 0, n, k); \
		\
		return weight_bytes(&shape); \
	} \
	static void \
	name##_pack(void *packed, const float *weight, int n, int k) \
	{ \
		Shape		shape = shape_of(type, 0, n, k); \
		\
		pack(packed, weight, &shape); \
	} \
	static size_t \
	name##_input_bytes(int m, int k) \
	{ \
		Shape		shape = shape_of(type, m, 0, k); \
		\
		return input_bytes(&shape); \
	} \
	static void \
	name##_convert(void *input, const float *x, int m, int k) \
	{ \
		Shape		shape = shape_of(type, m, 0, k); \
		\
		convert(input, x, &shape); \
	} \
	static void \
	name##_multiply(float *y, const void *input, const void *packed, int m, int n, int k, \
					const TclsEpilogue *epilogue) \
	{ \
		Shape		shape = shape_of(type, m, n, k); \
		\
		multiply(y, input, packed, &shape, epilogue); \
	} \
	const TclsPackedKernel tcls_packed_##name##_onednn = { \
		#name " oneDNN", name##_layout, precision, false, name##_available, name##_weight_bytes, name##_pack, \
		name##_input_bytes, name##_convert, name##_multiply \
	};

/* Without AMX our own products of int8 are as fast; those of fp32 always are, and the tests alone use these. */
ONEDNN_KERNEL(bf16, TCLS_ONEDNN_BF16, TCLS_BF16, true)
ONEDNN_KERNEL(int8, TCLS_ONEDNN_INT8, TCLS_INT8, tcls_onednn_has_amx())
ONEDNN_KERNEL(fp32, TCLS_ONEDNN_FP32, TCLS_FP32, false)

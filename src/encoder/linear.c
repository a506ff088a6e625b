/*
 * linear.c
 *		Dense layers over gemm.
 *
 * Training does not use the packed products of inference: its weights change at every step, and packing
 * them for forward and backward costs what the higher rate of those kernels gains at the
 * hundreds of tokens of a step, while the gradients of weights have no operand that stays.
 */
#include "encoder/linear.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "base/pure_c.h"

/*
 * Multiply-adds of one piece: 2 GFLOP, 25 ms at 80 GFLOP/s.  The older cores and
 * plain C reach a quarter of that rate or less.
 */
#define PIECE_WORK 1e9
#define PIECE_WORK_SLOW (PIECE_WORK / 4)

/* Rows of a piece, when a row costs so many multiply-adds; whole blocks of the kernels where possible. */
static size_t
piece_rows(size_t rows, double work_per_row)
{
	double		most = (tcls_gemm_path() == 0 ? PIECE_WORK : PIECE_WORK_SLOW) / work_per_row;

	if (most >= (double) rows)
		return rows;
	return most < 64 ? 64 : (size_t) most / 64 * 64;
}

TclsStatus
tcls_linear_forward(float *y, const float *x, const float *weight, size_t rows, int32_t in, int32_t out,
					TclsHost *host)
{
	size_t		step = piece_rows(rows, (double) in * out);

	for (size_t first = 0; first < rows; first += step)
	{
		size_t		count = rows - first < step ? rows - first : step;

		TCLS_TRY(tcls_poll(host));
		tcls_gemm(y + first * (size_t) out, x + first * (size_t) in, weight, (int) count, out, in, in, in, out,
				  false, true, 1.0f, 1.0f);
	}
	return TCLS_OK;
}

TclsStatus
tcls_linear_backward_input(float *dx, const float *dy, const float *weight, size_t rows, int32_t in, int32_t out,
						   bool accumulate, TclsHost *host)
{
	size_t		step = piece_rows(rows, (double) in * out);

	for (size_t first = 0; first < rows; first += step)
	{
		size_t		count = rows - first < step ? rows - first : step;

		TCLS_TRY(tcls_poll(host));
		tcls_gemm(dx + first * (size_t) in, dy + first * (size_t) out, weight, (int) count, in, out, out, in, in,
				  false, false, 1.0f, accumulate ? 1.0f : 0.0f);
	}
	return TCLS_OK;
}

TclsStatus
tcls_linear_backward_weight(float *dweight, float *dbias, const float *dy, const float *x, size_t rows, int32_t in,
							int32_t out, TclsHost *host)
{
	size_t		step = piece_rows((size_t) out, (double) rows * in);

	for (size_t first = 0; first < (size_t) out; first += step)
	{
		size_t		count = (size_t) out - first < step ? (size_t) out - first : step;

		TCLS_TRY(tcls_poll(host));
		tcls_gemm(dweight + first * (size_t) in, dy + first, x, (int) count, in, (int) rows, out, in, in,
				  true, false, 1.0f, 1.0f);
	}
	tcls_sum_rows(dbias, dy, rows, (size_t) out);
	return TCLS_OK;
}

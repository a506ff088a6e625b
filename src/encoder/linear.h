/*
 * linear.h
 *		Dense layers over gemm, split so that a cancel is seen in time.
 *
 * weight is (out, in) as PyTorch's Linear.  Each call polls before every piece of
 * at most 2 GFLOP.
 */
#ifndef TEXTCLS_LINEAR_H
#define TEXTCLS_LINEAR_H

#include <stdbool.h>

#include "base/host.h"

/* y (rows, out) += x (rows, in) weight^T; put the bias into y first. */
extern TclsStatus tcls_linear_forward(float *y, const float *x, const float *weight, size_t rows, int32_t in,
									  int32_t out, TclsHost *host);

/* dx (rows, in) = dy (rows, out) weight, or += with accumulate. */
extern TclsStatus tcls_linear_backward_input(float *dx, const float *dy, const float *weight, size_t rows, int32_t in,
											 int32_t out, bool accumulate, TclsHost *host);

/* dweight (out, in) += dy^T x, dbias (out) += sum of the rows of dy. */
extern TclsStatus tcls_linear_backward_weight(float *dweight, float *dbias, const float *dy, const float *x,
											  size_t rows, int32_t in, int32_t out, TclsHost *host);

#endif							/* TEXTCLS_LINEAR_H */

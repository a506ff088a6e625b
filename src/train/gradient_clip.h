/*
 * gradient_clip.h
 *		The global norm of a gradient, and what to multiply it with.
 *
 * Reference: torch.nn.utils.clip_grad_norm_.
 */
#ifndef TEXTCLS_GRADIENT_CLIP_H
#define TEXTCLS_GRADIENT_CLIP_H

#include <stddef.h>

/* Sum of squares of count floats, in double and in a fixed order; not finite if one of them is not. */
extern void tcls_gradient_squares(double *squares, const float *gradient, size_t count);

/* Factor that brings a gradient of this norm to max_norm; 1 if it is shorter or max_norm is 0. */
extern double tcls_gradient_clip_factor(double norm, double max_norm);

#endif							/* TEXTCLS_GRADIENT_CLIP_H */

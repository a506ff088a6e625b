/*
 * loss.h
 *		The gradient that belongs to tcls_network_loss.
 */
#ifndef TEXTCLS_LOSS_H
#define TEXTCLS_LOSS_H

#include "encoder/network.h"

/* dlogits (B, K) = gradient of the sum of the losses times scale; targets are checked before. */
extern void tcls_loss_backward(float *dlogits, const float *logits, const TclsConfig *config,
							   const TclsTargets *targets, double scale, int32_t count);

#endif							/* TEXTCLS_LOSS_H */

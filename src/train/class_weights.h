/*
 * class_weights.h
 *		Weights that make rare classes count as much as frequent ones.
 *
 * Reference: scikit-learn, compute_class_weight('balanced').
 */
#ifndef TEXTCLS_CLASS_WEIGHTS_H
#define TEXTCLS_CLASS_WEIGHTS_H

#include <stdint.h>

/* weights (classes) get rows / (occurring classes * counts[c]), and 1 where a class does not occur. */
extern void tcls_class_weights_balanced(float *weights, const int64_t *counts, int32_t classes);

#endif							/* TEXTCLS_CLASS_WEIGHTS_H */

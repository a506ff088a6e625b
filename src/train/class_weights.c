/*
 * class_weights.c
 *		Balanced class weights.
 */
#include "train/class_weights.h"
#include "base/pure_c.h"

void
tcls_class_weights_balanced(float *weights, const int64_t *counts, int32_t classes)
{
	int64_t		rows = 0;
	int32_t		occurring = 0;

	for (int32_t c = 0; c < classes; c++)
	{
		rows += counts[c];
		occurring += counts[c] > 0;
	}
	for (int32_t c = 0; c < classes; c++)
		weights[c] = counts[c] == 0 ? 1 : (float) ((double) rows / ((double) occurring * (double) counts[c]));
}

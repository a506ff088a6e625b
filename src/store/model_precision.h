/*
 * model_precision.h
 *		The precision a version computes in, and the kernel that does it.
 *
 *		asked for:	textcls.precision where it is not auto, else the model's, else auto
 *		fp32, int8	as asked
 *		bf16		as asked where the CPU has it, else fp32
 *		auto		int8 where the version's comparison with fp32 allows it, else bf16 where the CPU has it,
 *					else fp32
 */
#ifndef TEXTCLS_MODEL_PRECISION_H
#define TEXTCLS_MODEL_PRECISION_H

#include "kernels/packed.h"
#include "store/model_catalog.h"

/*
 * What a comparison must show for auto to take int8: enough rows, nearly all with the same label, and no loss of
 * accuracy to speak of where the rows have labels.
 */
#define TCLS_INT8_LEAST_ROWS 100
#define TCLS_INT8_LEAST_AGREEMENT 0.995
#define TCLS_INT8_MOST_LOSS 0.003

/* The kernel, after the engine was started; *reason (may be NULL) gets why, in static storage. */
extern const TclsPackedKernel *tcls_precision_kernel(const char **reason, const TclsVersion *version);

#endif							/* TEXTCLS_MODEL_PRECISION_H */

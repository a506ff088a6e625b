/*
 * model_weights.h
 *		Parameters of a plan out of a set of tensors, by the names of the family.
 */
#ifndef TEXTCLS_MODEL_WEIGHTS_H
#define TEXTCLS_MODEL_WEIGHTS_H

#include "model/model.h"
#include "model/safetensors.h"

/*
 * Fill a block of plan->total floats.  Every parameter must be there once and in
 * its shape, with finite values; tensors that are no parameters are passed over.
 * block NULL only checks.
 */
extern TclsStatus tcls_model_weights_read(float *block, const TclsTensorSet *tensors, const TclsModelConfig *config,
										  const TclsParameterPlan *plan, TclsHost *host);

/* The parameter's tensor under any of the names its family knows; NULL when there is none. */
extern TclsStatus tcls_model_weights_find(const TclsTensor **out, const TclsTensorSet *tensors, int32_t architecture,
										  const char *canonical, TclsHost *host);

#endif							/* TEXTCLS_MODEL_WEIGHTS_H */

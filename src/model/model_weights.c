/*
 * model_weights.c
 *		Tensors to parameters and back.
 */
#include <stdio.h>
#include <string.h>

#include "model/architecture.h"
#include "model/model_weights.h"
#include "base/pure_c.h"

TclsStatus
tcls_model_weights_find(const TclsTensor **out, const TclsTensorSet *tensors, int32_t architecture,
						const char *canonical, TclsHost *host)
{
	const TclsArchitecture *family = tcls_architecture_get(architecture);
	char		name[TCLS_TENSOR_NAME_SIZE];

	*out = NULL;
	for (int variant = 0; variant < TCLS_NAME_VARIANTS; variant++)
	{
		const TclsTensor *found;

		if (!tcls_architecture_tensor_name(name, family, canonical, variant) ||
			(found = tcls_safetensors_find(tensors, name)) == NULL)
			continue;
		if (*out != NULL)
			return tcls_fail(host, TCLS_BAD_FILE, "tensors \"%s\" and \"%s\" are the same parameter", (*out)->name,
							 name);
		*out = found;
	}
	return TCLS_OK;
}

static bool
has_shape(const TclsTensor *tensor, const TclsParameter *parameter)
{
	if (tensor->rank != parameter->rank)
		return false;
	for (int32_t i = 0; i < tensor->rank; i++)
		if (tensor->shape[i] != parameter->shape[i])
			return false;
	return true;
}

/* "2 x 3" */
static void
print_shape(char buffer[96], const int64_t *shape, int32_t rank)
{
	size_t		used = 0;

	buffer[0] = '\0';
	for (int32_t i = 0; i < rank; i++)
		used += (size_t) snprintf(buffer + used, 96 - used, "%s%lld", i > 0 ? " x " : "", (long long) shape[i]);
}

static TclsStatus
read_parameter(float *out, const TclsTensorSet *tensors, int32_t architecture, const TclsParameter *parameter,
			   TclsHost *host)
{
	const TclsTensor *tensor;
	char		name[TCLS_TENSOR_NAME_SIZE];
	char		found[96];
	char		wanted[96];

	TCLS_TRY(tcls_model_weights_find(&tensor, tensors, architecture, parameter->name, host));
	if (tensor == NULL)
	{
		tcls_architecture_tensor_name(name, tcls_architecture_get(architecture), parameter->name, 0);
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" is missing", name);
	}
	if (!has_shape(tensor, parameter))
	{
		print_shape(found, tensor->shape, tensor->rank);
		print_shape(wanted, parameter->shape, parameter->rank);
		return tcls_fail(host, TCLS_BAD_FILE, "tensor \"%s\" is %s, but config.json makes it %s", tensor->name, found,
						 wanted);
	}
	return tcls_safetensors_to_floats(out, tensor, host);
}

TclsStatus
tcls_model_weights_read(float *block, const TclsTensorSet *tensors, const TclsModelConfig *config,
						const TclsParameterPlan *plan, TclsHost *host)
{
	for (int32_t i = 0; i < plan->count; i++)
		TCLS_TRY(read_parameter(block != NULL ? block + plan->items[i].offset : NULL, tensors, config->architecture,
								&plan->items[i], host));
	return TCLS_OK;
}

/*
 * A classifier's encoder has its prefix, a bare encoder has none: as transformers'
 * save_pretrained writes the two.
 */
TclsStatus
tcls_model_weights_write(const TclsWriter *writer, const TclsModelConfig *config, const TclsParameterPlan *plan,
						 const float *block, TclsHost *host)
{
	const TclsArchitecture *family = tcls_architecture_get(config->architecture);
	int			variant = config->numbers.head == TCLS_HEAD_NONE ? 1 : 0;
	TclsTensor *tensors;
	char		(*names)[TCLS_TENSOR_NAME_SIZE];

	TCLS_TRY(tcls_alloc_zero(&tensors, (size_t) plan->count, sizeof(TclsTensor), host));
	TCLS_TRY(tcls_alloc(&names, (size_t) plan->count, TCLS_TENSOR_NAME_SIZE, host));
	for (int32_t i = 0; i < plan->count; i++)
	{
		const TclsParameter *parameter = &plan->items[i];

		tcls_architecture_tensor_name(names[i], family, parameter->name, variant);
		tensors[i].name = names[i];
		tensors[i].dtype = TCLS_DTYPE_F32;
		tensors[i].rank = parameter->rank;
		memcpy(tensors[i].shape, parameter->shape, sizeof(parameter->shape));
		tensors[i].data = block + parameter->offset;
		tensors[i].size = parameter->count * sizeof(float);
	}
	TCLS_TRY(tcls_safetensors_write(writer, tensors, plan->count, host));
	tcls_free(names, host);
	tcls_free(tensors, host);
	return TCLS_OK;
}

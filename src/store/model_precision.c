/*
 * model_precision.c
 *		Chooses the precision of a version.
 */
#include "postgres.h"

#include <math.h>

#include "bridge/settings.h"
#include "store/model_precision.h"

static bool
int8_is_good(const TclsInt8Check *check)
{
	return check->rows >= TCLS_INT8_LEAST_ROWS && check->agreement >= TCLS_INT8_LEAST_AGREEMENT &&
		(isnan(check->accuracy_change) || check->accuracy_change >= -TCLS_INT8_MOST_LOSS);
}

/* What emulates bf16 in plain C is slower than fp32 and serves nobody. */
static bool
has_bf16(void)
{
	return !tcls_packed_best(TCLS_BF16)->is_plain;
}

static TclsPrecision
choose(const char **reason, const TclsVersion *version)
{
	if (int8_is_good(&version->int8))
	{
		*reason = "auto: int8 agrees with fp32 on the rows it was compared on";
		return TCLS_INT8;
	}
	if (has_bf16())
	{
		*reason = version->int8.rows > 0 ? "auto: int8 agrees too little with fp32, and the CPU has bf16" :
			"auto: int8 was not compared with fp32, and the CPU has bf16";
		return TCLS_BF16;
	}
	*reason = version->int8.rows > 0 ? "auto: int8 agrees too little with fp32 or on too few rows" :
		"auto: int8 was not compared with fp32, see textcls.measure_precision()";
	return TCLS_FP32;
}

const TclsPackedKernel *
tcls_precision_kernel(const char **reason, const TclsVersion *version)
{
	bool		by_session = tcls_setting_precision != TCLS_PRECISION_AUTO;
	int			asked = by_session ? tcls_setting_precision : version->precision;
	const char *why;

	if (asked == TCLS_PRECISION_AUTO)
		asked = (int) choose(&why, version);
	else if (asked == TCLS_BF16 && !has_bf16())
	{
		asked = TCLS_FP32;
		why = "bf16 is asked for, but there is no kernel for it here";
	}
	else
		why = by_session ? "textcls.precision asks for it" : "the model asks for it";
	if (reason != NULL)
		*reason = why;
	return tcls_packed_best((TclsPrecision) asked);
}

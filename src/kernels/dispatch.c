/*
 * dispatch.c
 *		Which instruction set the ops use.
 */
#include "kernels/kernels.h"
#include "base/pure_c.h"

static const char *const isa_names[TCLS_ISA_COUNT] = {"plain", "AVX2", "AVX-512"};

static int	selected = -1;

bool
tcls_isa_supported(TclsIsa isa)
{
	switch (isa)
	{
		case TCLS_ISA_PLAIN:
			return true;
#if defined(__x86_64__)
		case TCLS_ISA_AVX2:
			return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
		case TCLS_ISA_AVX512:
			return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
				__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
				tcls_isa_supported(TCLS_ISA_AVX2);
#endif
		default:
			return false;
	}
}

TclsIsa
tcls_isa(void)
{
	if (selected < 0)
		tcls_isa_select(TCLS_ISA_AVX512);
	return (TclsIsa) selected;
}

void
tcls_isa_select(TclsIsa best)
{
	int			isa = (int) best;

	while (!tcls_isa_supported((TclsIsa) isa))
		isa--;
	selected = isa;
}

const char *
tcls_isa_name(TclsIsa isa)
{
	return isa_names[isa];
}

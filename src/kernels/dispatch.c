/*
 * dispatch.c
 *		Which instruction set the ops use.
 */
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kernels/kernels.h"
#include "base/pure_c.h"

static const char *const isa_names[TCLS_ISA_COUNT] = {"plain", "AVX2", "AVX-512", "AVX-512 VNNI", "AMX"};

static int	selected = -1;

#if defined(__x86_64__)
/* CPUID leaf 7, EDX. */
#define CPU_AMX_BF16 (1u << 22)
#define CPU_AMX_TILE (1u << 24)
#define CPU_AMX_INT8 (1u << 25)
#define CPU_AMX (CPU_AMX_BF16 | CPU_AMX_TILE | CPU_AMX_INT8)

/* A process must ask Linux for the tile registers before it touches them (Documentation/x86/xstate.rst). */
#define ARCH_REQUEST_COMPONENT 0x1023	/* ARCH_REQ_XCOMP_PERM */
#define COMPONENT_TILE_DATA 18

static bool
amx_permitted(void)
{
	unsigned int a;
	unsigned int b;
	unsigned int c;
	unsigned int d;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & CPU_AMX) != CPU_AMX)
		return false;
#if defined(__linux__)
	return syscall(SYS_arch_prctl, ARCH_REQUEST_COMPONENT, COMPONENT_TILE_DATA) == 0;
#else
	return false;
#endif
}
#endif

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
		case TCLS_ISA_AVX512_VNNI:
			return __builtin_cpu_supports("avx512vnni") && tcls_isa_supported(TCLS_ISA_AVX512);
		case TCLS_ISA_AMX:
			return amx_permitted() && tcls_isa_supported(TCLS_ISA_AVX512_VNNI);
#endif
		default:
			return false;
	}
}

TclsIsa
tcls_isa(void)
{
	if (selected < 0)
		tcls_isa_select(TCLS_ISA_BEST);
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

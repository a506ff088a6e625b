/*
 * variant.h
 *		One loop, compiled for several instruction sets, chosen at run time.
 *
 * An op is written once, as an always-inline body of plain C loops that gcc vectorises
 * ("#pragma omp simd" where a sum may be reordered; no OpenMP library is
 * involved).  TCLS_VARIANTS turns the body into one function an instruction set and
 * the public function that calls the selected one:
 *
 *		static TCLS_BODY void scale(float *y, float a, size_t n) { ... }
 *		TCLS_VARIANTS(scale, (float *y, float a, size_t n), (y, a, n))
 *
 * defines tcls_scale().  Everything a body calls must be inlined into it, so it is
 * TCLS_BODY as well.  A body that wants to know its instruction set is defined by
 * TCLS_VARIANTS_BY_ISA, whose last argument are those of the body, "isa" among them.
 */
#ifndef TEXTCLS_VARIANT_H
#define TEXTCLS_VARIANT_H

#include "kernels/kernels.h"

#define TCLS_BODY inline __attribute__((always_inline))

#define TCLS_VARIANT(op, suffix, set, parameters, body_arguments) \
	static void op##_##suffix parameters \
	{ \
		const TclsIsa isa = set; \
		\
		(void) isa; \
		op body_arguments; \
	}

#if defined(__x86_64__)
#define TCLS_VARIANTS_BY_ISA(op, parameters, arguments, body_arguments) \
	TCLS_VARIANT(op, plain, TCLS_ISA_PLAIN, parameters, body_arguments) \
	__attribute__((target("avx2,fma"))) \
	TCLS_VARIANT(op, avx2, TCLS_ISA_AVX2, parameters, body_arguments) \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))) \
	TCLS_VARIANT(op, avx512, TCLS_ISA_AVX512, parameters, body_arguments) \
	void tcls_##op parameters \
	{ \
		if (tcls_isa() >= TCLS_ISA_AVX512) \
			op##_avx512 arguments; \
		else if (tcls_isa() == TCLS_ISA_AVX2) \
			op##_avx2 arguments; \
		else \
			op##_plain arguments; \
	}
#else
#define TCLS_VARIANTS_BY_ISA(op, parameters, arguments, body_arguments) \
	TCLS_VARIANT(op, plain, TCLS_ISA_PLAIN, parameters, body_arguments) \
	void tcls_##op parameters { op##_plain arguments; }
#endif

#define TCLS_VARIANTS(op, parameters, arguments) TCLS_VARIANTS_BY_ISA(op, parameters, arguments, arguments)

#endif							/* TEXTCLS_VARIANT_H */

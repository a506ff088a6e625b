/*
 * rng.c
 *		SplitMix64 and a permutation built on it.
 */
#include <math.h>

#include "base/rng.h"
#include "base/pure_c.h"

#define GOLDEN_GAMMA UINT64_C(0x9E3779B97F4A7C15)

static uint64_t
mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64_t
tcls_rng_next(TclsRng *rng)
{
	rng->state += GOLDEN_GAMMA;
	return mix64(rng->state);
}

double
tcls_rng_uniform(TclsRng *rng)
{
	return (double) (tcls_rng_next(rng) >> 11) * 0x1.0p-53;
}

double
tcls_rng_normal(TclsRng *rng)
{
	double		radius = sqrt(-2.0 * log(1.0 - tcls_rng_uniform(rng)));

	return radius * cos(6.283185307179586 * tcls_rng_uniform(rng));
}

uint64_t
tcls_rng_mix(uint64_t key, uint64_t counter)
{
	return mix64(mix64(key + GOLDEN_GAMMA) ^ (counter * GOLDEN_GAMMA + 1));
}

uint64_t
tcls_rng_permute(uint64_t index, uint64_t count, uint64_t key)
{
	int			half_bits = 1;
	uint64_t	mask;

	while (half_bits < 32 && (count - 1) >> (2 * half_bits) != 0)
		half_bits++;
	mask = (UINT64_C(1) << half_bits) - 1;
	do
	{
		uint64_t	left = index >> half_bits;
		uint64_t	right = index & mask;

		for (uint64_t round = 0; round < 4; round++)
		{
			uint64_t	mixed = left ^ (tcls_rng_mix(key + round, right) & mask);

			left = right;
			right = mixed;
		}
		index = left << half_bits | right;
	} while (index >= count);
	return index;
}

/*
 * rng.h
 *		Seeded randomness whose results are stored and tested: our own generator,
 *		so that no library's next release changes what a seed means.
 *
 * Source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
 */
#ifndef TEXTCLS_RNG_H
#define TEXTCLS_RNG_H

#include <stdint.h>

typedef struct TclsRng
{
	uint64_t	state;
} TclsRng;

/* The state is the seed: copying the struct copies the sequence. */
extern uint64_t tcls_rng_next(TclsRng *rng);

/* Uniform in [0, 1) with 53 random bits. */
extern double tcls_rng_uniform(TclsRng *rng);

/* Standard normal (Box-Muller, one value a call). */
extern double tcls_rng_normal(TclsRng *rng);

/* A well mixed function of two words: counter-based randomness. */
extern uint64_t tcls_rng_mix(uint64_t key, uint64_t counter);

/*
 * The index-th element of a random permutation of 0..count-1 that key names,
 * computed without a table (a Feistel network with cycle walking).
 */
extern uint64_t tcls_rng_permute(uint64_t index, uint64_t count, uint64_t key);

#endif							/* TEXTCLS_RNG_H */

/*
 * network_fixture.h
 *		The networks of test/data/network.bin (gen_network.py) with what PyTorch computes of them.
 */
#ifndef TEXTCLS_NETWORK_FIXTURE_H
#define TEXTCLS_NETWORK_FIXTURE_H

#include "encoder/network.h"
#include "unit.h"

#define NETWORK_TOLERANCE 1e-4	/* relative to the largest element of a tensor */

/* One case of the fixture; arrays point into the file's bytes. */
typedef struct Case
{
	char		name[24];
	TclsConfig	config;
	TclsSequences sequences;
	TclsTargets targets;
	double		loss;
	const float *hidden;		/* (T, H) */
	const float *pooled;		/* (B, H) */
	const float *logits;		/* (B, K) */
	const float *gradients;		/* in plan order without gaps */
	TclsParameterPlan plan;
	TclsWeights weights;
	TclsWeights computed;		/* gradients */
	TclsInference inference;	/* by network_pack */
	TclsArena	arena;
} Case;

typedef void (*CaseTest) (Case *c, UnitHost *unit);

/* Run the test with each case of the fixture (or the named one). */
extern void network_for_cases(const char *only, CaseTest test, UnitHost *unit);

/* c->inference of the present weights. */
extern void network_pack(Case *c, const TclsPackedKernel *kernel, UnitHost *unit);

/* Compare within the tolerance, relative to the largest wanted element. */
extern void network_check_tensor(const Case *c, const char *what, const float *actual, const float *wanted,
								 size_t count, double tolerance);

/* The same values as parameter_values() of the generator. */
extern float network_parameter_value(size_t index);

#endif							/* TEXTCLS_NETWORK_FIXTURE_H */

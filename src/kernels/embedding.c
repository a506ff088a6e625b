/*
 * embedding.c
 *		Sum of word, position and token type embeddings.
 *
 *		forward		y[t] = word[id] + position[t - start] + type
 *		backward	dword[id] += dy[t],  dposition[t - start] += dy[t],  dtype += dy[t]
 */
#include "kernels/variant.h"
#include "base/pure_c.h"

static TCLS_BODY void
embedding_forward(float *y, const float *word, const float *position, const float *type, const int32_t *ids,
				  const int32_t *starts, size_t texts, size_t columns)
{
	for (size_t text = 0; text < texts; text++)
		for (int32_t t = starts[text]; t < starts[text + 1]; t++)
		{
			float	   *out = y + (size_t) t * columns;
			const float *w = word + (size_t) ids[t] * columns;
			const float *p = position + (size_t) (t - starts[text]) * columns;

#pragma omp simd
			for (size_t i = 0; i < columns; i++)
				out[i] = w[i] + p[i];
			if (type != NULL)
			{
#pragma omp simd
				for (size_t i = 0; i < columns; i++)
					out[i] += type[i];
			}
		}
}

TCLS_VARIANTS(embedding_forward,
			  (float *y, const float *word, const float *position, const float *type, const int32_t *ids,
			   const int32_t *starts, size_t texts, size_t columns),
			  (y, word, position, type, ids, starts, texts, columns))

static TCLS_BODY void
embedding_backward(float *dword, float *dposition, float *dtype, const float *dy, const int32_t *ids,
				   const int32_t *starts, size_t texts, size_t columns)
{
	for (size_t text = 0; text < texts; text++)
		for (int32_t t = starts[text]; t < starts[text + 1]; t++)
		{
			const float *grad = dy + (size_t) t * columns;
			float	   *w = dword + (size_t) ids[t] * columns;
			float	   *p = dposition + (size_t) (t - starts[text]) * columns;

#pragma omp simd
			for (size_t i = 0; i < columns; i++)
			{
				w[i] += grad[i];
				p[i] += grad[i];
			}
			if (dtype != NULL)
			{
#pragma omp simd
				for (size_t i = 0; i < columns; i++)
					dtype[i] += grad[i];
			}
		}
}

TCLS_VARIANTS(embedding_backward,
			  (float *dword, float *dposition, float *dtype, const float *dy, const int32_t *ids,
			   const int32_t *starts, size_t texts, size_t columns),
			  (dword, dposition, dtype, dy, ids, starts, texts, columns))

/*
 * crossentropy.c
 *		The two losses, as torch.nn.functional.cross_entropy and
 *		binary_cross_entropy_with_logits define them.
 *
 *	softmax cross entropy of a text with label y, e = label smoothing
 *		loss		(1 - e) * w[y] * -log p[y] + e / K * sum over c of w[c] * -log p[c]
 *		dlogits[c]	(1 - e) * w[y] * (p[c] - [c = y]) + e / K * (p[c] * sum of w - w[c])
 *		mean		sum of losses / sum of w[y]
 *	binary cross entropy of an element with logit z and target t
 *		loss		w * (max(z, 0) - z t + log(1 + e^-|z|))
 *		dlogit		w * (1 / (1 + e^-z) - t)
 *
 * K and B are small beside the network, so this is plain C in double precision.
 */
#include <math.h>

#include "kernels/kernels.h"
#include "base/pure_c.h"

static double
weight_of(const float *weights, size_t index)
{
	return weights == NULL ? 1.0 : (double) weights[index];
}

static double
log_sum_exp(const float *logits, size_t classes)
{
	double		max = logits[0];
	double		sum = 0;

	for (size_t c = 1; c < classes; c++)
		max = fmax(max, logits[c]);
	for (size_t c = 0; c < classes; c++)
		sum += exp(logits[c] - max);
	return max + log(sum);
}

double
tcls_crossentropy_forward(double *weight_sum, const float *logits, const int32_t *labels, const float *weights,
						  float smoothing, size_t texts, size_t classes)
{
	double		loss = 0;

	*weight_sum = 0;
	for (size_t text = 0; text < texts; text++)
	{
		const float *row = logits + text * classes;
		size_t		label = (size_t) labels[text];
		double		total = log_sum_exp(row, classes);
		double		smooth = 0;

		*weight_sum += weight_of(weights, label);
		loss += (1.0 - smoothing) * weight_of(weights, label) * (total - row[label]);
		if (smoothing > 0)
		{
			for (size_t c = 0; c < classes; c++)
				smooth += weight_of(weights, c) * (total - row[c]);
			loss += smoothing / (double) classes * smooth;
		}
	}
	return loss;
}

void
tcls_crossentropy_backward(float *dlogits, const float *logits, const int32_t *labels, const float *weights,
						   float smoothing, double scale, size_t texts, size_t classes)
{
	double		all = 0;

	for (size_t c = 0; c < classes; c++)
		all += weight_of(weights, c);
	for (size_t text = 0; text < texts; text++)
	{
		const float *row = logits + text * classes;
		size_t		label = (size_t) labels[text];
		double		total = log_sum_exp(row, classes);
		double		sharp = (1.0 - smoothing) * weight_of(weights, label);
		double		smooth = smoothing / (double) classes;

		for (size_t c = 0; c < classes; c++)
		{
			double		p = exp(row[c] - total);

			dlogits[text * classes + c] = (float) (scale * (sharp * (p - (c == label)) +
															smooth * (p * all - weight_of(weights, c))));
		}
	}
}

double
tcls_binary_crossentropy_forward(const float *logits, const float *targets, const float *weights, size_t count)
{
	double		loss = 0;

	for (size_t i = 0; i < count; i++)
	{
		double		z = logits[i];

		/* NaN must come through, so not fmax(). */
		loss += weight_of(weights, i) * ((z < 0 ? 0 : z) - z * targets[i] + log1p(exp(-fabs(z))));
	}
	return loss;
}

void
tcls_binary_crossentropy_backward(float *dlogits, const float *logits, const float *targets, const float *weights,
								  double scale, size_t count)
{
	for (size_t i = 0; i < count; i++)
		dlogits[i] = (float) (scale * weight_of(weights, i) * (1.0 / (1.0 + exp(-(double) logits[i])) - targets[i]));
}

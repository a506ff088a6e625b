/*
 * gelu.c
 *		The activation functions: GELU by erf and by tanh, ReLU, tanh.
 *
 *		GELU		f = x * Phi(x)					f' = Phi(x) + x * phi(x)
 *		GELU tanh	f = x/2 * (1 + tanh u)			f' = (1 + tanh u)/2 + x/2 * (1 - tanh^2 u) * u'
 *					u = sqrt(2/pi) * (x + 0.044715 x^3)
 *		ReLU		f = max(x, 0)					f' = 1 where x > 0, else 0
 *		tanh		f = tanh x						f' = 1 - tanh^2 x
 *
 * Source: Hendrycks and Gimpel 2016.
 */
#include "kernels/element.h"
#include "base/pure_c.h"

/* f and f' of one element. */
typedef struct ValueSlope
{
	float		value;
	float		slope;
} ValueSlope;

/*
 * Phi(x) - 1/2 is x times an even function, here a quotient of polynomials in x^2 on
 * -5.2..5.2; beyond that Phi is 0 or 1, and f and f' stay, within 6e-7.  Fitted so that the greatest
 * error of x * Phi(x) is least (Lawson's iteration): 1.6e-7.  All terms are positive, nothing cancels.
 */
static TCLS_BODY ValueSlope
gelu(float x)
{
	float		low = x < -5.2f ? -5.2f : x;
	float		near = low > 5.2f ? 5.2f : low;
	float		t = near * near;
	float		p = 7.40248992e-06f;
	float		q = 6.18441599e-07f;
	float		phi;
	ValueSlope	result;

	p = p * t + 4.01200416e-04f;
	p = p * t + 6.04774850e-03f;
	p = p * t + 5.71190592e-02f;
	p = p * t + 3.98940029e-01f;
	q = q * t + 1.45867037e-04f;
	q = q * t + 3.18488448e-03f;
	q = q * t + 4.18290009e-02f;
	q = q * t + 3.09819456e-01f;
	q = q * t + 1.0f;
	phi = 0.5f + near * p / q;
	result.value = low * phi;
	result.slope = phi + x * tcls_exp_negative(-0.5f * x * x) * 0.39894228f;
	return result;
}

/* 1 - 2 / (e^2x + 1), odd by construction so that small x keep their sign. */
static TCLS_BODY float
tanh_of(float x)
{
	float		magnitude = x < 0 ? -x : x;
	float		squared = x * x;
	float		far = 1.0f - 2.0f / (tcls_exp(2.0f * magnitude) + 1.0f);
	float		near = 2.0f / 15.0f - squared * (17.0f / 315.0f);

	near = squared * near - 1.0f / 3.0f;
	near = magnitude + magnitude * squared * near;
	far = magnitude < 0.1f ? near : far;
	return x < 0 ? -far : far;
}

static TCLS_BODY ValueSlope
gelu_tanh(float x)
{
	float		cube = 0.044715f * x * x * x;
	float		t = tanh_of(0.79788456f * (x + cube));
	ValueSlope	result;

	result.value = 0.5f * x * (1.0f + t);
	result.slope = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456f * (1.0f + 3.0f * 0.044715f * x * x);
	return result;
}

static TCLS_BODY ValueSlope
relu(float x)
{
	ValueSlope	result;

	result.value = x < 0 ? 0.0f : x;
	result.slope = x > 0 ? 1.0f : 0.0f;
	return result;
}

static TCLS_BODY ValueSlope
tanh_slope(float x)
{
	ValueSlope	result;

	result.value = tanh_of(x);
	result.slope = 1.0f - result.value * result.value;
	return result;
}

#define EACH_FORWARD(function) \
	_Pragma("omp simd") \
	for (size_t i = 0; i < count; i++) \
		y[i] = function(x[i]).value

static TCLS_BODY void
activation_forward(float *y, const float *x, TclsActivation activation, size_t count)
{
	switch (activation)
	{
		case TCLS_ACTIVATION_GELU:
			EACH_FORWARD(gelu);
			break;
		case TCLS_ACTIVATION_GELU_TANH:
			EACH_FORWARD(gelu_tanh);
			break;
		case TCLS_ACTIVATION_RELU:
			EACH_FORWARD(relu);
			break;
		case TCLS_ACTIVATION_TANH:
			EACH_FORWARD(tanh_slope);
			break;
	}
}

TCLS_VARIANTS(activation_forward,
			  (float *y, const float *x, TclsActivation activation, size_t count),
			  (y, x, activation, count))

#define EACH_BACKWARD(function) \
	_Pragma("omp simd") \
	for (size_t i = 0; i < count; i++) \
	{ \
		ValueSlope	f = function(x[i]); \
		\
		dx[i] = dy[i] * f.slope; \
		y[i] = f.value; \
	}

static TCLS_BODY void
activation_backward(float *dx, float *y, const float *dy, const float *x, TclsActivation activation, size_t count)
{
	switch (activation)
	{
		case TCLS_ACTIVATION_GELU:
			EACH_BACKWARD(gelu);
			break;
		case TCLS_ACTIVATION_GELU_TANH:
			EACH_BACKWARD(gelu_tanh);
			break;
		case TCLS_ACTIVATION_RELU:
			EACH_BACKWARD(relu);
			break;
		case TCLS_ACTIVATION_TANH:
			EACH_BACKWARD(tanh_slope);
			break;
	}
}

TCLS_VARIANTS(activation_backward,
			  (float *dx, float *y, const float *dy, const float *x, TclsActivation activation, size_t count),
			  (dx, y, dy, x, activation, count))

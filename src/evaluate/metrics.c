/*
 * metrics.c
 *		Classification metrics from counts, as scikit-learn defines them.
 *
 * Reference: scikit-learn 1.9, sklearn/metrics/_classification.py.
 */
#include <math.h>

#include "evaluate/metrics.h"
#include "base/pure_c.h"

/* A zero denominator gives 0, as scikit-learn's zero_division default does. */
static double
ratio(double numerator, double denominator)
{
	return denominator == 0 ? 0 : numerator / denominator;
}

static TclsClassMetrics
class_metrics(int64_t true_positive, int64_t false_positive, int64_t false_negative)
{
	TclsClassMetrics out;

	out.precision = ratio((double) true_positive, (double) (true_positive + false_positive));
	out.recall = ratio((double) true_positive, (double) (true_positive + false_negative));
	out.f1 = ratio(2.0 * (double) true_positive, (double) (2 * true_positive + false_positive + false_negative));
	out.support = true_positive + false_negative;
	return out;
}

static void
add_weighted(TclsClassMetrics *sum, const TclsClassMetrics *item, double weight)
{
	sum->precision += weight * item->precision;
	sum->recall += weight * item->recall;
	sum->f1 += weight * item->f1;
	sum->support += item->support;
}

static void
divide_by(TclsClassMetrics *sum, double weight)
{
	sum->precision = ratio(sum->precision, weight);
	sum->recall = ratio(sum->recall, weight);
	sum->f1 = ratio(sum->f1, weight);
}

TclsStatus
tcls_confusion_create(TclsConfusion *out, int32_t classes, TclsHost *host)
{
	if (classes < 1)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "a confusion matrix needs at least one class");
	out->classes = classes;
	return tcls_alloc_zero(&out->counts, (size_t) classes * (size_t) classes, sizeof(int64_t), host);
}

void
tcls_confusion_destroy(TclsConfusion *confusion, TclsHost *host)
{
	tcls_free(confusion->counts, host);
	confusion->counts = NULL;
}

void
tcls_confusion_add(TclsConfusion *confusion, int32_t expected, int32_t predicted)
{
	confusion->counts[(int64_t) expected * confusion->classes + predicted]++;
}

static int64_t
confusion_at(const TclsConfusion *confusion, int32_t expected, int32_t predicted)
{
	return confusion->counts[(int64_t) expected * confusion->classes + predicted];
}

/* Rows of which the class is expected, and for which it is predicted. */
static void
class_totals(int64_t *expected, int64_t *predicted, const TclsConfusion *confusion, int32_t class_index)
{
	*expected = 0;
	*predicted = 0;
	for (int32_t other = 0; other < confusion->classes; other++)
	{
		*expected += confusion_at(confusion, class_index, other);
		*predicted += confusion_at(confusion, other, class_index);
	}
}

TclsClassMetrics
tcls_confusion_class(const TclsConfusion *confusion, int32_t class_index)
{
	int64_t		expected;
	int64_t		predicted;
	int64_t		correct = confusion_at(confusion, class_index, class_index);

	class_totals(&expected, &predicted, confusion, class_index);
	return class_metrics(correct, predicted - correct, expected - correct);
}

/* Gorodkin's multi-class form of the Matthews correlation coefficient; the sums are over classes. */
static double
matthews(double rows, double correct, double expected_predicted, double expected_squares, double predicted_squares)
{
	double		covariance = correct * rows - expected_predicted;
	double		variances = (rows * rows - expected_squares) * (rows * rows - predicted_squares);

	return ratio(covariance, sqrt(variances));
}

TclsStatus
tcls_confusion_summary(TclsSummary *out, const TclsConfusion *confusion, TclsHost *host)
{
	int64_t		correct = 0;
	int32_t		occurring = 0;	/* classes expected or predicted somewhere */
	int32_t		supported = 0;	/* classes expected somewhere */
	double		expected_predicted = 0;
	double		expected_squares = 0;
	double		predicted_squares = 0;

	*out = (TclsSummary) {0};
	for (int32_t c = 0; c < confusion->classes; c++)
	{
		TclsClassMetrics metrics = tcls_confusion_class(confusion, c);
		int64_t		expected;
		int64_t		predicted;

		class_totals(&expected, &predicted, confusion, c);
		correct += confusion_at(confusion, c, c);
		out->rows += expected;
		occurring += expected + predicted > 0;
		supported += expected > 0;
		out->balanced_accuracy += metrics.recall;
		add_weighted(&out->macro, &metrics, 1);
		add_weighted(&out->weighted, &metrics, (double) expected);
		expected_predicted += (double) expected * (double) predicted;
		expected_squares += (double) expected * (double) expected;
		predicted_squares += (double) predicted * (double) predicted;
	}
	if (out->rows == 0)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "there are no rows to evaluate");
	divide_by(&out->macro, occurring);
	divide_by(&out->weighted, (double) out->rows);
	out->balanced_accuracy /= supported;
	out->accuracy = (double) correct / (double) out->rows;
	out->micro = class_metrics(correct, out->rows - correct, out->rows - correct);
	out->mcc = matthews((double) out->rows, (double) correct, expected_predicted, expected_squares,
						predicted_squares);
	return TCLS_OK;
}

TclsStatus
tcls_multi_label_create(TclsMultiLabelCounts *out, int32_t labels, TclsHost *host)
{
	if (labels < 1)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "multi-label metrics need at least one label");
	*out = (TclsMultiLabelCounts) {.labels = labels};
	TCLS_TRY(tcls_alloc_zero(&out->true_positive, (size_t) labels, sizeof(int64_t), host));
	TCLS_TRY(tcls_alloc_zero(&out->false_positive, (size_t) labels, sizeof(int64_t), host));
	return tcls_alloc_zero(&out->false_negative, (size_t) labels, sizeof(int64_t), host);
}

void
tcls_multi_label_destroy(TclsMultiLabelCounts *counts, TclsHost *host)
{
	tcls_free(counts->true_positive, host);
	tcls_free(counts->false_positive, host);
	tcls_free(counts->false_negative, host);
	*counts = (TclsMultiLabelCounts) {0};
}

void
tcls_multi_label_add(TclsMultiLabelCounts *counts, const bool *expected, const bool *predicted)
{
	bool		exact = true;

	for (int32_t label = 0; label < counts->labels; label++)
	{
		counts->true_positive[label] += expected[label] && predicted[label];
		counts->false_positive[label] += !expected[label] && predicted[label];
		counts->false_negative[label] += expected[label] && !predicted[label];
		exact = exact && expected[label] == predicted[label];
	}
	counts->rows++;
	counts->exact += exact;
}

TclsClassMetrics
tcls_multi_label_class(const TclsMultiLabelCounts *counts, int32_t label)
{
	return class_metrics(counts->true_positive[label], counts->false_positive[label], counts->false_negative[label]);
}

TclsStatus
tcls_multi_label_summary(TclsSummary *out, const TclsMultiLabelCounts *counts, TclsHost *host)
{
	int64_t		true_positive = 0;
	int64_t		false_positive = 0;
	int64_t		false_negative = 0;

	*out = (TclsSummary) {.rows = counts->rows};
	if (counts->rows == 0)
		return tcls_fail(host, TCLS_BAD_ARGUMENT, "there are no rows to evaluate");
	for (int32_t label = 0; label < counts->labels; label++)
	{
		TclsClassMetrics metrics = tcls_multi_label_class(counts, label);

		true_positive += counts->true_positive[label];
		false_positive += counts->false_positive[label];
		false_negative += counts->false_negative[label];
		add_weighted(&out->macro, &metrics, 1);
		add_weighted(&out->weighted, &metrics, (double) metrics.support);
	}
	divide_by(&out->macro, counts->labels);
	divide_by(&out->weighted, (double) out->weighted.support);
	out->micro = class_metrics(true_positive, false_positive, false_negative);
	out->accuracy = (double) counts->exact / (double) counts->rows;
	return TCLS_OK;
}

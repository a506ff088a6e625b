/*
 * test_metrics.c
 *		Metrics against scikit-learn (test/data/gen_metrics.py).
 */
#include <math.h>
#include <string.h>

#include "evaluate/metrics.h"
#include "unit.h"

#define FIXTURE "../data/metrics.txt"
#define TOLERANCE 1e-9

static double
read_number(FILE *file)
{
	double		value = NAN;

	CHECK(fscanf(file, "%lf", &value) == 1);
	return value;
}

static void
check_averages(FILE *file, const TclsClassMetrics *metrics)
{
	CHECK_CLOSE(metrics->precision, read_number(file), TOLERANCE);
	CHECK_CLOSE(metrics->recall, read_number(file), TOLERANCE);
	CHECK_CLOSE(metrics->f1, read_number(file), TOLERANCE);
}

static void
check_class(FILE *file, const TclsClassMetrics *metrics)
{
	check_averages(file, metrics);
	CHECK_CLOSE((double) metrics->support, read_number(file), 0);
}

static void
check_summary(FILE *file, const TclsSummary *summary, int rows)
{
	CHECK(summary->rows == rows);
	CHECK_CLOSE(summary->accuracy, read_number(file), TOLERANCE);
	CHECK_CLOSE(summary->balanced_accuracy, read_number(file), TOLERANCE);
	CHECK_CLOSE(summary->mcc, read_number(file), TOLERANCE);
	check_averages(file, &summary->macro);
	check_averages(file, &summary->weighted);
	check_averages(file, &summary->micro);
}

static void
check_single(FILE *file, int classes, int rows, TclsHost *host)
{
	TclsConfusion confusion;
	TclsSummary summary;

	CHECK_OK(tcls_confusion_create(&confusion, classes, host), host);
	for (int i = 0; i < rows; i++)
	{
		int			expected = 0;
		int			predicted = 0;

		CHECK(fscanf(file, "%d:%d", &expected, &predicted) == 2);
		tcls_confusion_add(&confusion, expected, predicted);
	}
	for (int c = 0; c < classes; c++)
	{
		TclsClassMetrics metrics = tcls_confusion_class(&confusion, c);

		check_class(file, &metrics);
	}
	CHECK_OK(tcls_confusion_summary(&summary, &confusion, host), host);
	check_summary(file, &summary, rows);
	tcls_confusion_destroy(&confusion, host);
}

static void
read_bits(FILE *file, bool *bits, int labels)
{
	char		word[64] = "";

	CHECK(fscanf(file, "%63s", word) == 1 && strlen(word) == (size_t) labels);
	for (int label = 0; label < labels; label++)
		bits[label] = word[label] == '1';
}

static void
check_multi(FILE *file, int labels, int rows, TclsHost *host)
{
	TclsMultiLabelCounts counts;
	TclsSummary summary;
	bool		expected[64];
	bool		predicted[64];

	CHECK_OK(tcls_multi_label_create(&counts, labels, host), host);
	for (int i = 0; i < rows; i++)
	{
		read_bits(file, expected, labels);
		read_bits(file, predicted, labels);
		tcls_multi_label_add(&counts, expected, predicted);
	}
	for (int label = 0; label < labels; label++)
	{
		TclsClassMetrics metrics = tcls_multi_label_class(&counts, label);

		check_class(file, &metrics);
	}
	CHECK_OK(tcls_multi_label_summary(&summary, &counts, host), host);
	check_summary(file, &summary, rows);
	tcls_multi_label_destroy(&counts, host);
}

static void
metrics_equal_scikit_learn(UnitHost *unit)
{
	FILE	   *file = fopen(FIXTURE, "r");
	char		kind[16];
	int			classes;
	int			rows;
	int			cases = 0;

	CHECK(file != NULL);
	while (file != NULL && fscanf(file, "%15s %d %d", kind, &classes, &rows) == 3)
	{
		if (strcmp(kind, "single") == 0)
			check_single(file, classes, rows, &unit->host);
		else
			check_multi(file, classes, rows, &unit->host);
		cases++;
	}
	CHECK(cases == 10);
	CHECK(unit->live_blocks == 0);
	if (file != NULL)
		fclose(file);
}

static void
no_rows_is_an_error(UnitHost *unit)
{
	TclsConfusion confusion;
	TclsMultiLabelCounts counts;
	TclsSummary summary;

	CHECK_OK(tcls_confusion_create(&confusion, 3, &unit->host), &unit->host);
	CHECK_STATUS(tcls_confusion_summary(&summary, &confusion, &unit->host), TCLS_BAD_ARGUMENT, &unit->host);
	CHECK_OK(tcls_multi_label_create(&counts, 3, &unit->host), &unit->host);
	CHECK_STATUS(tcls_multi_label_summary(&summary, &counts, &unit->host), TCLS_BAD_ARGUMENT, &unit->host);
	CHECK_STATUS(tcls_confusion_create(&confusion, 0, &unit->host), TCLS_BAD_ARGUMENT, &unit->host);
	CHECK_STATUS(tcls_multi_label_create(&counts, 0, &unit->host), TCLS_BAD_ARGUMENT, &unit->host);
}

/* Counts near the square root of the largest integer do not overflow. */
static void
large_counts_keep_their_ratio(UnitHost *unit)
{
	TclsConfusion confusion;
	TclsSummary summary;

	CHECK_OK(tcls_confusion_create(&confusion, 2, &unit->host), &unit->host);
	for (int i = 0; i < 4; i++)
		confusion.counts[i] = (i == 0 || i == 3) ? INT64_C(3000000000) : INT64_C(1000000000);
	CHECK_OK(tcls_confusion_summary(&summary, &confusion, &unit->host), &unit->host);
	CHECK_CLOSE(summary.accuracy, 0.75, TOLERANCE);
	CHECK_CLOSE(summary.mcc, 0.5, TOLERANCE);
}

int
main(void)
{
	RUN(metrics_equal_scikit_learn);
	RUN(no_rows_is_an_error);
	RUN(large_counts_keep_their_ratio);
	return unit_finish();
}

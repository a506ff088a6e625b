/*
 * metrics.h
 *		Classification metrics from counts; knows no model.
 *
 * Definitions and the treatment of zero denominators (0) are scikit-learn's.
 */
#ifndef TEXTCLS_METRICS_H
#define TEXTCLS_METRICS_H

#include <stdbool.h>

#include "base/host.h"

/* counts[expected * classes + predicted] */
typedef struct TclsConfusion
{
	int64_t    *counts;			/* (classes, classes) */
	int32_t		classes;
} TclsConfusion;

typedef struct TclsClassMetrics
{
	double		precision;
	double		recall;
	double		f1;
	int64_t		support;		/* rows whose expected class it is */
} TclsClassMetrics;

typedef struct TclsSummary
{
	int64_t		rows;
	double		accuracy;
	double		balanced_accuracy;	/* mean recall of the classes that occur */
	TclsClassMetrics macro;		/* means over the classes that occur as expected or predicted */
	TclsClassMetrics weighted;	/* means weighted by support */
	TclsClassMetrics micro;
	double		mcc;			/* Matthews correlation coefficient */
} TclsSummary;

extern TclsStatus tcls_confusion_create(TclsConfusion *out, int32_t classes, TclsHost *host);
extern void tcls_confusion_destroy(TclsConfusion *confusion, TclsHost *host);
extern void tcls_confusion_add(TclsConfusion *confusion, int32_t expected, int32_t predicted);
extern TclsClassMetrics tcls_confusion_class(const TclsConfusion *confusion, int32_t class_index);

/* TCLS_BAD_ARGUMENT when there are no rows. */
extern TclsStatus tcls_confusion_summary(TclsSummary *out, const TclsConfusion *confusion, TclsHost *host);

/* Multi-label: one 2x2 table a label. */
typedef struct TclsMultiLabelCounts
{
	int64_t    *true_positive;	/* (labels) */
	int64_t    *false_positive; /* (labels) */
	int64_t    *false_negative; /* (labels) */
	int32_t		labels;
	int64_t		rows;
	int64_t		exact;			/* rows with all labels right: subset accuracy */
} TclsMultiLabelCounts;

extern TclsStatus tcls_multi_label_create(TclsMultiLabelCounts *out, int32_t labels, TclsHost *host);
extern void tcls_multi_label_destroy(TclsMultiLabelCounts *counts, TclsHost *host);
extern void tcls_multi_label_add(TclsMultiLabelCounts *counts, const bool *expected, const bool *predicted);
extern TclsClassMetrics tcls_multi_label_class(const TclsMultiLabelCounts *counts, int32_t label);

/*
 * accuracy is the subset accuracy, macro the mean over all labels; balanced
 * accuracy and MCC have no meaning here and are 0.
 */
extern TclsStatus tcls_multi_label_summary(TclsSummary *out, const TclsMultiLabelCounts *counts, TclsHost *host);

#endif							/* TEXTCLS_METRICS_H */

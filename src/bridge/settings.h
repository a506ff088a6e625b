/*
 * settings.h
 *		All settings of the extension; defined from one table in settings.c.
 */
#ifndef TEXTCLS_SETTINGS_H
#define TEXTCLS_SETTINGS_H

#include "kernels/packed.h"

/* A precision that is asked for: this, or a TclsPrecision. */
#define TCLS_PRECISION_AUTO (-1)

typedef enum TclsTagOnError
{
	TCLS_TAG_ERROR,
	TCLS_TAG_WARN
} TclsTagOnError;

extern char *tcls_setting_default_model;	/* USERSET, '' */
extern int	tcls_setting_max_text_kb;	/* USERSET, 1 MB: bytes of a text that are looked at */
extern int	tcls_setting_tag_on_error;	/* USERSET, enum error|warn */
extern int	tcls_setting_max_job_memory_mb;	/* SUSET, 4 GB */
extern int	tcls_setting_max_training_workers;	/* SUSET, 1 */
extern int	tcls_setting_max_workers_per_training;	/* SUSET, 4 */
extern int	tcls_setting_checkpoint_interval_s;	/* SUSET, 300 */
extern bool tcls_setting_share_weights; /* SUSET, on: map the prepared file; off: private memory */
extern int	tcls_setting_prepared_size_limit_kb;	/* SUSET, 4 GB: of all prepared files; 0: none */
extern char *tcls_setting_gemm_path;	/* SUSET, 'auto' or the name of a path; read when the engine starts */
extern int	tcls_setting_precision;	/* USERSET, auto */
extern int	tcls_setting_max_isa;	/* SUSET, auto: a TclsIsa; in force for this process as soon as it is set */
extern bool tcls_setting_batch;	/* USERSET, on: compute the texts of several rows together */
extern int	tcls_setting_batch_rows;	/* USERSET, 64 */

/* Names of the settings that a process that computes for another takes over from it; ends with NULL. */
extern const char *const tcls_settings_of_computing[];

/* What a word says, "auto" among them; false: no precision. */
extern bool tcls_settings_read_precision(int *precision, const char *word);
extern const char *tcls_settings_precision_word(int precision);

extern void tcls_settings_define(void);

#endif							/* TEXTCLS_SETTINGS_H */

/*
 * settings.h
 *		All settings of the extension; defined from one table in settings.c.
 */
#ifndef TEXTCLS_SETTINGS_H
#define TEXTCLS_SETTINGS_H

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
extern bool tcls_setting_batch;	/* USERSET, on: compute the texts of several rows together */
extern int	tcls_setting_batch_rows;	/* USERSET, 64 */

/* Names of the settings that a process that computes for another takes over from it; ends with NULL. */
extern const char *const tcls_settings_of_computing[];

extern void tcls_settings_define(void);

#endif							/* TEXTCLS_SETTINGS_H */

/*
 * engine.h
 *		Starts the numeric engine once a process, on a path that was tested.
 */
#ifndef TEXTCLS_ENGINE_H
#define TEXTCLS_ENGINE_H

/*
 * Choose the first gemm path that passes its self-test, and reject the packed kernels that would be
 * used within tcls_isa() but fail theirs.  The tests run in child processes, so that a crash in a
 * library harms nobody; their outcome is kept for the server's life time in marker files, so that
 * later sessions do not repeat them.  Called before any computation; cheap after the first time.
 */
extern void tcls_engine_start(void);

/*
 * Switch training's products of bfloat16 on, if this machine has them and they pass their self-test,
 * or off.  NULL, or why they stay off; tested once a process.  After tcls_engine_start().
 */
extern const char *tcls_engine_mix_precision(bool on);

/* Rows for textcls.engine(): name/value pairs. */
typedef struct TclsEngineFact
{
	const char *name;
	char	   *value;
} TclsEngineFact;

extern TclsEngineFact *tcls_engine_facts(int *count);

#define TCLS_ENGINE_DIRECTORY "pgsql_tmp_textcls"	/* in $PGDATA; the prefix makes base backups skip it */

/* That directory, created with mode 0700 when absent; NULL, and errno says why, when it cannot be used. */
extern const char *tcls_engine_directory(void);

#endif							/* TEXTCLS_ENGINE_H */

/*
 * model_check.h
 *		What DROP EXTENSION, a partial restore or a foreign hand left behind.
 */
#ifndef TEXTCLS_MODEL_CHECK_H
#define TEXTCLS_MODEL_CHECK_H

#include "store/model_catalog.h"

typedef struct TclsFinding
{
	const char *model;			/* NULL for an object that belongs to none */
	int32		number;			/* of the version; 0: the model as a whole */
	Oid			object;			/* InvalidOid when it is not about an object */
	char	   *text;			/* the problem, or what was done about it */
} TclsFinding;

/*
 * Everything that is wrong (TclsFinding *): weights missing or changed, models without their deployed
 * version, objects of ours without a version or job.  All weights are read and hashed.
 */
extern List *tcls_check_verify(void);

/*
 * Remove versions without sound weights, deploy the newest sound version instead, drop models
 * without any, unlink objects that belong to nothing.  What was done (TclsFinding *).
 */
extern List *tcls_check_repair(void);

/* Drop all models and checkpoints with their objects, for DROP EXTENSION.  Models dropped. */
extern int32 tcls_check_drop_all(void);

#endif							/* TEXTCLS_MODEL_CHECK_H */

/*
 * textcls.c
 *		What the server sees when it loads the library.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "bridge/settings.h"
#include "jobs/job_launcher.h"
#include "query/batch_plan.h"
#include "query/parallel_hook.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

void
_PG_init(void)
{
	if (IsBinaryUpgrade)
		return;
	tcls_settings_define();
	tcls_parallel_hook_install();
	tcls_batch_plan_install();
	tcls_launcher_define();
}

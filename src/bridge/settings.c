/*
 * settings.c
 *		The settings, one row each.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"
#include "utils/memutils.h"

#include "bridge/settings.h"

char	   *tcls_setting_default_model;
int			tcls_setting_max_text_kb;
int			tcls_setting_tag_on_error;
int			tcls_setting_max_job_memory_mb;
int			tcls_setting_max_training_workers;
int			tcls_setting_max_workers_per_training;
int			tcls_setting_checkpoint_interval_s;
bool		tcls_setting_share_weights;
int			tcls_setting_prepared_size_limit_kb;
char	   *tcls_setting_gemm_path;
int			tcls_setting_precision;
int			tcls_setting_max_isa;
bool		tcls_setting_batch;
int			tcls_setting_batch_rows;

const char *const tcls_settings_of_computing[] = {"textcls.gemm_path", "textcls.max_isa", NULL};

static const struct config_enum_entry tag_on_error_options[] = {
	{"error", TCLS_TAG_ERROR, false},
	{"warn", TCLS_TAG_WARN, false},
	{NULL, 0, false}
};

static const struct config_enum_entry precision_options[] = {
	{"auto", TCLS_PRECISION_AUTO, false},
	{"fp32", TCLS_FP32, false},
	{"bf16", TCLS_BF16, false},
	{"int8", TCLS_INT8, false},
	{NULL, 0, false}
};

static const struct config_enum_entry max_isa_options[] = {
	{"auto", TCLS_ISA_COUNT, false},
	{"plain", TCLS_ISA_PLAIN, false},
	{"avx2", TCLS_ISA_AVX2, false},
	{"avx512", TCLS_ISA_AVX512, false},
	{"avx512_vnni", TCLS_ISA_AVX512_VNNI, false},
	{"amx", TCLS_ISA_AMX, false},
	{NULL, 0, false}
};

typedef struct IntegerSetting
{
	const char *name;
	const char *description;
	int		   *variable;
	int			boot;
	int			min;
	int			max;
	GucContext	context;
	int			unit;
} IntegerSetting;

static const IntegerSetting integer_settings[] = {
	{"textcls.max_text", "Longest part of a text that is looked at.",
	&tcls_setting_max_text_kb, 1024, 1, MaxAllocSize / 1024, PGC_USERSET, GUC_UNIT_KB},
	{"textcls.max_job_memory", "Most memory a training may need to be started.",
	&tcls_setting_max_job_memory_mb, 4096, 16, INT_MAX, PGC_SUSET, GUC_UNIT_MB},
	{"textcls.batch_rows", "Most rows that a query reads ahead to compute their texts together.",
	&tcls_setting_batch_rows, 64, 1, 4096, PGC_USERSET, 0},
	{"textcls.max_training_workers", "Most trainings that run at a time.",
	&tcls_setting_max_training_workers, 1, 0, 1024, PGC_SUSET, 0},
	{"textcls.max_workers_per_training", "Most processes that compute for one training.",
	&tcls_setting_max_workers_per_training, 4, 1, 64, PGC_SUSET, 0},
	{"textcls.checkpoint_interval", "Time between two checkpoints of a training.",
	&tcls_setting_checkpoint_interval_s, 300, 1, 86400, PGC_SUSET, GUC_UNIT_S},
	{"textcls.prepared_size_limit", "Most disk space of all files of prepared weights; 0: no limit.",
	&tcls_setting_prepared_size_limit_kb, 4 * 1024 * 1024, 0, INT_MAX, PGC_SUSET, GUC_UNIT_KB},
};

typedef struct StringSetting
{
	const char *name;
	const char *description;
	char	  **variable;
	const char *boot;
	GucContext	context;
} StringSetting;

static const StringSetting string_settings[] = {
	{"textcls.default_model", "Model of the calls that name none.",
	&tcls_setting_default_model, "", PGC_USERSET},
	{"textcls.gemm_path", "Matrix product to use: auto, or a path's name; read when a session first computes.",
	&tcls_setting_gemm_path, "auto", PGC_SUSET},
};

bool
tcls_settings_read_precision(int *precision, const char *word)
{
	for (const struct config_enum_entry *option = precision_options; option->name != NULL; option++)
		if (strcmp(word, option->name) == 0)
		{
			*precision = option->val;
			return true;
		}
	return false;
}

const char *
tcls_settings_precision_word(int precision)
{
	return precision == TCLS_PRECISION_AUTO ? "auto" : tcls_precision_name((TclsPrecision) precision);
}

static void
assign_max_isa(int value, void *extra)
{
	tcls_isa_select(value == TCLS_ISA_COUNT ? TCLS_ISA_BEST : (TclsIsa) value);
}

static void
define_enums(void)
{
	DefineCustomEnumVariable("textcls.tag_on_error",
							 "What tag() does with a row it cannot label: raise, or warn and keep it with NULL.",
							 NULL, &tcls_setting_tag_on_error, TCLS_TAG_ERROR, tag_on_error_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("textcls.precision",
							 "Numbers that models compute with; anything but auto goes before the model's own.",
							 NULL, &tcls_setting_precision, TCLS_PRECISION_AUTO, precision_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("textcls.max_isa", "Instructions of the CPU that are used at most.",
							 NULL, &tcls_setting_max_isa, TCLS_ISA_COUNT, max_isa_options,
							 PGC_SUSET, 0, NULL, assign_max_isa, NULL);
}

void
tcls_settings_define(void)
{
	for (int i = 0; i < lengthof(integer_settings); i++)
	{
		const IntegerSetting *s = &integer_settings[i];

		DefineCustomIntVariable(s->name, s->description, NULL, s->variable, s->boot, s->min, s->max,
								s->context, s->unit, NULL, NULL, NULL);
	}
	for (int i = 0; i < lengthof(string_settings); i++)
	{
		const StringSetting *s = &string_settings[i];

		DefineCustomStringVariable(s->name, s->description, NULL, s->variable, s->boot,
								   s->context, 0, NULL, NULL, NULL);
	}
	DefineCustomBoolVariable("textcls.share_weights",
							 "Maps one copy of the weights into all sessions instead of reading a private one.",
							 NULL, &tcls_setting_share_weights, true, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("textcls.batch", "Computes the texts of several rows of a query together.",
							 NULL, &tcls_setting_batch, true, PGC_USERSET, 0, NULL, NULL, NULL);
	define_enums();
	MarkGUCPrefixReserved("textcls");
}

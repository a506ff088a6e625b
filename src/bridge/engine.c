/*
 * engine.c
 *		Finds matrix products that compute right on this machine.
 *
 * OpenBLAS 0.3.21 computes wrong results, or crashes, with the cores it chooses on some
 * newer CPUs.  Each path, and each packed kernel that would be used, is tried in a child
 * process against plain C:
 *
 *		backend: fork -> wait for one byte, at most SELF_TEST_TIMEOUT_MS -> reap
 *		child:   self-test -> 'y' or 'n' -> _exit
 *
 * No byte, because the child crashed or hangs, counts as 'n'.
 */
#include "postgres.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "bridge/engine.h"
#include "bridge/marker.h"
#include "bridge/settings.h"
#include "kernels/gemm.h"
#include "kernels/onednn.h"
#include "kernels/packed.h"

#define SELF_TEST_TIMEOUT_MS 5000

static bool engine_started = false;
static char *gemm_outcome;		/* one line about the self-tests of the paths, and of the packed kernels */
static char *packed_outcome;
static int	packed_isa = -1;	/* the instruction set that the latter is about */

/* What runs in a child. */
typedef bool (*SelfTest) (const void *what);

const char *
tcls_engine_directory(void)
{
	struct stat status;

	if (mkdir(TCLS_ENGINE_DIRECTORY, S_IRWXU) != 0 && errno != EEXIST)
		return NULL;
	if (lstat(TCLS_ENGINE_DIRECTORY, &status) != 0)
		return NULL;
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
	{
		errno = EACCES;
		return NULL;
	}
	return TCLS_ENGINE_DIRECTORY;
}

/* The child: all of it, never returns. */
static void
self_test_child(SelfTest test, const void *what, int output)
{
	static const int fatal[] = {SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
	struct rlimit no_core = {0, 0};
	sigset_t	all;
	char		answer;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < lengthof(fatal); i++)
		signal(fatal[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	answer = test(what) ? 'y' : 'n';
	_exit(write(output, &answer, 1) == 1 ? 0 : 1);
}

/* The child's byte, 0 when it ended without one, -1 when it did not end in time. */
static int
wait_for_answer(int input)
{
	instr_time	start;
	instr_time	now;
	struct pollfd event = {input, POLLIN, 0};
	char		answer;
	int			left = SELF_TEST_TIMEOUT_MS;

	INSTR_TIME_SET_CURRENT(start);
	while (left > 0)
	{
		int			ready = poll(&event, 1, left);

		if (ready > 0)
			return read(input, &answer, 1) == 1 ? answer : 0;
		if (ready < 0 && errno != EINTR)
			return 0;
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		left = SELF_TEST_TIMEOUT_MS - (int) INSTR_TIME_GET_MILLISEC(now);
	}
	return -1;
}

/* "passed", or what went wrong. */
static const char *
test_in_child(SelfTest test, const void *what)
{
	int			ends[2];
	pid_t		child;
	int			answer;
	int			status = 0;

	if (pipe(ends) != 0 || (child = fork()) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start the self-test of the matrix product: %m")));
	if (child == 0)
		self_test_child(test, what, ends[1]);
	close(ends[1]);
	answer = wait_for_answer(ends[0]);
	close(ends[0]);
	if (answer < 0)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (answer == 'y')
		return "passed";
	if (answer == 'n')
		return "computes wrong results";
	if (answer < 0)
		return "does not end";
	return WIFSIGNALED(status) ? psprintf("crashes (signal %d)", WTERMSIG(status)) : "ends early";
}

/* Whether it passes; *outcome says how it fared. */
static bool
note_test(StringInfo outcome, const char *name, SelfTest test, const void *what)
{
	instr_time	start;
	instr_time	end;
	const char *result;

	INSTR_TIME_SET_CURRENT(start);
	result = test_in_child(test, what);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	appendStringInfo(outcome, "%s%s %s in %.1f ms", outcome->len > 0 ? "; " : "", name, result,
					 INSTR_TIME_GET_MILLISEC(end));
	return strcmp(result, "passed") == 0;
}

static bool
test_path(const void *path)
{
	tcls_gemm_select_path(*(const int *) path);
	return tcls_gemm_self_test();
}

/*
 * The first path of from..to that passes, or -1; *outcome says how each one fared.
 */
static int
find_sound_path(StringInfo outcome, int from, int to)
{
	for (int path = from; path <= to; path++)
		if (note_test(outcome, tcls_gemm_path_name(path), test_path, &path))
			return path;
	return -1;
}

/* The path that the setting names, or -1 for "auto". */
static int
forced_path(void)
{
	StringInfoData names;

	if (strcmp(tcls_setting_gemm_path, "auto") == 0)
		return -1;
	initStringInfo(&names);
	for (int path = 0; path < tcls_gemm_path_count(); path++)
	{
		if (pg_strcasecmp(tcls_setting_gemm_path, tcls_gemm_path_name(path)) == 0)
			return path;
		appendStringInfo(&names, ", \"%s\"", tcls_gemm_path_name(path));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("textcls.gemm_path names no matrix product: \"%s\"", tcls_setting_gemm_path),
			 errhint("Use \"auto\"%s.", names.data)));
}

/* The name of the marker of a test of something on this CPU. */
static char *
self_test_marker(const char *what)
{
	StringInfoData key;

	initStringInfo(&key);
	appendStringInfoString(&key, what);
#ifdef __x86_64__
	{
		unsigned int leaf[8] = {0};

		__get_cpuid(1, &leaf[0], &leaf[1], &leaf[2], &leaf[3]);
		__get_cpuid_count(7, 0, &leaf[4], &leaf[5], &leaf[6], &leaf[7]);
		leaf[1] &= 0xFFFF;		/* the rest is the number of the core this runs on */
		for (int i = 0; i < lengthof(leaf); i++)
			appendStringInfo(&key, "|%x", leaf[i]);
	}
#endif
	return psprintf("self-test-%016" INT64_MODIFIER "x",
					hash_bytes_extended((unsigned char *) key.data, key.len, 0));
}

static char *
gemm_marker(void)
{
	const char *core_type = getenv("OPENBLAS_CORETYPE");

	return self_test_marker(psprintf("%s|%s|%s", tcls_gemm_library(), core_type != NULL ? core_type : "",
									 tcls_setting_gemm_path));
}

/* Test what is to be tested and say so if the result is poor; the path to use. */
static int
run_self_test(StringInfo outcome)
{
	int			forced = forced_path();
	int			last = tcls_gemm_path_count() - 1;
	int			path = find_sound_path(outcome, Max(forced, 0), forced < 0 ? last : forced);

	if (path < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("the matrix product fails its self-test"),
				 errdetail_internal("%s.", outcome->data),
				 errhint("Set textcls.gemm_path to \"auto\".")));
	if (path == last && forced < 0 && last > 0)
		ereport(WARNING,
				(errmsg("no path of OpenBLAS computes right on this machine, plain C is used instead"),
				 errdetail_internal("%s.", outcome->data),
				 errhint("Results are right, but computing is many times slower. "
						 "Install another version of OpenBLAS.")));
	return path;
}

static void
start_gemm(void)
{
	char	   *marker = gemm_marker();
	char	   *noted = tcls_marker_read(marker);
	int			path;
	int			length;

	if (noted == NULL || sscanf(noted, "%d %n", &path, &length) != 1 || path < 0 || path >= tcls_gemm_path_count())
	{
		StringInfoData outcome;

		initStringInfo(&outcome);
		path = run_self_test(&outcome);
		tcls_marker_write(marker, psprintf("%d %s", path, outcome.data));
		gemm_outcome = MemoryContextStrdup(TopMemoryContext, outcome.data);
	}
	else
		gemm_outcome = MemoryContextStrdup(TopMemoryContext, noted + length);
	tcls_gemm_select_path(path);
	engine_started = true;
}

static bool
test_mixed_precision(const void *nothing)
{
	return tcls_gemm_bf16_self_test();
}

const char *
tcls_engine_mix_precision(bool on)
{
	static bool tested;
	static const char *why_not;

	if (on && !tested)
	{
		const char *result = tcls_gemm_bf16_available() ? test_in_child(test_mixed_precision, NULL) : NULL;

		if (result == NULL)
			why_not = MemoryContextStrdup(TopMemoryContext, psprintf("oneDNN is %s", tcls_onednn_status()));
		else if (strcmp(result, "passed") != 0)
			why_not = MemoryContextStrdup(TopMemoryContext, psprintf("the bf16 product of oneDNN %s", result));
		tested = true;
	}
	tcls_gemm_select_bf16(on && why_not == NULL);
	return on ? why_not : NULL;
}

static bool
test_kernel(const void *kernel)
{
	return tcls_packed_self_test(kernel);
}

/* Whether the kernel passes, or passed since the server started. */
static bool
kernel_is_sound(StringInfo outcome, const TclsPackedKernel *kernel)
{
	char	   *marker = self_test_marker(psprintf("%s|%s", TEXTCLS_VERSION, kernel->layout));
	char	   *noted = tcls_marker_read(marker);
	StringInfoData own;
	bool		sound;

	if (noted != NULL && (noted[0] == 'y' || noted[0] == 'n') && noted[1] == ' ')
	{
		appendStringInfo(outcome, "%s%s", outcome->len > 0 ? "; " : "", noted + 2);
		return noted[0] == 'y';
	}
	initStringInfo(&own);
	sound = note_test(&own, kernel->name, test_kernel, kernel);
	tcls_marker_write(marker, psprintf("%c %s", sound ? 'y' : 'n', own.data));
	appendStringInfo(outcome, "%s%s", outcome->len > 0 ? "; " : "", own.data);
	if (!sound)
		ereport(WARNING,
				(errmsg("the kernel \"%s\" fails its self-test and is not used", kernel->name),
				 errdetail_internal("%s.", own.data),
				 errhint("Results are right, but computing is slower.")));
	return sound;
}

/* Reject what is wrong among the kernels that are best within the instruction set in use. */
static void
start_packed(void)
{
	StringInfoData outcome;

	initStringInfo(&outcome);
	for (int precision = 0; precision < TCLS_PRECISION_COUNT; precision++)
	{
		const TclsPackedKernel *kernel = tcls_packed_best((TclsPrecision) precision);

		while (!kernel->is_plain && !kernel_is_sound(&outcome, kernel))
		{
			tcls_packed_reject(kernel);
			kernel = tcls_packed_best((TclsPrecision) precision);
		}
	}
	if (packed_outcome != NULL)
		pfree(packed_outcome);
	packed_outcome = MemoryContextStrdup(TopMemoryContext, outcome.data);
	packed_isa = (int) tcls_isa();
}

void
tcls_engine_start(void)
{
	if (!engine_started)
		start_gemm();
	if (packed_isa != (int) tcls_isa())
		start_packed();
}

/* What this CPU has of the things that decide the speed. */
static char *
cpu_features(void)
{
	StringInfoData features;

	initStringInfo(&features);
#ifdef __x86_64__
#define APPEND_FEATURE(feature) \
	if (__builtin_cpu_supports(feature)) \
		appendStringInfo(&features, "%s" feature, features.len > 0 ? " " : "")
	APPEND_FEATURE("sse4.2");
	APPEND_FEATURE("avx");
	APPEND_FEATURE("avx2");
	APPEND_FEATURE("fma");
	APPEND_FEATURE("avx512f");
	APPEND_FEATURE("avx512bw");
	APPEND_FEATURE("avx512vnni");
	APPEND_FEATURE("avx512bf16");
#undef APPEND_FEATURE
#endif
	return features.data;
}

/* The kernel of a precision; bf16 is never emulated. */
static char *
kernel_fact(TclsPrecision precision)
{
	const TclsPackedKernel *kernel = tcls_packed_best(precision);

	if (kernel->is_plain && precision == TCLS_BF16)
		return psprintf("none: it takes AVX-512 BF16 or AMX and oneDNN (%s); fp32 answers for it",
						tcls_onednn_status());
	return pstrdup(kernel->name);
}

/* Those of this library that the CPU, textcls.max_isa or the self-test rules out. */
static char *
kernels_not_used(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < tcls_packed_kernel_count(); i++)
	{
		const TclsPackedKernel *kernel = tcls_packed_kernel(i);

		if (tcls_packed_available(kernel))
			continue;
		appendStringInfo(&names, "%s%s (%s)", names.len > 0 ? "; " : "", kernel->name,
						 kernel->available() ? "fails its self-test" : "not with this CPU and its libraries");
	}
	return names.len > 0 ? names.data : pstrdup("none");
}

TclsEngineFact *
tcls_engine_facts(int *count)
{
	const char *directory = tcls_engine_directory();
	TclsEngineFact facts[] = {
		{"version", TEXTCLS_VERSION},
		{"matrix product", (char *) tcls_gemm_path_name(tcls_gemm_path())},
		{"library", (char *) tcls_gemm_library()},
		{"self-test", psprintf("%s%s%s", gemm_outcome, packed_outcome[0] != '\0' ? "; " : "", packed_outcome)},
		{"cpu features", cpu_features()},
		{"precision", (char *) tcls_settings_precision_word(tcls_setting_precision)},
		{"instruction set", (char *) tcls_isa_name(tcls_isa())},
		{"fp32 kernel", kernel_fact(TCLS_FP32)},
		{"bf16 kernel", kernel_fact(TCLS_BF16)},
		{"int8 kernel", kernel_fact(TCLS_INT8)},
		{"kernels not used", kernels_not_used()},
		{"directory", directory != NULL ? (char *) directory : "none"},
		{"shared weights", tcls_setting_share_weights && directory != NULL ? "on" : "off"},
	};
	TclsEngineFact *result = palloc(sizeof(facts));

	memcpy(result, facts, sizeof(facts));
	*count = lengthof(facts);
	return result;
}

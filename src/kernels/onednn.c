/*
 * onednn.c
 *		Finds oneDNN at run time and wraps the few functions that are used of it.
 *
 * The C interfaces of versions 2 and 3 differ in how a matrix is described (a struct, a handle) and
 * in how a matmul is asked for (in two steps, in one); all other functions here have the same
 * arguments, and the constants the same values.  So this file declares them and needs no header.
 * References: oneapi/dnnl/dnnl.h and dnnl_types.h of 2.6.3 and 3.2.
 *
 * No thread is ever started: the library's loops ask omp_get_max_threads(), which is set to one
 * before its first call.  Builds for other runtimes (TBB, SYCL) are not used.
 *
 * Products are asked for only in sizes without padding, since the library may write to the padding
 * of weights, and ours are mapped read-only.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/onednn.h"
#include "base/pure_c.h"

typedef void *Object;			/* any handle of the library */
typedef const void *Description;	/* of a matrix: in version 2 a struct, in 3 a handle */

typedef struct Version
{
	int			major;
	int			minor;
	int			patch;
	const char *hash;
	unsigned int cpu_runtime;
	unsigned int gpu_runtime;
} Version;

typedef struct Argument
{
	int			place;
	Object		memory;
} Argument;

/* Constants of dnnl_types.h. */
enum
{
	RUNTIME_SEQUENTIAL = 1,
	RUNTIME_OPENMP = 2,
	ENGINE_CPU = 1,
	STREAM_IN_ORDER = 1,
	FORMAT_ANY = 1,
	TYPE_INT32 = 4,
	QUERY_STRIDES = 14,
	QUERY_WEIGHTS = 131,
	QUERY_INNER_BLOCK_COUNT = 263,
	QUERY_INNER_BLOCKS = 264,
	QUERY_INNER_BLOCK_DIMENSIONS = 265,
	PLACE_SOURCE = 1,
	PLACE_RESULT = 17,
	PLACE_WEIGHTS = 33,
	ISA_SSE41 = 0x1,
	ISA_AVX2 = 0x7,
	ISA_AVX512 = 0x27,
	ISA_BF16 = 0xe7,
	ISA_AMX_BIT = 0x200
};

/* In place of an address: the library allocates the memory. */
#define MEMORY_OF_LIBRARY ((void *) -1)

/* Bytes of dnnl_memory_desc_t and, at least, of dnnl_matmul_desc_t of version 2. */
#define DESCRIPTION_SIZE 696
#define MATMUL_SIZE 4096

static struct
{
	const Version *(*version) (void);
	int			(*set_max_cpu_isa) (int isa);
	int			(*get_effective_cpu_isa) (void);
	int			(*set_primitive_cache_capacity) (int capacity);
	int			(*engine_create) (Object *engine, int kind, size_t index);
	int			(*stream_create) (Object *stream, Object engine, unsigned int flags);
	int			(*stream_wait) (Object stream);
	int			(*memory_create) (Object *memory, Description description, Object engine, void *data);
	int			(*memory_get_data_handle) (Object memory, void **data);
	int			(*memory_set_data_handle) (Object memory, void *data);
	size_t		(*memory_desc_get_size) (Description description);
	Description (*primitive_desc_query_md) (Object plan, int what, int index);
	int			(*primitive_desc_destroy) (Object plan);
	int			(*primitive_destroy) (Object primitive);
	int			(*memory_destroy) (Object memory);
	int			(*reorder_primitive_desc_create) (Object *plan, Description from, Object from_engine, Description to,
												  Object to_engine, Object attributes);
	int			(*primitive_create) (Object *primitive, Object plan);
	int			(*primitive_execute) (Object primitive, Object stream, int count, const Argument *arguments);

	/* Version 2. */
	int			(*memory_desc_init_by_tag) (void *description, int rank, const int64_t *sizes, int type, int tag);
	int			(*memory_desc_init_by_strides) (void *description, int rank, const int64_t *sizes, int type,
												const int64_t *strides);
	int			(*matmul_desc_init) (void *matmul, Description source, Description weights, Description bias,
									 Description result);
	int			(*primitive_desc_create) (Object *plan, const void *matmul, Object attributes, Object engine,
										  Object hint);

	/* Version 3. */
	int			(*memory_desc_create_with_tag) (Object *description, int rank, const int64_t *sizes, int type,
												int tag);
	int			(*memory_desc_create_with_strides) (Object *description, int rank, const int64_t *sizes, int type,
													const int64_t *strides);
	int			(*memory_desc_destroy) (Object description);
	int			(*memory_desc_query) (Description description, int what, void *answer);
	int			(*matmul_primitive_desc_create) (Object *plan, Object engine, Description source,
												 Description weights, Description bias, Description result,
												 Object attributes);

	/* Not in the headers, but in every library from 1.0 on; may be absent. */
	int			(*gemm_bf16bf16f32) (char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k,
									 float alpha, const uint16_t *a, int64_t lda, const uint16_t *b, int64_t ldb,
									 float beta, float *c, int64_t ldc);
}			dnnl;

typedef struct Symbol
{
	const char *name;
	void	   *function;		/* a member of dnnl */
	int			version;		/* the one that has it, 0: both */
} Symbol;

#define SYMBOL(name, version) {"dnnl_" #name, &dnnl.name, version}

static const Symbol symbols[] = {
	SYMBOL(set_max_cpu_isa, 0),
	SYMBOL(get_effective_cpu_isa, 0),
	SYMBOL(set_primitive_cache_capacity, 0),
	SYMBOL(engine_create, 0),
	SYMBOL(stream_create, 0),
	SYMBOL(stream_wait, 0),
	SYMBOL(memory_create, 0),
	SYMBOL(memory_get_data_handle, 0),
	SYMBOL(memory_set_data_handle, 0),
	SYMBOL(memory_desc_get_size, 0),
	SYMBOL(primitive_desc_query_md, 0),
	SYMBOL(primitive_desc_destroy, 0),
	SYMBOL(primitive_destroy, 0),
	SYMBOL(memory_destroy, 0),
	SYMBOL(reorder_primitive_desc_create, 0),
	SYMBOL(primitive_create, 0),
	SYMBOL(primitive_execute, 0),
	SYMBOL(memory_desc_init_by_tag, 2),
	SYMBOL(memory_desc_init_by_strides, 2),
	SYMBOL(matmul_desc_init, 2),
	SYMBOL(primitive_desc_create, 2),
	SYMBOL(memory_desc_create_with_tag, 3),
	SYMBOL(memory_desc_create_with_strides, 3),
	SYMBOL(memory_desc_destroy, 3),
	SYMBOL(memory_desc_query, 3),
	SYMBOL(matmul_primitive_desc_create, 3),
};

static enum
{
	NOT_TRIED,
	ABSENT,
	OPEN
}			state;

static char why_absent[256];
static char build[64];
static TclsIsa opened_for;
static Object engine;
static Object stream;

/* ---- the library ---- */

static bool
load_symbol(void *library, const char *name, void *function)
{
	void	   *address = dlsym(library, name);

	memcpy(function, &address, sizeof(address));
	return address != NULL;
}

/* Look the functions up; says in why_absent what is missing. */
static bool
load_symbols(void *library)
{
	const Version *version;

	if (!load_symbol(library, "dnnl_version", &dnnl.version))
	{
		snprintf(why_absent, sizeof(why_absent), "dnnl_version is not in the library");
		return false;
	}
	version = dnnl.version();
	if (version->major != 2 && version->major != 3)
	{
		snprintf(why_absent, sizeof(why_absent), "version %d.%d is not known", version->major, version->minor);
		return false;
	}
	if (version->cpu_runtime != RUNTIME_SEQUENTIAL && version->cpu_runtime != RUNTIME_OPENMP)
	{
		snprintf(why_absent, sizeof(why_absent), "version %d.%d was built for threads other than those of OpenMP",
				 version->major, version->minor);
		return false;
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if ((symbols[i].version == 0 || symbols[i].version == version->major) &&
			!load_symbol(library, symbols[i].name, symbols[i].function))
		{
			snprintf(why_absent, sizeof(why_absent), "%s is not in version %d.%d", symbols[i].name, version->major,
					 version->minor);
			return false;
		}
	load_symbol(library, "dnnl_gemm_bf16bf16f32", &dnnl.gemm_bf16bf16f32);
	return true;
}

/* No loop of OpenMP in this process gets a second thread. */
static bool
forbid_threads(void *library)
{
	void		(*set_num_threads) (int);

	if (dnnl.version()->cpu_runtime == RUNTIME_SEQUENTIAL)
		return true;
	if (!load_symbol(library, "omp_set_num_threads", &set_num_threads))
	{
		snprintf(why_absent, sizeof(why_absent), "omp_set_num_threads is not found");
		return false;
	}
	set_num_threads(1);
	return true;
}

/* Where tcls_isa() was lowered, the library gets no more; else it looks at the CPU and at ONEDNN_MAX_CPU_ISA itself. */
static void
limit_isa(void)
{
	static const int limits[TCLS_ISA_COUNT] = {
		[TCLS_ISA_PLAIN] = ISA_SSE41,
		[TCLS_ISA_AVX2] = ISA_AVX2,
		[TCLS_ISA_AVX512] = ISA_AVX512,
		[TCLS_ISA_AVX512_VNNI] = ISA_BF16
	};

	opened_for = tcls_isa();
	if (opened_for < TCLS_ISA_BEST && tcls_isa_supported(opened_for + 1))
		dnnl.set_max_cpu_isa(limits[opened_for]);
}

static bool
start(void)
{
	const Version *version = dnnl.version();

	limit_isa();
	if (dnnl.set_primitive_cache_capacity(0) != 0 || dnnl.engine_create(&engine, ENGINE_CPU, 0) != 0 ||
		dnnl.stream_create(&stream, engine, STREAM_IN_ORDER) != 0)
	{
		snprintf(why_absent, sizeof(why_absent), "version %d.%d does not start", version->major, version->minor);
		return false;
	}
	snprintf(build, sizeof(build), "%d.%d.%d-%.7s-%x", version->major, version->minor, version->patch,
			 version->hash != NULL && isxdigit((unsigned char) version->hash[0]) ? version->hash : "release",
			 (unsigned int) dnnl.get_effective_cpu_isa());
	return true;
}

bool
tcls_onednn_open(void)
{
	void	   *library;

	if (state != NOT_TRIED)
		return state == OPEN;
	state = ABSENT;
	library = dlopen("libdnnl.so.3", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		library = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		snprintf(why_absent, sizeof(why_absent), "%s", dlerror());
	else if (load_symbols(library) && forbid_threads(library) && start())
		state = OPEN;
	return state == OPEN;
}

/* AVX-512 with bf16, as every CPU with AMX has it. */
static bool
cpu_has_bf16(void)
{
#if defined(__x86_64__)
	return tcls_isa() >= TCLS_ISA_AVX512_VNNI && __builtin_cpu_supports("avx512bf16");
#else
	return false;
#endif
}

bool
tcls_onednn_pays(void)
{
	return cpu_has_bf16() && tcls_onednn_open() && tcls_isa() >= opened_for;
}

bool
tcls_onednn_has_amx(void)
{
	return tcls_isa() == TCLS_ISA_AMX && (dnnl.get_effective_cpu_isa() & ISA_AMX_BIT) != 0;
}

const char *
tcls_onednn_build(void)
{
	return build;
}

const char *
tcls_onednn_status(void)
{
	static char status[sizeof(why_absent) + 32];

	if (!cpu_has_bf16())
		return "not used: this CPU has no bf16, or textcls.max_isa leaves it out";
	if (!tcls_onednn_open())
		snprintf(status, sizeof(status), "not used: %s", why_absent);
	else if (!tcls_onednn_pays())
		return "not used: textcls.max_isa was lowered after it was loaded";
	else
		snprintf(status, sizeof(status), "oneDNN %d.%d.%d with %s", dnnl.version()->major, dnnl.version()->minor,
				 dnnl.version()->patch, tcls_onednn_has_amx() ? "AMX" : "AVX-512 bf16");
	return status;
}

/* ---- products ---- */

static const int row_classes[] = {TCLS_ONEDNN_MOST_ROWS, 32, TCLS_ONEDNN_ROWS};

#define CLASS_COUNT ((int) (sizeof(row_classes) / sizeof(row_classes[0])))

/* The product for so many rows: code that the library made for it, and its operands. */
typedef struct RowClass
{
	Object		primitive;
	Object		x;
	Object		sums;
	bool		failed;
} RowClass;

struct TclsOnednnProduct
{
	TclsOnednnType type;
	int			n;
	int			k;
	Object		plan;			/* owns weights */
	Description weights;		/* the form that the library chose for panels */
	uint64_t	form;
	Object		panel;
	Object		source;			/* weights to be packed, between the two steps of that */
	RowClass	classes[CLASS_COUNT];	/* each made when it is first used */
};

#define PRODUCT_COUNT 256

static TclsOnednnProduct products[PRODUCT_COUNT];
static int	product_count;

/* What a matrix looks like: the struct of version 2, or the handle of version 3. */
typedef struct Matrix
{
	char		structure[DESCRIPTION_SIZE] __attribute__((aligned(16)));
	Object		handle;
	Description description;	/* one of the two, or NULL: no memory */
} Matrix;

/* A matrix with these strides, or in a form that the library chooses (strides NULL). */
static void
describe(Matrix *matrix, int type, int rows, int columns, const int64_t *strides)
{
	int64_t		sizes[2] = {rows, columns};
	int			result;

	matrix->handle = NULL;
	if (dnnl.version()->major == 2)
		result = strides != NULL
			? dnnl.memory_desc_init_by_strides(matrix->structure, 2, sizes, type, strides)
			: dnnl.memory_desc_init_by_tag(matrix->structure, 2, sizes, type, FORMAT_ANY);
	else
		result = strides != NULL
			? dnnl.memory_desc_create_with_strides(&matrix->handle, 2, sizes, type, strides)
			: dnnl.memory_desc_create_with_tag(&matrix->handle, 2, sizes, type, FORMAT_ANY);
	matrix->description = result != 0 ? NULL : matrix->handle != NULL ? matrix->handle : matrix->structure;
}

static void
describe_rows(Matrix *matrix, int type, int rows, int columns)
{
	int64_t		strides[2] = {columns, 1};

	describe(matrix, type, rows, columns, strides);
}

static void
forget(Matrix *matrix)
{
	if (matrix->handle != NULL)
		dnnl.memory_desc_destroy(matrix->handle);
}

/* A matmul of these; NULL: the library has none. */
static Object
plan_matmul(Description x, Description weights, Description sums)
{
	char		matmul[MATMUL_SIZE] __attribute__((aligned(16)));
	Object		plan = NULL;
	int			result;

	if (x == NULL || weights == NULL || sums == NULL)
		return NULL;
	if (dnnl.version()->major == 2)
	{
		result = dnnl.matmul_desc_init(matmul, x, weights, NULL, sums);
		if (result == 0)
			result = dnnl.primitive_desc_create(&plan, matmul, NULL, engine, NULL);
	}
	else
		result = dnnl.matmul_primitive_desc_create(&plan, engine, x, weights, NULL, sums, NULL);
	return result == 0 ? plan : NULL;
}

static int
sums_type(const TclsOnednnProduct *product)
{
	return product->type == TCLS_ONEDNN_INT8 ? TYPE_INT32 : TCLS_ONEDNN_FP32;
}

/*
 * The plan of the product for so many rows, with weights in the product's form, or, if it has none
 * yet, in the one that the library chooses for these rows.
 */
static Object
plan_rows(const TclsOnednnProduct *product, int rows)
{
	Matrix		x;
	Matrix		weights;
	Matrix		sums;
	Object		plan;

	describe_rows(&x, product->type, rows, product->k);
	describe(&weights, product->type, product->k, product->n, NULL);
	describe_rows(&sums, sums_type(product), rows, product->n);
	plan = plan_matmul(x.description, product->weights != NULL ? product->weights : weights.description,
					   sums.description);
	forget(&x);
	forget(&weights);
	forget(&sums);
	return plan;
}

/* Memory objects for rows of x and of sums. */
static bool
make_operands(RowClass *class, const TclsOnednnProduct *product, int rows)
{
	Matrix		x;
	Matrix		sums;
	bool		made;

	describe_rows(&x, product->type, rows, product->k);
	describe_rows(&sums, sums_type(product), rows, product->n);
	made = x.description != NULL && sums.description != NULL &&
		dnnl.memory_create(&class->x, x.description, engine, NULL) == 0 &&
		dnnl.memory_create(&class->sums, sums.description, engine, NULL) == 0;
	forget(&x);
	forget(&sums);
	return made;
}

static bool
make_class(TclsOnednnProduct *product, int index)
{
	RowClass   *class = &product->classes[index];
	Object		plan;

	if (class->primitive != NULL || class->failed)
		return !class->failed;
	plan = plan_rows(product, row_classes[index]);
	class->failed = plan == NULL || !make_operands(class, product, row_classes[index]) ||
		dnnl.primitive_create(&class->primitive, plan) != 0;
	if (plan != NULL)
		dnnl.primitive_desc_destroy(plan);
	return !class->failed;
}

/* FNV-1a. */
static uint64_t
hash_bytes(uint64_t hash, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ ((const unsigned char *) data)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Of version 2 all of the description, of version 3 what it tells. */
static uint64_t
form_of(Description weights)
{
	static const int lists[] = {QUERY_INNER_BLOCKS, QUERY_INNER_BLOCK_DIMENSIONS};
	size_t		size = dnnl.memory_desc_get_size(weights);
	uint64_t	form = hash_bytes(UINT64_C(0xcbf29ce484222325), &size, sizeof(size));
	const int64_t *list;
	int			blocks;

	if (dnnl.version()->major == 2)
		return hash_bytes(form, weights, DESCRIPTION_SIZE);
	if (dnnl.memory_desc_query(weights, QUERY_STRIDES, &list) == 0)
		form = hash_bytes(form, list, 2 * sizeof(*list));
	if (dnnl.memory_desc_query(weights, QUERY_INNER_BLOCK_COUNT, &blocks) == 0)
		for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
			if (dnnl.memory_desc_query(weights, lists[i], &list) == 0)
				form = hash_bytes(form, list, (size_t) blocks * sizeof(*list));
	return form;
}

/* The smallest class is made at once, so that every number of rows has one. */
static bool
make_product(TclsOnednnProduct *product, TclsOnednnType type, int n, int k)
{
	*product = (TclsOnednnProduct) {.type = type, .n = n, .k = k};
	product->plan = plan_rows(product, TCLS_ONEDNN_MOST_ROWS);
	if (product->plan == NULL)
		return false;
	product->weights = dnnl.primitive_desc_query_md(product->plan, QUERY_WEIGHTS, 0);
	product->form = form_of(product->weights);
	if (dnnl.memory_create(&product->panel, product->weights, engine, NULL) == 0 &&
		make_class(product, CLASS_COUNT - 1))
		return true;
	dnnl.memory_destroy(product->panel);
	dnnl.primitive_desc_destroy(product->plan);
	return false;
}

TclsOnednnProduct *
tcls_onednn_product(TclsOnednnType type, int n, int k)
{
	if (!tcls_onednn_open())
		return NULL;
	for (int i = 0; i < product_count; i++)
		if (products[i].type == type && products[i].n == n && products[i].k == k)
			return &products[i];
	if (product_count == PRODUCT_COUNT || !make_product(&products[product_count], type, n, k))
		return NULL;
	return &products[product_count++];
}

size_t
tcls_onednn_panel_bytes(const TclsOnednnProduct *product)
{
	return dnnl.memory_desc_get_size(product->weights);
}

uint64_t
tcls_onednn_panel_form(const TclsOnednnProduct *product)
{
	return product->form;
}

void *
tcls_onednn_pack_begin(TclsOnednnProduct *product)
{
	int64_t		transposed[2] = {1, product->k};
	Matrix		weights;
	void	   *data = NULL;

	describe(&weights, product->type, product->k, product->n, transposed);
	if (weights.description != NULL &&
		dnnl.memory_create(&product->source, weights.description, engine, MEMORY_OF_LIBRARY) == 0)
		dnnl.memory_get_data_handle(product->source, &data);
	forget(&weights);
	return data;
}

/* What the library has for moving elements from the source to the form of panels. */
static Object
plan_reorder(const TclsOnednnProduct *product)
{
	int64_t		transposed[2] = {1, product->k};
	Matrix		weights;
	Object		plan = NULL;

	describe(&weights, product->type, product->k, product->n, transposed);
	if (weights.description != NULL)
		dnnl.reorder_primitive_desc_create(&plan, weights.description, engine, product->weights, engine, NULL);
	forget(&weights);
	return plan;
}

bool
tcls_onednn_pack_end(TclsOnednnProduct *product, void *panel)
{
	const Argument arguments[] = {{PLACE_SOURCE, product->source}, {PLACE_RESULT, product->panel}};
	Object		plan = plan_reorder(product);
	Object		primitive = NULL;
	bool		done;

	done = plan != NULL && dnnl.primitive_create(&primitive, plan) == 0 &&
		dnnl.memory_set_data_handle(product->panel, panel) == 0 &&
		dnnl.primitive_execute(primitive, stream, 2, arguments) == 0 && dnnl.stream_wait(stream) == 0;
	if (plan != NULL)
		dnnl.primitive_desc_destroy(plan);
	dnnl.primitive_destroy(primitive);
	dnnl.memory_destroy(product->source);
	product->source = NULL;
	return done;
}

/* The largest class that does not go beyond the rows wanted and can be made. */
static int
class_of(TclsOnednnProduct *product, int wanted)
{
	int			index = 0;

	while (index < CLASS_COUNT - 1 && (row_classes[index] > wanted || !make_class(product, index)))
		index++;
	return index;
}

int
tcls_onednn_multiply(TclsOnednnProduct *product, void *sums, const void *x, const void *panel, int wanted)
{
	int			index = class_of(product, wanted);
	const RowClass *class = &product->classes[index];
	const Argument arguments[] = {
		{PLACE_SOURCE, class->x}, {PLACE_WEIGHTS, product->panel}, {PLACE_RESULT, class->sums}
	};

	if (dnnl.memory_set_data_handle(class->x, (void *) x) == 0 &&
		dnnl.memory_set_data_handle(class->sums, sums) == 0 &&
		dnnl.memory_set_data_handle(product->panel, (void *) panel) == 0 &&
		dnnl.primitive_execute(class->primitive, stream, 3, arguments) == 0 && dnnl.stream_wait(stream) == 0)
		return row_classes[index];
	return 0;
}

/* ---- products of bfloat16 ---- */

bool
tcls_onednn_has_gemm_bf16(void)
{
	return tcls_onednn_open() && dnnl.gemm_bf16bf16f32 != NULL;
}

bool
tcls_onednn_gemm_bf16(float *c, const uint16_t *a, const uint16_t *b, int m, int n, int k, int lda, int ldb, int ldc,
					  bool transpose_a, bool transpose_b, float beta)
{
	return tcls_onednn_has_gemm_bf16() &&
		dnnl.gemm_bf16bf16f32(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, beta,
							  c, ldc) == 0;
}

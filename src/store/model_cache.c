/*
 * model_cache.c
 *		The ready models of this backend.
 *
 * Only immutable content is kept, under its fingerprint and the kernel it is packed for; which version a call means and
 * whether the caller may use it is looked up each time by the catalog.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "bridge/compat.h"
#include "bridge/engine.h"
#include "bridge/host_pg.h"
#include "bridge/settings.h"
#include "store/large_object.h"
#include "store/model_cache.h"
#include "store/model_precision.h"
#include "store/prepared_file.h"

/* Models kept although no transaction uses them. */
#define KEPT_MODELS 8

typedef struct CachedModel
{
	dlist_node	node;			/* most recently used first */
	uint8		fingerprint[PG_SHA256_DIGEST_LENGTH];
	const TclsPackedKernel *kernel;
	LocalTransactionId last_used;
	MemoryContext context;		/* holds all of it, the mapping included */
	TclsMappedFile *file;		/* or NULL: memory of its own */
	bool		was_built;		/* the file, by this process */
	TclsPrepared model;
} CachedModel;

static dlist_head cached_models = DLIST_STATIC_INIT(cached_models);
static int	cached_count = 0;

static CachedModel *
cache_lookup(const TclsVersion *version, const TclsPackedKernel *kernel)
{
	dlist_iter	iter;

	dlist_foreach(iter, &cached_models)
	{
		CachedModel *entry = dlist_container(CachedModel, node, iter.cur);

		if (entry->kernel == kernel &&
			memcmp(entry->fingerprint, version->fingerprint, PG_SHA256_DIGEST_LENGTH) == 0)
			return entry;
	}
	return NULL;
}

/* Give up the least recently used models that this transaction has not been given. */
static void
cache_shrink(void)
{
	while (cached_count >= KEPT_MODELS)
	{
		CachedModel *oldest = dlist_container(CachedModel, node, dlist_tail_node(&cached_models));

		if (oldest->last_used == tcls_compat_transaction())
			return;
		dlist_delete(&oldest->node);
		cached_count--;
		MemoryContextDelete(oldest->context);
	}
}

void
tcls_cache_read_stored(TclsStoredModel *out, const TclsVersion *version, TclsHost *host)
{
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
	char	   *config;
	char	   *tokenizer;

	tcls_catalog_texts(version->id, &config, &out->config_size, &tokenizer, &out->tokenizer_size);
	out->config = config;
	out->tokenizer = tokenizer;
	out->weights = tcls_object_read(version->weights, &out->weights_size, host);
	tcls_sha256(sha256, out->weights, out->weights_size);
	tcls_catalog_check_sha256(version, sha256);
}

/* The image of a version, in memory of the host; what it takes on the way is freed. */
static void *
create_image(size_t *size, const TclsVersion *version, const TclsPackedKernel *kernel, TclsHost *host)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "textcls build", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	TclsHost   *scratch_host = tcls_host_create(scratch);
	TclsStoredModel stored;
	TclsModel	model;
	void	   *image;

	tcls_cache_read_stored(&stored, version, scratch_host);
	tcls_host_check_context(tcls_model_read(&model, &stored, scratch_host), scratch_host,
							"Model \"%s\" version %d.", version->model, version->number);
	tcls_free(unconstify(void *, stored.weights), scratch_host);
	tcls_host_check(tcls_prepared_create(&image, size, &model, kernel, host), host);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return image;
}

/* Use an image that lies in this memory, which becomes the entry's. */
static void
open_private(CachedModel *entry, const void *image, size_t size, MemoryContext memory)
{
	TclsHost   *host = tcls_host_create(memory);

	MemoryContextSetParent(memory, entry->context);
	tcls_host_check(tcls_prepared_open(&entry->model, image, size, entry->kernel, false, host), host);
}

/*
 * Under the lock: map the file that the holder before has probably built, or build it.  What cannot become a
 * file serves this process alone.
 */
static void
build(CachedModel *entry, const TclsVersion *version, int elevel)
{
	MemoryContext scratch;
	size_t		size;
	void	   *image;

	entry->file = tcls_prepared_file_map(&entry->model, version->fingerprint, entry->kernel, entry->context);
	if (entry->file != NULL)
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "textcls image", ALLOCSET_SMALL_SIZES);
	image = create_image(&size, version, entry->kernel, tcls_host_create(scratch));
	entry->was_built = tcls_prepared_file_write(image, size, version->fingerprint, entry->kernel->layout, elevel);
	if (entry->was_built)
		entry->file = tcls_prepared_file_map(&entry->model, version->fingerprint, entry->kernel, entry->context);
	if (entry->file != NULL)
		MemoryContextDelete(scratch);
	else
		open_private(entry, image, size, scratch);
}

/*
 * Map the prepared file, after building it where there is none; false where nobody can build one.  What is
 * impossible is reported with elevel.
 */
static bool
map_or_build(CachedModel *entry, const TclsVersion *version, int elevel)
{
	int			lock;

	entry->file = tcls_prepared_file_map(&entry->model, version->fingerprint, entry->kernel, entry->context);
	if (entry->file != NULL)
		return true;
	lock = tcls_prepared_file_lock(elevel);
	if (lock < 0)
		return false;
	build(entry, version, elevel);
	tcls_prepared_file_unlock(lock);
	return true;
}

static void
load_private(CachedModel *entry, const TclsVersion *version)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "textcls image", ALLOCSET_SMALL_SIZES);
	size_t		size;
	void	   *image = create_image(&size, version, entry->kernel, tcls_host_create(memory));

	open_private(entry, image, size, memory);
}

/* An entry without its model, in a new context that the caller owns. */
static CachedModel *
create_entry(const TclsVersion *version, const TclsPackedKernel *kernel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "textcls model", ALLOCSET_SMALL_SIZES);
	CachedModel *entry = MemoryContextAllocZero(context, sizeof(CachedModel));

	entry->context = context;
	entry->kernel = kernel;
	memcpy(entry->fingerprint, version->fingerprint, PG_SHA256_DIGEST_LENGTH);
	return entry;
}

/* Make the model ready in a new context that the caller owns. */
static CachedModel *
load_model(const TclsVersion *version, const TclsPackedKernel *kernel)
{
	CachedModel *entry = create_entry(version, kernel);

	if (!tcls_setting_share_weights || !map_or_build(entry, version, WARNING))
		load_private(entry, version);
	return entry;
}

size_t
tcls_cache_prepare(bool *was_built, const TclsVersion *version, const TclsPackedKernel *kernel)
{
	CachedModel *entry = create_entry(version, kernel);
	size_t		size;

	if (!tcls_setting_share_weights)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("prepared weights are not shared"),
				 errhint("Set textcls.share_weights to on.")));
	if (!map_or_build(entry, version, ERROR) || entry->file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the prepared file of model \"%s\" version %d cannot be read", version->model, version->number),
				 errhint("The server's log says more.")));
	*was_built = entry->was_built;
	size = tcls_prepared_file_size(entry->file);
	MemoryContextDelete(entry->context);
	return size;
}

const TclsPrepared *
tcls_cache_model(const TclsVersion *version)
{
	tcls_engine_start();
	return tcls_cache_packed_model(version, tcls_precision_kernel(NULL, version));
}

const TclsPrepared *
tcls_cache_packed_model(const TclsVersion *version, const TclsPackedKernel *kernel)
{
	CachedModel *entry = cache_lookup(version, kernel);

	if (entry == NULL)
	{
		cache_shrink();
		entry = load_model(version, kernel);
		MemoryContextSetParent(entry->context, TopMemoryContext);
		dlist_push_head(&cached_models, &entry->node);
		cached_count++;
	}
	if (entry->file != NULL)
		tcls_prepared_file_used(entry->file);
	entry->last_used = tcls_compat_transaction();
	dlist_move_head(&cached_models, &entry->node);
	return &entry->model;
}

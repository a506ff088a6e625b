/*
 * model_cache.c
 *		The ready models of this backend.
 *
 * Only immutable content is kept, under its fingerprint; which version a call means and
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
#include "store/prepared_file.h"

/* Models kept although no transaction uses them. */
#define KEPT_MODELS 8

typedef struct CachedModel
{
	dlist_node	node;			/* most recently used first */
	uint8		fingerprint[PG_SHA256_DIGEST_LENGTH];
	LocalTransactionId last_used;
	MemoryContext context;		/* holds all of it, the mapping included */
	TclsMappedFile *file;		/* or NULL: memory of its own */
	TclsModel	model;
} CachedModel;

static dlist_head cached_models = DLIST_STATIC_INIT(cached_models);
static int	cached_count = 0;

static CachedModel *
cache_lookup(const TclsVersion *version)
{
	dlist_iter	iter;

	dlist_foreach(iter, &cached_models)
	{
		CachedModel *entry = dlist_container(CachedModel, node, iter.cur);

		if (memcmp(entry->fingerprint, version->fingerprint, PG_SHA256_DIGEST_LENGTH) == 0)
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

/* Read the stored form and make it ready, in memory of the context. */
static void
read_model(TclsModel *model, const TclsVersion *version, MemoryContext context)
{
	TclsHost   *host = tcls_host_create(context);
	TclsHost   *scratch = tcls_host_create(CurrentMemoryContext);
	TclsStoredModel stored;

	tcls_cache_read_stored(&stored, version, scratch);
	tcls_host_check_context(tcls_model_read(model, &stored, host), host,
							"Model \"%s\" version %d.", version->model, version->number);
	tcls_free((void *) stored.weights, scratch);
}

/*
 * Map the prepared file, after building it where there is none; false where that is impossible, which is
 * reported with elevel.  Whoever waited for the lock looks again: the one before has probably built it.
 */
static bool
map_or_build(CachedModel *entry, const TclsVersion *version, int elevel)
{
	const char *layout = "fp32";
	int			lock;

	entry->file = tcls_prepared_file_map(&entry->model, version->fingerprint, layout, entry->context);
	if (entry->file != NULL)
		return true;
	lock = tcls_prepared_file_lock(elevel);
	if (lock < 0)
		return false;
	entry->file = tcls_prepared_file_map(&entry->model, version->fingerprint, layout, entry->context);
	if (entry->file == NULL)
	{
		MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "textcls build", ALLOCSET_SMALL_SIZES);
		TclsModel	ready;

		read_model(&ready, version, scratch);
		if (tcls_prepared_file_write(&ready, version->fingerprint, layout, elevel))
			entry->file = tcls_prepared_file_map(&entry->model, version->fingerprint, layout, entry->context);
		MemoryContextDelete(scratch);
	}
	tcls_prepared_file_unlock(lock);
	return entry->file != NULL;
}

/* Make the model ready in a new context that the caller owns. */
static CachedModel *
load_model(const TclsVersion *version)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "textcls model", ALLOCSET_SMALL_SIZES);
	CachedModel *entry = MemoryContextAllocZero(context, sizeof(CachedModel));

	entry->context = context;
	memcpy(entry->fingerprint, version->fingerprint, PG_SHA256_DIGEST_LENGTH);
	if (!tcls_setting_share_weights || !map_or_build(entry, version, WARNING))
		read_model(&entry->model, version, context);
	return entry;
}

const TclsModel *
tcls_cache_model(const TclsVersion *version)
{
	CachedModel *entry = cache_lookup(version);

	if (entry == NULL)
	{
		tcls_engine_start();
		cache_shrink();
		entry = load_model(version);
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

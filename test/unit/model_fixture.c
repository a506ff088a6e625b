/*
 * model_fixture.c
 *		Loads and changes the model directories of the tests.
 */
#include <dirent.h>
#include <string.h>

#include "model_fixture.h"

static void
load_entries(Fixture *fixture, const char *directory, const char *below)
{
	char		path[512];
	struct dirent *entry;
	DIR		   *dir;

	snprintf(path, sizeof(path), "%s%s/%s", FIXTURE_MODELS, directory, below);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
	{
		char		name[300];
		size_t		size;

		snprintf(name, sizeof(name), "%s%s", below, entry->d_name);
		if (!tcls_import_wants(name))
			continue;
		snprintf(path, sizeof(path), "%s%s/%s", FIXTURE_MODELS, directory, name);
		{
			char	   *data = unit_read_file(path, &size);

			fixture_set(fixture, name, data, size);
			free(data);
		}
	}
	closedir(dir);
}

static int
compare_files(const void *left, const void *right)
{
	return strcmp(((const TclsFile *) left)->name, ((const TclsFile *) right)->name);
}

void
fixture_load(Fixture *fixture, const char *directory)
{
	fixture->count = 0;
	load_entries(fixture, directory, "");
	load_entries(fixture, directory, "1_Pooling/");
	CHECK(fixture->count > 0);
	qsort(fixture->files, (size_t) fixture->count, sizeof(TclsFile), compare_files);
}

void
fixture_free(Fixture *fixture)
{
	while (fixture->count > 0)
		fixture_remove(fixture, fixture->files[0].name);
}

TclsFile *
fixture_find(Fixture *fixture, const char *name)
{
	for (int32_t i = 0; i < fixture->count; i++)
		if (strcmp(fixture->files[i].name, name) == 0)
			return &fixture->files[i];
	fprintf(stderr, "the fixture has no file %s\n", name);
	abort();
}

void
fixture_set(Fixture *fixture, const char *name, const void *data, size_t size)
{
	char	   *copy = malloc(size + 1);
	TclsFile   *file = NULL;

	memcpy(copy, data, size);
	copy[size] = '\0';
	for (int32_t i = 0; i < fixture->count; i++)
		if (strcmp(fixture->files[i].name, name) == 0)
			file = &fixture->files[i];
	if (file == NULL)
	{
		if (fixture->count == FIXTURE_MAX_FILES)
			abort();
		file = &fixture->files[fixture->count++];
		file->name = strdup(name);
	}
	else
		free((void *) file->data);
	file->data = copy;
	file->size = size;
}

void
fixture_remove(Fixture *fixture, const char *name)
{
	TclsFile   *file = fixture_find(fixture, name);

	free((void *) file->name);
	free((void *) file->data);
	*file = fixture->files[--fixture->count];
}

void
fixture_edit(Fixture *fixture, const char *name, const char *from, const char *to)
{
	TclsFile   *file = fixture_find(fixture, name);
	const char *text = file->data;
	const char *found = strstr(text, from);
	size_t		size = file->size - strlen(from) + strlen(to);
	char	   *edited;

	if (found == NULL)
	{
		fprintf(stderr, "%s has no \"%s\"\n", name, from);
		abort();
	}
	edited = malloc(size + 1);
	snprintf(edited, size + 1, "%.*s%s%s", (int) (found - text), text, to, found + strlen(from));
	fixture_set(fixture, name, edited, size);
	free(edited);
}

TclsStatus
fixture_import(TclsStoredModel *stored, TclsBytes *weights, const Fixture *fixture, TclsHost *host)
{
	UnitSink	sink = {weights, host, 0};
	TclsWriter	writer = {unit_sink_write, &sink};
	TclsImported imported;

	TCLS_TRY(tcls_import_prepare(&imported, fixture->files, fixture->count, host));
	weights->size = 0;
	TCLS_TRY(tcls_import_write_weights(&writer, &imported, host));
	CHECK(weights->size == imported.weights_size);
	stored->config = imported.config.data;
	stored->config_size = imported.config.size;
	stored->tokenizer = imported.tokenizer.data;
	stored->tokenizer_size = imported.tokenizer.size;
	stored->weights = weights->data;
	stored->weights_size = weights->size;
	return TCLS_OK;
}

void
fixture_read_model(TclsModel *model, const char *directory, TclsHost *host)
{
	Fixture		fixture;
	TclsStoredModel stored;
	TclsBytes	weights = {0};

	fixture_load(&fixture, directory);
	if (fixture_import(&stored, &weights, &fixture, host) != TCLS_OK ||
		tcls_model_read(model, &stored, host) != TCLS_OK)
	{
		fprintf(stderr, "%s: %s\n", directory, host->detail);
		abort();
	}
	fixture_free(&fixture);
}

void
fixture_prepare_model(TclsPrepared *model, const char *directory, TclsHost *host)
{
	const TclsPackedKernel *kernel = tcls_packed_best(TCLS_FP32);
	TclsModel	read;
	void	   *image;
	size_t		size;

	fixture_read_model(&read, directory, host);
	if (tcls_prepared_create(&image, &size, &read, kernel, host) != TCLS_OK ||
		tcls_prepared_open(model, image, size, kernel, true, host) != TCLS_OK)
	{
		fprintf(stderr, "%s: %s\n", directory, host->detail);
		abort();
	}
}

/*
 * model_json.c
 *		Checked access to jansson values.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_json.h"
#include "base/pure_c.h"

/* jansson quotes the input after " near "; what is before is plain ASCII. */
static TclsStatus
fail_syntax(const char *file, const json_error_t *error, TclsHost *host)
{
	const char *quote = strstr(error->text, " near ");
	int			length = quote != NULL ? (int) (quote - error->text) : (int) strlen(error->text);

	/* Where an allocation fails jansson leaves the text empty more often than it sets the code. */
	if (json_error_code(error) == json_error_out_of_memory || error->text[0] == '\0')
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory for the JSON of %s", file);
	return tcls_fail(host, TCLS_BAD_FILE, "%s is not valid JSON: %.*s at line %d, column %d", file,
					 length, error->text, error->line, error->column);
}

static TclsStatus
parse(json_t **out, json_type type, size_t flags, const char *file, const char *text, size_t size, TclsHost *host)
{
	json_error_t error;
	json_t	   *json;

	if (size > TCLS_MODEL_JSON_LIMIT)
		return tcls_fail(host, TCLS_TOO_LARGE, "%s has %zu bytes, which is above the limit of %zu", file, size,
						 TCLS_MODEL_JSON_LIMIT);
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES | flags, &error);
	if (json == NULL)
		return fail_syntax(file, &error, host);
	if (json_typeof(json) != type)
	{
		json_decref(json);
		return tcls_fail(host, TCLS_BAD_FILE, "%s is not a JSON %s", file, type == JSON_OBJECT ? "object" : "array");
	}
	*out = json;
	return TCLS_OK;
}

TclsStatus
tcls_model_json_parse(json_t **out, json_type type, const char *file, const char *text, size_t size, TclsHost *host)
{
	return parse(out, type, 0, file, text, size, host);
}

TclsStatus
tcls_model_json_parse_reals(json_t **out, const char *file, const char *text, size_t size, TclsHost *host)
{
	return parse(out, JSON_OBJECT, JSON_DECODE_INT_AS_REAL, file, text, size, host);
}

/* The member, or NULL when there is nothing to read. */
static const json_t *
find_member(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

TclsStatus
tcls_model_json_int(int32_t *out, const json_t *object, const char *key, TclsHost *host)
{
	const json_t *value = find_member(object, key);

	if (value == NULL)
		return TCLS_OK;
	if (!json_is_integer(value) || json_integer_value(value) < INT32_MIN || json_integer_value(value) > INT32_MAX)
		return tcls_fail(host, TCLS_BAD_FILE, "\"%s\" is not an integer of 32 bits", key);
	*out = (int32_t) json_integer_value(value);
	return TCLS_OK;
}

TclsStatus
tcls_model_json_float(float *out, const json_t *object, const char *key, TclsHost *host)
{
	const json_t *value = find_member(object, key);

	if (value == NULL)
		return TCLS_OK;
	if (!json_is_number(value) || !isfinite((float) json_number_value(value)))
		return tcls_fail(host, TCLS_BAD_FILE, "\"%s\" is not a number in range", key);
	*out = (float) json_number_value(value);
	return TCLS_OK;
}

TclsStatus
tcls_model_json_bool(bool *out, const json_t *object, const char *key, TclsHost *host)
{
	const json_t *value = find_member(object, key);

	if (value == NULL)
		return TCLS_OK;
	if (!json_is_boolean(value))
		return tcls_fail(host, TCLS_BAD_FILE, "\"%s\" is not true or false", key);
	*out = json_boolean_value(value);
	return TCLS_OK;
}

TclsStatus
tcls_model_json_string(const char **out, const json_t *object, const char *key, TclsHost *host)
{
	const json_t *value = find_member(object, key);

	if (value == NULL)
		return TCLS_OK;
	if (!json_is_string(value))
		return tcls_fail(host, TCLS_BAD_FILE, "\"%s\" is not a string", key);
	*out = json_string_value(value);
	return TCLS_OK;
}

typedef struct DumpTarget
{
	TclsBytes  *bytes;
	TclsStatus	status;			/* kept here, because jansson passes over a failure in an object's key */
	TclsHost   *host;
} DumpTarget;

static int
dump_piece(const char *piece, size_t size, void *context)
{
	DumpTarget *target = context;

	if (target->status == TCLS_OK)
		target->status = tcls_bytes_append(target->bytes, piece, size, target->host);
	return target->status == TCLS_OK ? 0 : -1;
}

TclsStatus
tcls_model_json_dump(TclsBytes *out, const json_t *json, size_t flags, TclsHost *host)
{
	DumpTarget	target = {out, TCLS_OK, host};

	if (json == NULL || json_dump_callback(json, dump_piece, &target, flags) != 0)
		return tcls_fail(host, TCLS_OUT_OF_MEMORY, "out of memory for JSON");
	return target.status;
}

json_t *
tcls_model_json_real(float value)
{
	char		digits[32];

	snprintf(digits, sizeof(digits), "%.9g", (double) value);
	for (int precision = 1; precision < 9; precision++)
	{
		char		shorter[32];

		snprintf(shorter, sizeof(shorter), "%.*g", precision, (double) value);
		if (strtof(shorter, NULL) == value)
			return json_real(strtod(shorter, NULL));
	}
	return json_real(strtod(digits, NULL));
}

/*
 * model_json.h
 *		The JSON of model files: parse, look up with checks, dump.
 *
 * A value from here is jansson's: the caller releases it with json_decref on
 * every path and before it polls or calls back.
 */
#ifndef TEXTCLS_MODEL_JSON_H
#define TEXTCLS_MODEL_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/host.h"

/* Bytes of the largest JSON text read here: its parsed form may take forty times as many. */
#define TCLS_MODEL_JSON_LIMIT ((size_t) 4 << 20)

/*
 * *out gets the object or array that the text must be; duplicate keys are refused.
 * file is what failures name.
 */
extern TclsStatus tcls_model_json_parse(json_t **out, json_type type, const char *file, const char *text,
										size_t size, TclsHost *host);

/* The object with its integers as reals, where a file may hold any number of digits. */
extern TclsStatus tcls_model_json_parse_reals(json_t **out, const char *file, const char *text, size_t size,
											  TclsHost *host);

/*
 * Members of an object.  Absent or null leaves *out as it is; another type, or an
 * integer outside int32, is TCLS_BAD_FILE that names the key.
 */
extern TclsStatus tcls_model_json_int(int32_t *out, const json_t *object, const char *key, TclsHost *host);
extern TclsStatus tcls_model_json_float(float *out, const json_t *object, const char *key, TclsHost *host);
extern TclsStatus tcls_model_json_bool(bool *out, const json_t *object, const char *key, TclsHost *host);

/* *out points into the object. */
extern TclsStatus tcls_model_json_string(const char **out, const json_t *object, const char *key, TclsHost *host);

/* Append the text of the value; NULL (jansson had no memory to build it) is TCLS_OUT_OF_MEMORY. */
extern TclsStatus tcls_model_json_dump(TclsBytes *out, const json_t *json, size_t flags, TclsHost *host);

/* A real that is dumped with the few digits that make this float. */
extern json_t *tcls_model_json_real(float value);

#endif							/* TEXTCLS_MODEL_JSON_H */

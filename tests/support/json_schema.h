/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of JSON Schema as openapi.json uses: $ref, type, enum, pattern (there has to be one; it
 * is not looked at), required, properties, additionalProperties, items and bounds. Any other
 * keyword in a schema is refused, so that none can be overlooked.
 */
#ifndef SALLYPORT_TESTS_JSON_SCHEMA_H
#define SALLYPORT_TESTS_JSON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether `value` is what `schema` of the document says; if not, `why` tells where it differs. */
bool json_schema_holds(const json_t *document, const json_t *schema, const json_t *value, char *why,
                       size_t cap);

/* What "#/components/schemas/Name" stands for, or `schema` itself. */
const json_t *json_schema_resolve(const json_t *document, const json_t *schema);

#endif

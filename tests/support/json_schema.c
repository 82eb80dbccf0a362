/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_schema.h"

#include <stdio.h>
#include <string.h>

#include "sallyport/bytes.h"

static const char *const keywords[] = {"$ref",      "type",       "enum",    "pattern",
                                       "required",  "properties", "items",   "minItems",
                                       "maxItems",  "minimum",    "maximum", "additionalProperties",
                                       "minLength", "maxLength",  "default", "description"};

static bool fails(char *why, size_t cap, const char *what, const char *about)
{
    snprintf(why, cap, "%s: %s", what, about);
    return false;
}

const json_t *json_schema_resolve(const json_t *document, const json_t *schema)
{
    static const char start[] = "#/components/schemas/";
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    if (ref == NULL || strncmp(ref, start, sizeof start - 1) != 0)
        return schema;
    const json_t *all = json_object_get(json_object_get(document, "components"), "schemas");
    return json_object_get(all, ref + sizeof start - 1);
}

static bool is_of(const json_t *value, const char *type)
{
    return (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(value));
}

static bool within(const json_t *schema, const char *least, const char *most, json_int_t n)
{
    const json_t *min = json_object_get(schema, least), *max = json_object_get(schema, most);

    return (min == NULL || n >= json_integer_value(min)) &&
           (max == NULL || n <= json_integer_value(max));
}

static bool in_list(const json_t *list, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return list == NULL;
}

static bool object_holds(const json_t *document, const json_t *schema, const json_t *value,
                         char *why, size_t cap)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *required = json_object_get(schema, "required");
    const char *name;
    json_t *member;

    if (!json_is_false(json_object_get(schema, "additionalProperties")))
        return fails(why, cap, "schema", "an object that may hold anything");
    for (size_t i = 0; i < json_array_size(required); i++) {
        name = json_string_value(json_array_get(required, i));
        if (json_object_get(value, name) == NULL)
            return fails(why, cap, name, "is missing");
    }
    json_object_foreach((json_t *)value, name, member)
    {
        const json_t *of = json_object_get(properties, name);
        if (of == NULL)
            return fails(why, cap, name, "is not described");
        if (!json_schema_holds(document, of, member, why, cap))
            return false;
    }
    return true;
}

bool json_schema_holds(const json_t *document, const json_t *schema, const json_t *value, char *why,
                       size_t cap)
{
    const char *type, *key;
    json_t *ignored;

    schema = json_schema_resolve(document, schema);
    type = json_string_value(json_object_get(schema, "type"));
    if (type == NULL)
        return fails(why, cap, "schema", "has no type");
    json_object_foreach((json_t *)schema, key, ignored)
    {
        size_t i = 0;
        while (i < SP_ARRAY_LEN(keywords) && strcmp(keywords[i], key) != 0)
            i++;
        if (i == SP_ARRAY_LEN(keywords))
            return fails(why, cap, key, "is a keyword that is not looked at");
    }
    if (!is_of(value, type))
        return fails(why, cap, "wanted", type);
    if (!in_list(json_object_get(schema, "enum"), value))
        return fails(why, cap, json_string_value(value), "is not in the list");
    if (json_is_integer(value) && !within(schema, "minimum", "maximum", json_integer_value(value)))
        return fails(why, cap, "number", "out of bounds");
    if (json_is_string(value) &&
        !within(schema, "minLength", "maxLength", (json_int_t)json_string_length(value)))
        return fails(why, cap, json_string_value(value), "too long or too short");
    if (json_is_object(value))
        return object_holds(document, schema, value, why, cap);
    if (!json_is_array(value))
        return true;
    if (!within(schema, "minItems", "maxItems", (json_int_t)json_array_size(value)))
        return fails(why, cap, "list", "too long or too short");
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_schema_holds(document, json_object_get(schema, "items"), json_array_get(value, i),
                               why, cap))
            return false;
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api_problem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "sallyport/bytes.h"
#include "sallyport/err.h"

#define KIND(name, code, status) {(code), (status)},

const struct sp_api_problem_kind sp_api_problem_kinds[SP_API_PROBLEMS_N] = {SP_API_PROBLEMS(KIND)};

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {503, "Service Unavailable"},
};

const char *sp_api_reason(unsigned status)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    assert(false); /* a status without a reason */
    return "";
}

int sp_api_fault(struct sp_api_fault *f, enum sp_api_problem problem, const char *field,
                 const char *form, ...)
{
    va_list args;

    *f = (struct sp_api_fault){.problem = problem};
    snprintf(f->field, sizeof f->field, "%s", field);
    va_start(args, form);
    vsnprintf(f->detail, sizeof f->detail, form, args);
    va_end(args);
    return SP_EPROTO;
}

json_t *sp_api_fault_json(const struct sp_api_fault *f)
{
    const struct sp_api_problem_kind *kind = &sp_api_problem_kinds[f->problem];
    json_t *o = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
                          sp_api_reason(kind->status), "status", (int)kind->status, "code",
                          kind->code, "detail", f->detail);

    if (o != NULL && f->field[0] != '\0' &&
        json_object_set_new(o, "field", json_string(f->field)) != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkup.h"
#include "gateway.h"
#include "manual.h"
#include "sallyport/bytes.h"
#include "sallyport/health.h"
#include "sallyport/options_shared.h"
#include "sallyport/program.h"

static const char *get_env(const char *name)
{
    return getenv(name);
}

static int run(struct sp_options *options)
{
    struct sp_gateway_config config;
    char why[SP_OPTIONS_ERR_MAX];

    if (sp_gateway_config_init(&config, options, get_env, why) != 0) {
        fprintf(stderr, "sallyport-client: %s\n", why);
        return 2;
    }
    int status = sp_gateway_run(&config);
    sp_gateway_config_fini(&config);
    return status;
}

static int check(struct sp_options *options)
{
    struct sp_gateway_config config;
    char why[SP_OPTIONS_ERR_MAX];
    bool as_json = sp_options_switch(options, "json");

    if (sp_gateway_config_init(&config, options, get_env, why) != 0) {
        fprintf(stderr, "sallyport-client: %s\n", why);
        return 2;
    }
    int status = sp_check_run(&config, as_json);
    sp_gateway_config_fini(&config);
    return status;
}

static int healthcheck(int argc, char **argv)
{
    return sp_health_main("sallyport-client", &sp_gateway_options, argc, argv);
}

static const struct sp_option admin[] = {SP_OPTION_ROW_ADMIN(SP_GATEWAY_ADMIN)};
static const struct sp_options_spec healthcheck_options = {
    .usage = "sallyport-client " SP_HEALTH_ARGUMENTS,
    .about = SP_HEALTH_ABOUT,
    .table = admin,
    .n = SP_ARRAY_LEN(admin),
};

static const struct sp_command commands[] = {
    {.name = "run", .spec = &sp_gateway_options, .run = run},
    {.name = "check", .spec = &sp_check_options, .run = check},
    {.name = "healthcheck", .spec = &healthcheck_options, .raw = healthcheck},
};

static const struct sp_program program = {
    .name = "sallyport-client",
    .summary = sp_gateway_summary,
    .section = "1",
    .commands = commands,
    .n = SP_ARRAY_LEN(commands),
    .manual = sp_gateway_manual,
};

int main(int argc, char **argv)
{
    return sp_program_main(&program, argc, argv, environ);
}

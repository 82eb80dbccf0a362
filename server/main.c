/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "credentials.h"
#include "edge.h"
#include "manual.h"
#include "options.h"
#include "sallyport/bytes.h"
#include "sallyport/health.h"
#include "sallyport/options_shared.h"
#include "sallyport/program.h"

static int run(struct sp_options *options)
{
    struct sp_edge_config config;
    char why[SP_OPTIONS_ERR_MAX];

    if (sp_edge_config_init(&config, options, why) != 0) {
        fprintf(stderr, "sallyport-server: %s\n", why);
        return 2;
    }
    int status = sp_edge_run(&config);
    sp_edge_config_fini(&config);
    return status;
}

static int healthcheck(int argc, char **argv)
{
    return sp_health_main("sallyport-server", &sp_edge_options, argc, argv);
}

static const struct sp_option admin[] = {SP_OPTION_ROW_ADMIN(SP_EDGE_ADMIN)};
static const struct sp_options_spec healthcheck_options = {
    .usage = "sallyport-server " SP_HEALTH_ARGUMENTS,
    .about = SP_HEALTH_ABOUT,
    .table = admin,
    .n = SP_ARRAY_LEN(admin),
};

static const struct sp_command commands[] = {
    {.name = "run", .spec = &sp_edge_options, .run = run},
    {.name = "credentials", .spec = &sp_credentials_options, .run = sp_credentials_run},
    {.name = "healthcheck", .spec = &healthcheck_options, .raw = healthcheck},
};

static const struct sp_program program = {
    .name = "sallyport-server",
    .summary = sp_edge_summary,
    .section = "8",
    .commands = commands,
    .n = SP_ARRAY_LEN(commands),
    .manual = sp_edge_manual,
};

int main(int argc, char **argv)
{
    return sp_program_main(&program, argc, argv, environ);
}

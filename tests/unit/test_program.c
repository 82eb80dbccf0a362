/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which command runs with which options, what --help and --version say, what a wrong command gets;
 * the manual page as roff reads it; what bash is told.
 */
#include "sallyport/program.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport/bytes.h"

static char seen[64]; /* what ran */

static int run(struct sp_options *o)
{
    snprintf(seen, sizeof seen, "run %s", sp_options_get(o, "realm", "-"));
    sp_options_free(o);
    return 7;
}

static int other(struct sp_options *o)
{
    snprintf(seen, sizeof seen, "other");
    sp_options_free(o);
    return 8;
}

static int raw(int argc, char **argv)
{
    snprintf(seen, sizeof seen, "raw %d %s", argc, argv[argc - 1]);
    return 9;
}

static const struct sp_option table[] = {
    {.name = "realm",
     .arg = "NAME",
     .help = "the realm of .users",
     .more =
         "One sentence. 'Another' \\ one - which is so long that it does not fit on a line of the "
         "page, and is wrapped. --realm ends it.",
     .preset = "none",
     .group = "Users"},
    {.name = "serve",
     .arg = "LIST",
     .help = "what",
     .words = "a|b",
     .flags = SP_OPTION_LIST | SP_OPTION_REPEAT},
    {.name = "level", .arg = "low|high", .help = "how much", .flags = SP_OPTION_CHOICE},
    {.name = "key", .arg = "FILE", .help = "/path of it", .group = "Files"},
    {.name = "site", .arg = "DIR", .help = "where"},
    {.name = "n", .arg = "N", .help = "how many", .flags = SP_OPTION_NUMBER, .min = 1, .max = 5},
    {.name = "secret", .arg = "S", .help = "it", .flags = SP_OPTION_SECRET | SP_OPTION_ENV_ONLY},
};
static const struct sp_options_spec run_options = {.usage = "prog-x [run] [OPTION]...",
                                                   .about = "Runs.",
                                                   .table = table,
                                                   .n = SP_ARRAY_LEN(table)};
static const struct sp_options_spec other_options = {
    .usage = "prog-x other [OPTION]...", .about = "Does another thing.", .table = table, .n = 1};
static const struct sp_options_spec raw_options = {.usage = "prog-x raw", .about = "Is raw."};

static const struct sp_command commands[] = {
    {.name = "run", .spec = &run_options, .run = run},
    {.name = "other", .spec = &other_options, .run = other},
    {.name = "raw", .spec = &raw_options, .raw = raw},
};
static const struct sp_manual_part parts[] = {
    {"DESCRIPTION", "One.\n\n    as it\n      is\n\nTwo."},
    {"EXIT STATUS", ".dot"},
    {NULL, NULL},
};
static const struct sp_program program = {.name = "prog-x",
                                          .summary = "a program",
                                          .section = "8",
                                          .commands = commands,
                                          .n = SP_ARRAY_LEN(commands),
                                          .manual = parts};

static char *said, *complained;

/* Exit status with these words as arguments; what it prints is in `said` and `complained`. */
static int call(const char *words)
{
    char text[256], *argv[16] = {(char *)"prog-x"};
    FILE *saved_out = stdout, *saved_err = stderr;
    size_t out_len, err_len;
    int argc = 1;

    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    free(said);
    free(complained);
    seen[0] = '\0';
    stdout = open_memstream(&said, &out_len);
    stderr = open_memstream(&complained, &err_len);
    int status = sp_program_main(&program, argc, argv, NULL);
    fclose(stdout);
    fclose(stderr);
    stdout = saved_out;
    stderr = saved_err;
    return status;
}

static void has(const char *text)
{
    ck_assert_msg(strstr(said, text) != NULL, "\"%s\" is not in\n%s", text, said);
}

START_TEST(a_command_runs)
{
    static const struct {
        const char *words, *seen;
        int status;
    } cases[] = {
        {"", "run -", 7},
        {"--realm a", "run a", 7},
        {"run --realm a", "run a", 7},
        {"other --realm a", "other", 8},
        {"raw 1 2", "raw 3 2", 9},
        {"nothing", "", 2},
        {"other --bad", "", 2},
        {"manual --bad", "", 2},
    };

    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        ck_assert_int_eq(call(cases[i].words), cases[i].status);
        ck_assert_str_eq(seen, cases[i].seen);
        ck_assert_str_eq(said, "");
        ck_assert((complained[0] != '\0') == (cases[i].status == 2));
    }
    call("nothing");
    ck_assert_str_eq(complained,
                     "prog-x: no command \"nothing\": there is run (the default), other, "
                     "raw, manual, completion\n");
}
END_TEST

START_TEST(help_and_version)
{
    ck_assert_int_eq(call("--help"), 0);
    has("Usage: prog-x [run] [OPTION]...\n");
    has("\nOther commands (each has --help): other raw manual completion\n");
    ck_assert_int_eq(call("run --help all"), 0);
    has("SALLYPORT_SECRET");
    ck_assert_int_eq(call("other --help"), 0);
    has("Usage: prog-x other ");
    ck_assert_ptr_null(strstr(said, "Other commands"));
    ck_assert_int_eq(call("raw --help"), 0);
    has("Usage: prog-x raw\n");
    ck_assert_int_eq(call("manual --help"), 0);
    has("Usage: prog-x manual\n");
    ck_assert_int_eq(call("other --version"), 0);
    has("prog-x " SALLYPORT_VERSION ", wolfSSL");
}
END_TEST

START_TEST(the_manual)
{
    ck_assert_int_eq(call("manual"), 0);
    has(".Dt PROG-X 8\n.Os\n.Sh NAME\n.Nm prog-x\n.Nd a program\n.Sh SYNOPSIS\n"
        ".Nm\n[run] [OPTION]...\n.Nm\nother [OPTION]...\n.Nm\nraw\n.Nm\nmanual\n"
        ".Nm\ncompletion\n.Sh DESCRIPTION\nOne.\n");
    has("\n.Bd -literal -offset indent\nas it\n  is\n.Ed\n.Pp\nTwo.\n.Sh OPTIONS\n");
    has("\n.Ss \"Users\"\n.Bl -tag -width Ds\n.It Fl -realm Ar NAME\nThe realm of .users.\n"
        "One sentence. 'Another' \\e one \\- which is so long that it does not fit\n"
        "on a line of the page, and is wrapped.\n\\-\\-realm ends it.\nDefault: none\n");
    has(".It Fl -serve Ar LIST\nWhat.\nIt can be given several times.\n");
    has(".El\n.Ss \"Files\"\n.Bl -tag -width Ds\n.It Fl -key Ar FILE\n/path of it.\n");
    has(".It Fl -n Ar N\nHow many.\nA number from 1 to 5.\n");
    has(".It Ev SALLYPORT_SECRET\nIt.\n.It Fl -config Ar FILE\n");
    has("\n.Ss other\nDoes another thing.\n.Bl -tag -width Ds\n.It Fl -realm Ar NAME\n");
    has("\n.Sh EXIT STATUS\n\\&.dot\n");
}
END_TEST

START_TEST(the_completion)
{
    ck_assert_int_eq(call("completion"), 0);
    has("\n_prog_x() {\n");
    has("'run other raw manual completion'\n");
    has("            --realm) ;;\n            --serve) _sallyport_list 'a b' ;;\n"
        "            --level) _sallyport_words 'low high' ;;\n"
        "            --key) _sallyport_files -f ;;\n            --site) _sallyport_files -d ;;\n"
        "            --n) ;;\n            --config) _sallyport_files -f ;;\n"
        "            --help) _sallyport_words 'all' ;;\n"
        "            *) _sallyport_words '--realm --serve --level --key --site --n --config "
        "--help --version' ;;\n");
    has("\n    other)\n        case $option in\n            --realm) ;;\n");
    has("\ncomplete -F _prog_x prog-x\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("program");
    TCase *tc = tcase_create("program");

    tcase_add_test(tc, a_command_runs);
    tcase_add_test(tc, help_and_version);
    tcase_add_test(tc, the_manual);
    tcase_add_test(tc, the_completion);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

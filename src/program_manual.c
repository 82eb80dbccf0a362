/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "program_impl.h"

#define LINE_MAX_LEN 68 /* letters of the text; escaped ones are longer */

/* --- text as roff wants it ------------------------------------------------------------------ */

/* A dash is a minus, as it is typed; a backslash is one. Where a line starts, nothing may look like
 * a macro. */
static void put_char(FILE *out, char c, bool starts_line)
{
    if (starts_line && (c == '.' || c == '\''))
        fputs("\\&", out);
    if (c == '\\')
        fputs("\\e", out);
    else if (c == '-')
        fputs("\\-", out);
    else
        fputc(c, out);
}

/* Whether a sentence ends before the blank `text[i]`. */
static bool is_sentence_end(const char *text, size_t i, size_t len)
{
    if (i == 0 || i + 1 >= len || strchr(".?!", text[i - 1]) == NULL)
        return false;
    return isupper((unsigned char)text[i + 1]) || strchr("-`", text[i + 1]) != NULL;
}

/* Running text: each sentence begins a line, as roff likes it, and no line is long. */
static void put_text(FILE *out, const char *text, size_t len)
{
    size_t column = 0;

    for (size_t i = 0; i < len; i++) {
        bool blank = text[i] == ' ' || text[i] == '\n';
        if (blank && (is_sentence_end(text, i, len) ||
                      column + strcspn(text + i + 1, " \n") > LINE_MAX_LEN)) {
            fputc('\n', out);
            column = 0;
        } else {
            put_char(out, blank ? ' ' : text[i], column == 0);
            column++;
        }
    }
    fputc('\n', out);
}

static void put_as_it_is(FILE *out, const char *text, size_t len)
{
    fputs(".Bd -literal -offset indent\n", out);
    for (size_t i = 0; i < len; i++) {
        bool starts_line = i == 0 || text[i - 1] == '\n';
        if (starts_line)
            for (int blanks = 4; blanks > 0 && i < len && text[i] == ' '; blanks--)
                i++;
        if (text[i] == '\n')
            fputc('\n', out);
        else
            put_char(out, text[i], starts_line);
    }
    fputs("\n.Ed\n", out);
}

static void put_paragraphs(FILE *out, const char *text)
{
    for (bool first = true; *text != '\0'; first = false) {
        const char *end = strstr(text, "\n\n");
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        bool literal = text[0] == ' ';

        if (!first && !literal)
            fputs(".Pp\n", out);
        if (literal)
            put_as_it_is(out, text, len);
        else
            put_text(out, text, len);
        text += len;
        text += strspn(text, "\n");
    }
}

/* --- options -------------------------------------------------------------------------------- */

/* "It does this.", of a help that is no sentence: "it does this". */
static void put_help(FILE *out, const struct sp_option *o)
{
    char first = o->help[0];
    size_t word = strcspn(o->help, " ,;");
    bool is_name = memchr(o->help, '/', word) != NULL; /* a URL or path stays as it is typed */

    put_char(out, is_name ? first : (char)toupper((unsigned char)first), true);
    for (const char *p = o->help + 1; *p != '\0'; p++)
        put_char(out, *p, false);
    fputs(".\n", out);
}

static void put_option(FILE *out, const struct sp_option *o)
{
    char name[SP_OPTION_ENV_MAX];

    if (o->flags & SP_OPTION_ENV_ONLY) {
        sp_option_env_name(o, name);
        fprintf(out, ".It Ev %s\n", name);
    } else {
        fputs(".It Fl -", out);
        for (const char *p = o->name; *p != '\0'; p++)
            put_char(out, *p, false);
        if (o->arg != NULL) {
            fputs(" Ar ", out);
            for (const char *p = o->arg; *p != '\0'; p++)
                put_char(out, *p, false);
        }
        fputc('\n', out);
    }
    put_help(out, o);
    if (o->more != NULL)
        put_text(out, o->more, strlen(o->more));
    if (o->flags & SP_OPTION_REPEAT)
        fputs("It can be given several times.\n", out);
    if (o->flags & SP_OPTION_NUMBER)
        fprintf(out, "A number from %" PRIu64 " to %" PRIu64 ".\n", o->min, o->max);
    if (o->preset != NULL) {
        fputs("Default: ", out);
        put_text(out, o->preset, strlen(o->preset));
    }
}

/* Those that every command has are told once, with the first. */
static void put_options(FILE *out, const struct sp_command *c, bool first)
{
    const struct sp_option *o;
    bool open = false;

    for (size_t i = 0; (o = sp_command_option(c, i)) != NULL; i++) {
        bool group = first && o->group != NULL;

        if (i == c->spec->n && !first)
            break;

        if (group && open)
            fputs(".El\n", out);
        if (group)
            fprintf(out, ".Ss \"%s\"\n", o->group);
        if (group || !open)
            fputs(".Bl -tag -width Ds\n", out);
        open = true;
        put_option(out, o);
    }
    if (open)
        fputs(".El\n", out);
}

/* --- the page ------------------------------------------------------------------------------- */

/* How the command is called, without the program's name. */
static const char *arguments(const struct sp_program *p, const struct sp_command *c, size_t *len)
{
    const char *text = c->spec->usage;
    size_t name = strlen(p->name);

    if (strncmp(text, p->name, name) == 0)
        text += name;
    text += strspn(text, " ");
    *len = strcspn(text, "\n");
    return text;
}

static void put_head(const struct sp_program *p, FILE *out)
{
    const struct sp_command *c;
    size_t len;

    fprintf(out, ".Dd %s\n.Dt ", SALLYPORT_DATE);
    for (const char *s = p->name; *s != '\0'; s++)
        fputc(toupper((unsigned char)*s), out);
    fprintf(out, " %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n", p->section, p->name,
            p->summary);
    for (size_t i = 0; (c = sp_program_command(p, i)) != NULL; i++) {
        const char *text = arguments(p, c, &len);
        fputs(".Nm\n", out);
        put_text(out, text, len);
    }
}

static void put_commands(const struct sp_program *p, FILE *out)
{
    const struct sp_command *c;

    fputs(".Sh OPTIONS\n"
          "Every option can also be given in the environment, as\n"
          ".Ev " SP_OPTIONS_ENV_PREFIX "NAME\n"
          "in capitals, with dashes as underscores and repeated values separated\n"
          "by spaces, and as a line\n"
          ".Dq name value\n"
          "in the file of\n"
          ".Fl -config .\n"
          "The command line wins over the environment, the environment over the\n"
          "file.\n",
          out);
    put_options(out, &p->commands[0], true);
    fputs(".Sh COMMANDS\n"
          "All of them have\n"
          ".Fl -config , -help\n"
          "and\n"
          ".Fl -version .\n",
          out);
    for (size_t i = 1; (c = sp_program_command(p, i)) != NULL; i++) {
        fprintf(out, ".Ss %s\n", c->name);
        put_text(out, c->spec->about, strlen(c->spec->about));
        if (c->spec->also != NULL)
            fprintf(out, "It has the options of %s as well.\n", p->commands[0].name);
        if (c->spec->n > 0)
            put_options(out, c, false);
    }
}

void sp_program_manual(const struct sp_program *p, FILE *out)
{
    put_head(p, out);
    for (const struct sp_manual_part *m = p->manual; m->title != NULL; m++) {
        fprintf(out, ".Sh %s\n", m->title);
        put_paragraphs(out, m->text);
        if (m == p->manual)
            put_commands(p, out);
    }
}

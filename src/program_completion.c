/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "program_impl.h"

/* A name as a part of a shell function's. */
static void put_identifier(FILE *out, const char *name)
{
    for (; *name != '\0'; name++)
        fputc(*name == '-' ? '_' : *name, out);
}

/* "a|b" as "a b". */
static void put_words(FILE *out, const char *words)
{
    for (; *words != '\0'; words++)
        fputc(*words == '|' ? ' ' : *words, out);
}

static bool is_typed(const struct sp_option *o)
{
    return !(o->flags & SP_OPTION_ENV_ONLY);
}

/* What stands behind it. */
static void put_value(FILE *out, const struct sp_option *o)
{
    fprintf(out, "            --%s) ", o->name);
    if (o->flags & SP_OPTION_CHOICE) {
        fputs("_sallyport_words '", out);
        put_words(out, o->arg);
        fputs("' ;;\n", out);
    } else if (o->words != NULL) {
        fputs(o->flags & SP_OPTION_LIST ? "_sallyport_list '" : "_sallyport_words '", out);
        put_words(out, o->words);
        fputs("' ;;\n", out);
    } else if (strcmp(o->arg, "FILE") == 0) {
        fputs("_sallyport_files -f ;;\n", out);
    } else if (strcmp(o->arg, "DIR") == 0) {
        fputs("_sallyport_files -d ;;\n", out);
    } else {
        fputs(";;\n", out);
    }
}

static void put_command(FILE *out, const struct sp_command *c)
{
    const struct sp_option *o;

    fprintf(out, "    %s)\n        case $option in\n", c->name);
    for (size_t i = 0; (o = sp_command_option(c, i)) != NULL; i++)
        if (is_typed(o) && o->arg != NULL)
            put_value(out, o);
    fputs("            --help) _sallyport_words 'all' ;;\n            *) _sallyport_words '", out);
    for (size_t i = 0; (o = sp_command_option(c, i)) != NULL; i++)
        if (is_typed(o))
            fprintf(out, "%s--%s", i > 0 ? " " : "", o->name);
    fputs("' ;;\n        esac\n        ;;\n", out);
}

static const char helpers[] =
    "_sallyport_words() { # those of $1 that begin as the current word does\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$current\")\n"
    "}\n"
    "\n"
    "_sallyport_list() { # the same for a list with commas, each word once\n"
    "    local before='' word\n"
    "    [[ $current != *,* ]] || before=${current%,*},\n"
    "    for word in $1; do\n"
    "        [[ ,$before == *,$word,* || $before$word != \"$current\"* ]] ||\n"
    "            COMPREPLY+=(\"$before$word\")\n"
    "    done\n"
    "    compopt -o nospace 2>/dev/null\n"
    "}\n"
    "\n"
    "_sallyport_files() { # -f: files, -d: folders\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$current\")\n"
    "    compopt -o filenames 2>/dev/null\n"
    "}\n";

static const char start[] =
    "    local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command=${COMP_WORDS[1]}\n"
    "    COMPREPLY=()\n"
    "    if [[ $current == = ]]; then # bash takes --name=value for three words\n"
    "        current=''\n"
    "    elif [[ $option == = ]]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n";

void sp_program_completion(const struct sp_program *p, FILE *out)
{
    const struct sp_command *c;

    fprintf(out, "# bash completion of %s %s\n\n%s\n_", p->name, SALLYPORT_VERSION, helpers);
    put_identifier(out, p->name);
    fprintf(out, "() {\n%s    if ((COMP_CWORD == 1)) && [[ $current != -* ]]; then\n", start);
    fputs("        _sallyport_words '", out);
    for (size_t i = 0; (c = sp_program_command(p, i)) != NULL; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", c->name);
    fputs("'\n        return\n    fi\n", out);
    fprintf(out, "    [[ $command != -* ]] || command=%s\n    case $command in\n",
            p->commands[0].name);
    for (size_t i = 0; (c = sp_program_command(p, i)) != NULL; i++)
        put_command(out, c);
    fputs("    esac\n}\n\ncomplete -F _", out);
    put_identifier(out, p->name);
    fprintf(out, " %s\n", p->name);
}

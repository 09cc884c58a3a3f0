/*
 * weft completions: what shells offer behind `weft`, printed from the table of verbs.
 */
#include <stdio.h>
#include <string.h>

#include "app/verb_list.h"
#include "app/verbs.h"

static const struct option_spec everywhere[] = {
    {"--help", NULL, "what it does and which options it has"},
    {NULL, NULL, NULL},
};

static const struct option_spec without_verb[] = {
    {"--version", NULL, "which weft this is"},
    {NULL, NULL, NULL},
};

/* The options behind a verb, each handed to `print`; those behind no verb have the version too. */
static void each_option(const struct verb *verb,
                        void (*print)(const struct verb *verb, const struct option_spec *option, FILE *out),
                        FILE *out)
{
    enum { TABLES = 3 };
    const struct option_spec *const tables[TABLES] = {verb->options, everywhere, verb->name[0] ? NULL : without_verb};
    for (size_t i = 0; i < TABLES; i++)
        for (const struct option_spec *option = tables[i]; option && option->name; option++)
            if (option->help)
                print(verb, option, out);
}

static bool takes_file(const struct option_spec *option)
{
    return option->value && (strcmp(option->value, "FILE") == 0 || strcmp(option->value, "PATH") == 0);
}

static void print_verb_names(FILE *out)
{
    for (size_t i = 0; verb_at(i); i++)
        fprintf(out, "%s%s", i ? " " : "", verb_at(i)->name);
}

/* What may stand first behind the verb: its own words, and for help every verb. */
static void print_words(const struct verb *verb, FILE *out)
{
    fputs(verb->words ? verb->words : "", out);
    if (strcmp(verb->name, "help") == 0) {
        fputc(' ', out);
        print_verb_names(out);
    }
}

static bool takes_words(const struct verb *verb)
{
    return verb->words && verb->words[0];
}

/* A word of `within` goes on as a file: relay backup FILE. */
static bool takes_files(const struct verb *verb)
{
    return !verb->words || strcmp(verb->name, "relay") == 0 || strcmp(verb->name, "key") == 0;
}

/* Text between single quotes; `closing` is how that shell writes a quote there, `marked` get a backslash. */
static void print_quoted(const char *text, const char *closing, const char *marked, FILE *out)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs(closing, out);
            continue;
        }
        if (strchr(marked, *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

/* --- bash --- */

static void bash_option(const struct verb *verb, const struct option_spec *option, FILE *out)
{
    (void)verb;
    fprintf(out, "%s ", option->name);
}

static void bash_verb(const struct verb *verb, FILE *out)
{
    fprintf(out, "        %s) words='", verb->name);
    print_words(verb, out);
    fputs("' options='", out);
    each_option(verb, bash_option, out);
    fprintf(out, "' files=%s ;;\n", takes_files(verb) ? "yes" : "");
}

static void print_bash(FILE *out)
{
    fputs("_weft() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words='' options='' files=yes\n"
          "    if [ \"$COMP_CWORD\" = 1 ]; then\n        words='",
          out);
    print_verb_names(out);
    fputs("' options='", out);
    each_option(verb_edit(), bash_option, out);
    fputs("'\n    else\n        case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; verb_at(i); i++)
        bash_verb(verb_at(i), out);
    fputs("        esac\n    fi\n"
          "    [ \"$COMP_CWORD\" -le 2 ] || words=''\n"
          "    case $before in --*) files=yes ;; esac\n"
          "    case $word in\n"
          "    -*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;\n"
          "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"; [ -z \"$files\" ] || compgen -f -- \"$word\") ;;\n"
          "    esac\n}\n"
          "complete -o filenames -F _weft weft\n",
          out);
}

/* --- zsh --- */

static void zsh_quoted(const char *text, FILE *out)
{
    print_quoted(text, "'\\''", "[]:\\", out);
}

static void zsh_option(const struct verb *verb, const struct option_spec *option, FILE *out)
{
    (void)verb;
    fprintf(out, " \\\n            '%s%s[", option->name, option->value ? "=" : "");
    zsh_quoted(option->help, out);
    fputc(']', out);
    if (option->value) {
        fputc(':', out);
        zsh_quoted(option->value, out);
        fputs(takes_file(option) ? ":_files" : ": ", out);
    }
    fputc('\'', out);
}

static void zsh_words(const struct verb *verb, FILE *out)
{
    if (takes_words(verb)) {
        fputs(" \\\n            '1:word:(", out);
        print_words(verb, out);
        fputs(")'", out);
    }
    if (takes_files(verb))
        fputs(" \\\n            '*:file:_files'", out);
}

static void print_zsh(FILE *out)
{
    fputs("#compdef weft\n_weft() {\n    local -a verbs\n    verbs=(\n", out);
    for (size_t i = 0; verb_at(i); i++) {
        fprintf(out, "        '%s:", verb_at(i)->name);
        print_quoted(verb_at(i)->summary, "'\\''", ":\\", out);
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then\n"
          "        _describe verb verbs\n        _files\n        return\n    fi\n"
          "    local verb=${words[2]}\n"
          "    if (( CURRENT > 2 )) && (( ${verbs[(I)$verb:*]} )); then\n"
          "        shift words\n        (( CURRENT-- ))\n"
          "    else\n        verb=\n    fi\n"
          "    case $verb in\n",
          out);
    for (size_t i = 0; verb_at(i); i++) {
        fprintf(out, "    %s)\n        _arguments", verb_at(i)->name);
        each_option(verb_at(i), zsh_option, out);
        zsh_words(verb_at(i), out);
        fputs("\n        ;;\n", out);
    }
    fputs("    *)\n        _arguments", out);
    each_option(verb_edit(), zsh_option, out);
    zsh_words(verb_edit(), out);
    /* As a file of $fpath its content is the function's body at the first call; read by `source` it registers itself. */
    fputs("\n        ;;\n    esac\n}\n"
          "if [[ ${funcstack[1]} = _weft ]]; then\n    _weft \"$@\"\nelse\n    compdef _weft weft\nfi\n",
          out);
}

/* --- fish --- */

static void fish_condition(const struct verb *verb, FILE *out)
{
    if (verb->name[0])
        fprintf(out, "complete -c weft -n '__fish_seen_subcommand_from %s'", verb->name);
    else
        fputs("complete -c weft -n __fish_use_subcommand", out);
}

static void fish_describe(const char *text, FILE *out)
{
    fputs(" -d '", out);
    print_quoted(text, "\\'", "\\", out);
    fputs("'\n", out);
}

static void fish_option(const struct verb *verb, const struct option_spec *option, FILE *out)
{
    fish_condition(verb, out);
    fprintf(out, " -l %s%s", option->name + strlen("--"), !option->value ? "" : takes_file(option) ? " -r -F" : " -x");
    fish_describe(option->help, out);
}

static void fish_verb(const struct verb *verb, FILE *out)
{
    fish_condition(verb_edit(), out);
    fprintf(out, " -a %s", verb->name);
    fish_describe(verb->summary, out);
    if (!takes_files(verb)) {
        fish_condition(verb, out);
        fputs(" -f\n", out);
    }
    if (takes_words(verb)) {
        fish_condition(verb, out);
        fputs(" -a '", out);
        print_words(verb, out);
        fputs("'\n", out);
    }
    each_option(verb, fish_option, out);
}

static void print_fish(FILE *out)
{
    each_option(verb_edit(), fish_option, out);
    for (size_t i = 0; verb_at(i); i++)
        fish_verb(verb_at(i), out);
}

bool verbs_print_completions(const char *shell, FILE *out)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        print_fish(out);
    else
        return false;
    return true;
}

int verb_completions_run(struct env *env, const struct args *args)
{
    (void)env;
    if (args->positional_count == 1 && verbs_print_completions(args->positional[0], stdout))
        return EXIT_OK;
    fputs("weft completions: name your shell: bash, zsh or fish\n", stderr);
    return EXIT_USAGE;
}

/*
 * weft help, weft man: printed from the table of verbs.
 */
#include <string.h>

#include "app/verb_list.h"
#include "app/verbs.h"

static const char *const main_help =
    "weft FILE...          edit\n"
    "weft share FILE       edit it and let others in\n"
    "weft join [LINK]      open a shared document (asks, so links stay out of shell history)\n"
    "weft links FILE       show its links again        weft unshare FILE   stop sharing\n"
    "weft relay            the server others meet at   weft demo           one minute, alone\n"
    "more: weft help scripts | relay | keys | trust\n"
    "In the editor: ^S save  ^Q quit  ^Z undo mine  ^F find  ^G or F1 help\n"
    "What you type is kept on this machine: weft docs lists it, weft forget removes it.\n";

struct topic {
    const char *name, *text;
};

static const struct topic topics[] = {
    {"scripts",
     "Without a terminal:\n"
     "  weft cat LINK|FILE      print the newest text; --at VERSION|TIME: as it was then\n"
     "  weft log LINK|FILE      who wrote when, and how much; --collisions: what touched unseen; --json\n"
     "  weft blame LINK|FILE    who wrote which line, and when\n"
     "  weft diff LINK|FILE     what changed; --from VERSION|TIME --to VERSION|TIME, --who, --json\n"
     "  weft undo LINK|FILE --by NAME   take back what NAME wrote; --since VERSION|TIME, --dry-run\n"
     "  weft apply LINK|FILE    edits as JSON lines on standard input:\n"
     "      {\"at\": 120, \"delete\": 3, \"insert\": \"new\"}   bytes of the text as it is at that moment\n"
     "      {\"at\": \"end\", \"insert\": \"one more line\\n\"}\n"
     "  weft verify LINK|FILE   check every chain and signature, print the text's hash\n"
     "  weft share --no-edit FILE --relay URL   print `edit LINK` and `view LINK`\n"
     "Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by ^C. Errors are one sentence on standard error.\n"},
    {"relay",
     "A relay stores and forwards what it cannot read.\n"
     "  weft relay --listen 127.0.0.1:7717 --store sqlite:/var/lib/weft/relay.db\n"
     "It answers WebSocket, /healthz and /metrics on one port. For the world, give it a certificate (--tls-cert,\n"
     "--tls-key) or put it behind a proxy (--behind-proxy ADDR). --token-file makes creating documents, not joining,\n"
     "need a token. weft relay ls | rm DOC|LINK | stat | backup FILE look after the store, in use or not; --retain DAYS\n"
     "forgets what nobody uses. A backup takes the place of a stopped relay's store (remove STORE-wal and STORE-shm);\n"
     "what it lacks comes back from whoever has it. SIGHUP reads the certificate again. /metrics has the sizes of the\n"
     "20 largest documents. Every limit is an option; a RATE is what may come each second, and behind a slash what may\n"
     "be saved up.\n"
     "The relay has a key (--key, beside the store): keep it, for links may name it, and then no other relay will do.\n"
     "Without a relay, `weft share` starts one of your own on this machine: weft relay status | stop.\n"},
    {"keys",
     "^S save          ^Q quit           ^Z undo mine      ^Y redo\n"
     "^X cut           ^C copy           ^V or ^U paste    ^K cut the line\n"
     "^F or ^W find    Alt+N find again  Alt+G go to line  ^A select all\n"
     "^G or F1 help    F2, Alt+2 people  F3, Alt+3 links   F12, Alt+M messages\n"
     "^O open          Alt+S save as     Alt+. next file   Alt+, previous file\n"
     "Alt+F follow     Alt+A work alone  Alt+Z suspend     Alt+Q quit, exit status 1\n"
     "Alt+H merge what is held, for it would take long\n"
     "Alt+# line numbers; Alt+Shift+N finds backwards; Shift with arrows selects, Ctrl with arrows goes by words,\n"
     "Alt+Up and Alt+Down move the line.\n"},
    {"trust",
     "Text, names and cursors are sealed on your machine (XChaCha20-Poly1305) and signed by it (Ed25519). The relay sees\n"
     "document ids, sizes, times and addresses; never text, names or file names. A link is a key: anyone who has it gets\n"
     "in. A view link holds no key to write with. There is no forward secrecy: deleted text stays in the history, and a\n"
     "link reads all that was written since sharing. The cryptography has not been audited. Keys and journals lie in\n"
     "$XDG_STATE_HOME/weft (~/.local/state/weft), readable by you alone: use disk encryption.\n"},
};
enum { TOPICS = sizeof topics / sizeof *topics };

/* In lines of 79 columns, broken at blanks. */
static void print_wrapped(const char *text, FILE *out)
{
    enum { COLS = 79 };
    while (strlen(text) > COLS) {
        size_t len = COLS;
        while (len > 0 && text[len] != ' ')
            len--;
        if (len == 0)
            len = strcspn(text, " ");
        fprintf(out, "%.*s\n", (int)len, text);
        text += len + (text[len] == ' ');
    }
    fprintf(out, "%s\n", text);
}

static void print_verb(const struct verb *verb, FILE *out)
{
    fprintf(out, "weft %s %s\n  %s.\n", verb->name, verb->synopsis, verb->summary);
    if (verb->text[0]) {
        fputs("\n", out);
        print_wrapped(verb->text, out);
    }
    if (verb->options->name)
        fputs("\n", out);
    for (const struct option_spec *option = verb->options; option->name && option->help; option++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", option->name, option->value ? option->value : "");
        fprintf(out, "  %-27s %s\n", left, option->help);
    }
}

void verbs_print_help(FILE *out)
{
    fputs(main_help, out);
}

bool verbs_print_topic(const char *topic, FILE *out)
{
    for (size_t i = 0; i < TOPICS; i++) {
        if (strcmp(topics[i].name, topic) == 0) {
            fputs(topics[i].text, out);
            if (!verb_find(topic))
                return true;
            fputs("\n", out);
        }
    }
    const struct verb *verb = verb_find(topic);
    if (verb)
        print_verb(verb, out);
    return verb != NULL;
}

int verb_help_run(struct env *env, const struct args *args)
{
    (void)env;
    if (args->positional_count == 0) {
        verbs_print_help(stdout);
        return EXIT_OK;
    }
    if (args->positional_count > 1) {
        fprintf(stderr, "weft help: name one thing: weft help %s\n", verb_find("help")->synopsis);
        return EXIT_USAGE;
    }
    if (verbs_print_topic(args->positional[0], stdout))
        return EXIT_OK;
    fprintf(stderr, "weft help: nothing about \"%s\"; there are: scripts, relay, keys, trust, and the verbs\n",
            args->positional[0]);
    return EXIT_USAGE;
}

/* --- the man page --- */

/* roff takes a line that begins with a dot or quote for a request, and a backslash for an escape. */
static void roff_text(const char *text, FILE *out)
{
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        line_start = *text == '\n';
    }
}

static void roff_verb(const struct verb *verb, FILE *out)
{
    fputs(".SS ", out);
    roff_text("weft ", out);
    roff_text(verb->name, out);
    fputc(' ', out);
    roff_text(verb->synopsis, out);
    fputs("\n", out);
    roff_text(verb->text[0] ? verb->text : verb->summary, out);
    fputs("\n", out);
    for (const struct option_spec *option = verb->options; option->name && option->help; option++) {
        fputs(".TP\n.B ", out);
        roff_text(option->name, out);
        if (option->value)
            fprintf(out, " \\fI%s\\fR", option->value);
        fputs("\n", out);
        roff_text(option->help, out);
        fputs("\n", out);
    }
}

void verbs_print_man(FILE *out)
{
    fputs(".TH WEFT 1 \"\" \"weft " WEFT_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nweft \\- a terminal text editor for one person or several\n"
          ".SH SYNOPSIS\n.B weft\n[\\fIFILE\\fR[:\\fILINE\\fR[:\\fICOL\\fR]]]...\n.br\n.B weft\n\\fIVERB\\fR ...\n"
          ".SH DESCRIPTION\nweft opens files for editing and lets others in by a link. The relay between them cannot read the "
          "text. Everything typed is kept on this machine first, and merged when the connection is back. `weft VERB "
          "\\-\\-help` says what is below about that verb.\n"
          ".SH VERBS\n",
          out);
    roff_verb(verb_edit(), out);
    for (size_t i = 0; verb_at(i); i++)
        roff_verb(verb_at(i), out);
    fputs(".SH KEYS\n.nf\n", out);
    for (size_t i = 0; i < TOPICS; i++)
        if (strcmp(topics[i].name, "keys") == 0)
            roff_text(topics[i].text, out);
    fputs(".fi\n.SH FILES\n.TP\n.I ~/.config/weft/config.json\nThe configuration: JSON, comments allowed.\n"
          ".TP\n.I ~/.local/state/weft\nJournals, keys and links, readable by their owner alone.\n"
          ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 130 a verb without a screen was stopped by ^C.\n",
          out);
}

int verb_man_run(struct env *env, const struct args *args)
{
    (void)env;
    if (!verb_has_no_words("man", args))
        return EXIT_USAGE;
    verbs_print_man(stdout);
    return EXIT_OK;
}

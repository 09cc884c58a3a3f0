#include "app/verbs.h"

#include <stdlib.h>
#include <string.h>

#include "app/verb_list.h"
#include "editor/base/unicode.h"

static const struct option_spec no_options[] = {{NULL, NULL, NULL}};

static const struct option_spec edit_options[] = {
    {"--private", NULL, "keep nothing on disk but the file itself"},
    {"--name", "NAME", "how others see you in this document, from now on"},
    {NULL, NULL, NULL},
};

static const struct option_spec share_options[] = {
    {"--relay", "URL", "where to meet: wss://HOST, or ws://HOST:PORT for this machine and private networks"},
    {"--no-edit", NULL, "print the links, exit once the relay has everything"},
    {"--name", "NAME", "how others see you in this document, from now on"},
    {"--token-file", "FILE", "what the relay's operator gave you for creating documents"},
    {"--insecure", NULL, "take any certificate, or a plain connection to a public address; links then name the relay's key"},
    {NULL, NULL, NULL},
};

static const struct option_spec join_options[] = {
    {"--save-as", "FILE", "where your own copy is written"},
    {"--name", "NAME", "how others see you in this document, from now on"},
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec unshare_options[] = {
    {"--close", NULL, "end it for everybody and delete it at the relay"},
    {NULL, NULL, NULL},
};

static const struct option_spec relay_options[] = {
    {"--listen", "ADDR:PORT", "where to listen; 127.0.0.1:7717 unless told otherwise, port 0 picks a free one"},
    {"--store", "URL", "sqlite:PATH; a file in the state directory unless told otherwise"},
    {"--unix", "PATH", "listen on this Unix socket as well"},
    {"--tls-cert", "FILE", "certificate chain, PEM; read again on SIGHUP"},
    {"--tls-key", "FILE", "its key"},
    {"--behind-proxy", "ADDR", "believe X-Forwarded-For from this address"},
    {"--token-file", "FILE", "creating documents needs the token in this file"},
    {"--key", "FILE", "the relay's identity key; beside the store unless told otherwise"},
    {"--end-idle", "SECONDS", "end by itself when nobody was in any document for so long; never unless told otherwise"},
    {"--retain", "DAYS", "forget documents nobody has been in for so long; for ever unless told otherwise"},
#define LIMIT(option, value, kind, field, usual, help) {option, value, help " (" usual ")"},
#include "sync/relay/limit_list.h"
#undef LIMIT
    {NULL, NULL, NULL},
};

static const struct option_spec demo_options[] = {
    {"--play", NULL, "plays itself in 60 seconds"},
    {"--fast", NULL, "plays itself in under 5 seconds, prints how it ended"},
    /* Not for people: the two panes are this program too. */
    {"--pane", "NAME", NULL},
    {"--file", "FILE", NULL},
    {"--relay", "URL", NULL},
    {"--speed", "N", NULL},
    {NULL, NULL, NULL},
};

static const struct option_spec cat_options[] = {
    {"--at", "VERSION|TIME", "the text as it was then"},
    {"--disk", NULL, "the file's bytes, also where the journal has newer text"},
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec apply_options[] = {
    {"--rate", "N", "at most N edits a second"},
    {"--no-save", NULL, "leave the file alone, keep the edits in the journal"},
    {"--name", "NAME", "how others see you"},
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec verify_options[] = {
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec log_options[] = {
    {"--collisions", NULL, "instead, which edits touched each other while neither writer knew of the other's"},
    {"--from", "VERSION|TIME", "with --collisions: of edits since then; all unless told otherwise"},
    {"--to", "VERSION|TIME", "with --collisions: of edits until then"},
    {"--json", NULL, "every edit or collision by itself, as one line of JSON"},
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec diff_options[] = {
    {"--from", "VERSION|TIME", "the older text, or whatever text; the one at the beginning unless told otherwise"},
    {"--to", "VERSION|TIME", "the newer text; the newest unless told otherwise"},
    {"--who", NULL, "in front of each changed line who changed it last, and when"},
    {"--json", NULL, "every changed place by itself, as one line of JSON"},
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec undo_options[] = {
    {"--by", "NAME", "whose edits, as weft log has the name"},
    {"--since", "VERSION|TIME", "those after it; all unless told otherwise"},
    {"--dry-run", NULL, "write nothing, print the lines that would change"},
    {"--no-save", NULL, "leave the file alone, keep the edit in the journal"},
    {"--name", "NAME", "how others see you"},
    {"--insecure", NULL, "allow a plain connection to a public address"},
    {NULL, NULL, NULL},
};

static const struct option_spec forget_options[] = {
    {"--all", NULL, "every document that is not shared and whose text is in its file"},
    {"--force", NULL, "the others too, and do not ask"},
    {NULL, NULL, NULL},
};

static const struct verb edit_verb = {
    "", "[FILE[:LINE[:COL]]]...", "edit",
    "Opens the file for editing. `-` reads standard input. +LINE[:COL] in front of a file works too. A file that was shared is "
    "back in its room.",
    edit_options, verb_edit_run, NULL};

static const struct verb verbs[] = {
    {"share", "FILE", "edit it and let others in",
     "Starts a document whose first text is the file as it is now, puts it on a relay and shows the link. What was written "
     "before stays private. Anyone with a link can also see how the text changed since you shared it, deleted text included. "
     "Sharing again gives the same document and links; with --relay it moves to that relay with all that is in it, and everybody "
     "in it follows.",
     share_options, verb_share_run, NULL},
    {"join", "[LINK]", "open a shared document",
     "Without LINK it asks (or reads standard input), so that the link stays out of the shell's history; an empty answer "
     "lists what you joined before.",
     join_options, verb_join_run, ""},
    {"links", "FILE", "show its links again", "Prints `edit LINK` and `view LINK`.", no_options, verb_links_run, NULL},
    {"unshare", "FILE", "stop sharing",
     "Stops syncing and forgets the room; the text stays. With --close the owner ends it for everybody.", unshare_options,
     verb_unshare_run, NULL},
    {"sync", "FILE...", "keep room and file equal, without a screen",
     "For a host who is away: merges what comes in and writes the file, until it is stopped.", no_options, verb_sync_run, NULL},
    {"relay", "[ls|rm DOC|LINK|stat|backup FILE|status|stop]", "the server others meet at",
     "Stores and forwards what it cannot read. One port: WebSocket, /healthz, /metrics. Serves until SIGTERM or ^C. status and "
     "stop speak of the relay that `weft share` started by itself.",
     relay_options, verb_relay_run, "ls rm stat backup status stop"},
    {"demo", "", "one minute, alone",
     "Two people in one terminal: a real relay, a real second replica, a cable that F5 cuts and mends, a real kill -9 on F6, "
     "both texts compared on F7 (Alt+5, 6, 7 too). Needs no network and leaves nothing behind.",
     demo_options,
     verb_demo_run, ""},
    {"cat", "LINK|FILE", "print the newest text",
     "From the relay, or the journal's state; never writes. A VERSION is what `weft log` prints last on a line, "
     "what `weft verify` prints (\"198edb96:200 0a1b2c3d:7\"), `base` or `now`; a TIME is 2026-11-28, \"2026-11-28 10:41\", "
     "10:41, 10:41:30, or 90m ago: all that was written until then, by the clocks of those who wrote; 10:41 is the whole minute, "
     "a day the whole day.",
     cat_options,
     verb_cat_run, NULL},
    {"apply", "LINK|FILE", "edits as JSON lines on standard input",
     "Each line {\"at\": BYTE | \"end\", \"delete\": N, \"insert\": \"...\"} is applied to the text as it is at that moment. "
     "Exits 0 when all of it is acknowledged: by the relay for a link, by the journal for a file, which must exist and is "
     "written then, unless an editor has it open or with --no-save. A line that is wrong ends it with 1; those before it stand. "
     "One that would cut a UTF-8 character in two is wrong; text that is not UTF-8 is edited by bytes.",
     apply_options, verb_apply_run, NULL},
    {"verify", "LINK|FILE", "check every chain and signature",
     "Prints the text's BLAKE2b-256 and the version.", verify_options, verb_verify_run, NULL},
    {"log", "LINK|FILE", "who wrote when, and how much",
     "The newest first; what somebody wrote without a pause of ten minutes is one line: when it began, who, how many edits, the "
     "bytes that were inserted and deleted, and the version after the last of them. With --collisions each two edits of "
     "different people that touched the same or adjacent bytes unseen by each other: when, who, where it is now, and what each "
     "did there. A VERSION and a TIME are as for weft cat.",
     log_options, verb_log_run, NULL},
    {"blame", "LINK|FILE", "who wrote which line, and when",
     "Every line of the newest text behind the time and the author of what was written into it last; its end counts where there "
     "is nothing else in it. Nothing stands in front of a line that is as it was at the beginning. What an undo brought back is "
     "its first writer's.",
     verify_options, verb_blame_run, NULL},
    {"diff", "LINK|FILE", "what changed between two versions",
     "By lines, as `diff -u` writes it: between any two versions, also such as were never one text. A VERSION and a TIME are as "
     "for weft cat. With --who a removed line says who deleted of it last, an added one who wrote of it last. With --json each "
     "row of bytes that one edit made the difference of: where in both texts, what, by writing or by deleting, who and when. "
     "Exits 0 when both texts are equal, 1 when they are not, 2 when that cannot be told.",
     diff_options, verb_diff_run, NULL},
    {"undo", "LINK|FILE --by NAME", "take back all that somebody wrote",
     "The text becomes what it would be without these edits: what others wrote stays, what others deleted too does not come "
     "back. It is an edit of yours, which goes to everybody and can be taken back by the same verb with your own name. A VERSION "
     "and a TIME are as for weft cat. See first what it does: --dry-run.",
     undo_options, verb_undo_run, NULL},
    {"docs", "", "list what is kept on this machine",
     "One document a line: state, size, when it was last open or that it is open now, path. What is in no file is named doc:... "
     "instead, for weft forget. A document that is not shared and whose text is all in its file is forgotten 30 days after it "
     "was open last, or when all of them take more than 256 MB, the longest unused first; one that is shared, or has edits that "
     "are in no file or were set aside, is kept. What is not shared and belongs to a file below /tmp, /var/tmp or /dev/shm, a "
     "commit message or a crontab is forgotten when it is closed in order, unless edits of it were set aside.",
     no_options, verb_docs_run, ""},
    {"forget", "FILE|--all", "remove what is kept of it",
     "Removes the journal of a document from this machine. The file itself is not touched. doc:... is a document that weft docs "
     "lists without a file. What a weft has open stays; --all names what stays, and why.", forget_options,
     verb_forget_run, NULL},
    {"doctor", "", "what works here", "Looks at the terminal, colours, the journal and a relay round trip.", no_options,
     verb_doctor_run, ""},
    {"config", "[name [NAME]]", "show or change the configuration",
     "Without a word: where it is and what holds. `weft config name` says how others see you, and where that comes from.",
     no_options, verb_config_run, "name"},
    {"key", "show|export FILE", "this device's fingerprint; a shared file's admin link",
     "The admin link is the backup of a lost laptop: whoever has it owns the document.", no_options, verb_key_run, "show export"},
    {"help", "[VERB|scripts|relay|keys|trust]", "more about one thing", "", no_options, verb_help_run,
     "scripts relay keys trust"},
    {"man", "", "the manual page, roff on standard output", "", no_options, verb_man_run, ""},
    {"completions", "bash|zsh|fish", "for your shell, on standard output", "", no_options, verb_completions_run, "bash zsh fish"},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* --- look-ups --- */

const struct verb *verb_edit(void)
{
    return &edit_verb;
}

const struct verb *verb_at(size_t i)
{
    return i < VERBS ? &verbs[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Edits (insert, delete, replace, swap of neighbours) between two short words; more than 2 is 3. */
static int word_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 16, FAR = 3 };
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return FAR;
    int rows[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (int)(i + j);
                continue;
            }
            int best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = rows[i - 1][j] + 1 < best ? rows[i - 1][j] + 1 : best;
            best = rows[i][j - 1] + 1 < best ? rows[i][j - 1] + 1 : best;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && rows[i - 2][j - 2] + 1 < best)
                best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    }
    return rows[a_len][b_len] < FAR ? rows[a_len][b_len] : FAR;
}

const struct verb *verb_near(const char *word, bool more_follows)
{
    enum { WORD_MIN = 3 };
    size_t len = strlen(word);
    const struct verb *best = NULL;
    int best_distance = 3;
    for (size_t i = 0; i < VERBS; i++) {
        int distance = word_distance(word, verbs[i].name);
        /*
         * Two letters of a short word are nearly all of it: `dino` alone is a new file, not a mistyped `demo`. In front of
         * more words it is a verb sooner than the first of several new files.
         */
        bool near = more_follows ? len >= WORD_MIN && (size_t)distance + 1 < len : (size_t)distance * 2 < len;
        if (distance < best_distance && near) {
            best = &verbs[i];
            best_distance = distance;
        }
    }
    return best;
}

void verb_say(const char *name, const char *text)
{
    enum { SENTENCE_CELLS = 4096 };
    struct buf safe = {0};
    unicode_safe_label(bytes_of_string(text), SENTENCE_CELLS, &safe);
    fprintf(stderr, name[0] ? "weft %s: %s\n" : "weft%s: %s\n", name, buf_string(&safe));
    buf_release(&safe);
}

bool verb_has_no_words(const char *name, const struct args *args)
{
    if (args->positional_count > 0)
        fprintf(stderr, "weft %s: it takes no words: weft %s\n", name, name);
    return args->positional_count == 0;
}

int verb_fail(const char *name, const struct error *err)
{
    verb_say(name, err->text);
    return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

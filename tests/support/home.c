#include "tests/support/support.h"

#include "tests/support/home.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"

int home_setup(void **state)
{
    static const char *const names[] = {"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"};
    struct home *home = xcalloc(1, sizeof *home);
    struct error err = {0};
    if (scratch_setup((void **)&home->dir) != 0)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *dir = scratch_file(home->dir, names[i]);
        setenv(names[i], dir, 1);
        free(dir);
    }
    home->state = xformat("%s/XDG_STATE_HOME/weft", home->dir);
    *state = home;
    return env_init(&home->env, "weft", &err) ? 0 : -1;
}

int home_setup_with_file(void **state)
{
    int rc = home_setup(state);
    struct home *home = *state;
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "-");
    free(path);
    return rc;
}

int home_teardown(void **state)
{
    struct home *home = *state;
    env_release(&home->env);
    buf_release(&home->said);
    scratch_teardown((void **)&home->dir);
    free(home->state);
    free(home);
    return 0;
}

static void note_said(void *self, const char *text)
{
    struct home *home = self;
    buf_add_string(&home->said, text);
    buf_add_byte(&home->said, '\n');
}

struct replica_port home_port(struct home *home)
{
    return (struct replica_port){.self = home, .said = note_said};
}

bool home_was_said(const struct home *home, const char *words)
{
    return home->said.len && memmem(home->said.data, home->said.len, words, strlen(words));
}

size_t home_entries(const struct home *home, const char *name)
{
    char *path = xformat("%s/%s", home->state, name);
    DIR *dir = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    free(path);
    return count;
}

struct replica *home_open(struct home *home, const char *name)
{
    return home_open_with(home, name, &(struct replica_options){.port = home_port(home), .name = "ada"});
}

struct replica *home_open_with(struct home *home, const char *name, const struct replica_options *options)
{
    struct error err = {0};
    char *path = scratch_file(home->dir, name);
    struct replica *replica = replica_open(&home->env, path, (struct bytes){0}, options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    free(path);
    return replica;
}

void home_close(struct replica *replica)
{
    struct error err = {0};
    if (!replica_close(replica, 0, NULL, &err))
        fail_msg("%s", err.text);
}

void home_type(struct replica *replica, uint64_t at, const char *text)
{
    struct patch patch = {0};
    struct error err = {0};
    patch_retain(&patch, at);
    patch_insert(&patch, bytes_of_string(text));
    if (!replica_edit(replica, &patch, selection_at(at + strlen(text)), EDIT_TYPING, &err))
        fail_msg("%s", err.text);
    patch_release(&patch);
}

void home_insert(struct replica *replica, const char *text)
{
    struct patch patch = {0};
    struct error err = {0};
    patch_insert(&patch, bytes_of_string(text));
    if (!replica_edit(replica, &patch, selection_at(strlen(text)), EDIT_WHOLE, &err))
        fail_msg("%s", err.text);
    patch_release(&patch);
}

void home_save(struct replica *replica, const char *path)
{
    struct error err = {0};
    if (!replica_save_now(replica, path, &err))
        fail_msg("%s", err.text);
}

char *home_text(const struct replica *replica)
{
    const struct rope *text = replica_buffer(replica)->text;
    struct buf out = {0};
    rope_append_to(text, 0, rope_len(text), &out);
    char *copy = xstrdup(buf_string(&out));
    buf_release(&out);
    return copy;
}

size_t home_count(const struct replica *replica, char letter)
{
    size_t count = 0;
    char *text = home_text(replica);
    for (const char *at = text; *at; at++)
        count += *at == letter;
    free(text);
    return count;
}

void home_expect_text(const struct replica *replica, const char *expected)
{
    char *text = home_text(replica);
    assert_string_equal(text, expected);
    free(text);
}

void home_expect_remark(const struct replica *replica, home_remark *say, const char *expected)
{
    struct buf remark = {0};
    say(replica, &remark);
    assert_string_equal(buf_string(&remark), expected);
    buf_release(&remark);
}

void home_wait(struct replica *a, struct replica *b, home_condition *condition)
{
    uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS;
    while (!condition(a, b)) {
        assert_true(net_now_ms() < until_ms);
        replica_wait(a, HOME_STEP_MS);
        if (b)
            replica_wait(b, HOME_STEP_MS);
    }
}

bool home_is_kept(struct replica *a, struct replica *b)
{
    struct replica_status status;
    (void)b;
    replica_status(a, net_now_ms(), &status);
    return status.kept && !status.edits_in_memory;
}

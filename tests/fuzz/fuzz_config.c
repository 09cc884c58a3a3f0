/*
 * Any text as the configuration file. What is taken holds its bounds; what is refused leaves the defaults and a sentence; where
 * only single settings are left out there is one too.
 */
#include <stdint.h>
#include <string.h>

#include "app/config.h"
#include "app/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `weft config name` changes a configuration as it was written: it stays one, and has the name. */
static void check_renamed(struct bytes text, const struct config *config)
{
    struct buf changed = {0};
    struct error err = {0};
    struct config renamed;
    ensure(json_replace_text(text, "name", "Ada \"L\"", &changed, &err));
    if (config_parse(&renamed, buf_view(&changed), &err) != CONFIG_UNUSED) { /* not where the key is written in another way too */
        ensure(renamed.name && strcmp(renamed.name, "Ada \"L\"") == 0);
        ensure(renamed.tab_width == config->tab_width && renamed.vim_keys == config->vim_keys);
        ensure(!renamed.relay == !config->relay);
    } else {
        ensure(memchr(text.data, '\\', text.len));
    }
    config_release(&renamed);
    buf_release(&changed);
}

static void check_taken(const struct config *config)
{
    ensure(config->tab_width >= 1 && config->tab_width <= 16);
    ensure(config->indent_spaces >= 0 && config->indent_spaces <= 16);
    ensure(config->merge_ms >= 1 && config->merge_ms <= 3600 * 1000);
}

static void check_refused(const struct config *config, const struct error *err)
{
    struct config defaults;
    config_defaults(&defaults);
    ensure(err->code != ERR_NONE && err->text[0]);
    ensure(!config->name && !config->relay && !config->relay_token_file);
    ensure(config->tab_width == defaults.tab_width && config->indent_spaces == defaults.indent_spaces);
    ensure(config->line_numbers == defaults.line_numbers && config->vim_keys == defaults.vim_keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct error err = {0};
    if (size > CONFIG_BYTES_MAX)
        return 0;
    enum config_found found = config_parse(&config, bytes_of(data, size), &err);
    ensure((found == CONFIG_GOOD) == (err.code == ERR_NONE));
    if (found != CONFIG_UNUSED) {
        check_taken(&config);
        check_renamed(bytes_of(data, size), &config);
    } else {
        check_refused(&config, &err);
    }
    config_release(&config);
    return 0;
}

/*
 * verb_list - the verbs' bodies, one file each (app/verb_NAME.c), and their options. Only verbs.c reads this.
 */
#ifndef WEFT_APP_VERB_LIST_H
#define WEFT_APP_VERB_LIST_H

#include "app/args.h"
#include "app/env.h"

int verb_edit_run(struct env *env, const struct args *args);
int verb_share_run(struct env *env, const struct args *args);
int verb_join_run(struct env *env, const struct args *args);
int verb_links_run(struct env *env, const struct args *args);
int verb_unshare_run(struct env *env, const struct args *args);
int verb_sync_run(struct env *env, const struct args *args);
int verb_relay_run(struct env *env, const struct args *args);
int verb_demo_run(struct env *env, const struct args *args);
int verb_cat_run(struct env *env, const struct args *args);
int verb_apply_run(struct env *env, const struct args *args);
int verb_verify_run(struct env *env, const struct args *args);
int verb_log_run(struct env *env, const struct args *args);
int verb_blame_run(struct env *env, const struct args *args);
int verb_diff_run(struct env *env, const struct args *args);
int verb_undo_run(struct env *env, const struct args *args);
int verb_docs_run(struct env *env, const struct args *args);
int verb_forget_run(struct env *env, const struct args *args);
int verb_doctor_run(struct env *env, const struct args *args);
int verb_config_run(struct env *env, const struct args *args);
int verb_key_run(struct env *env, const struct args *args);
int verb_help_run(struct env *env, const struct args *args);
int verb_man_run(struct env *env, const struct args *args);
int verb_completions_run(struct env *env, const struct args *args);

#endif

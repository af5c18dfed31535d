/* run.h - the functions behind the rows of verbs.c, by the file they stand in. */
#pragma once
#include "app/cli/verb.h"

/* server.c */
int cli_serve(const struct call *c);
int cli_role(const struct call *c);
int cli_status(const struct call *c);
int cli_info(const struct call *c);
int cli_stop(const struct call *c);
int cli_reload(const struct call *c);
int cli_loglevel(const struct call *c);
int cli_reopen(const struct call *c);

/* account.c */
int cli_account_add(const struct call *c);
int cli_account_list(const struct call *c);
int cli_account_rm(const struct call *c);
int cli_account_disable(const struct call *c);
int cli_account_enable(const struct call *c);
int cli_account_passwd(const struct call *c);
int cli_account_import_hash(const struct call *c);
int cli_address_add(const struct call *c);
int cli_address_list(const struct call *c);
int cli_address_rm(const struct call *c);
int cli_alias_add(const struct call *c);
int cli_alias_list(const struct call *c);
int cli_alias_rm(const struct call *c);

/* mailbox.c */
int cli_mailbox_list(const struct call *c);
int cli_mailbox_create(const struct call *c);
int cli_mailbox_rename(const struct call *c);
int cli_mailbox_rm(const struct call *c);
int cli_mailbox_subscribe(const struct call *c);
int cli_mailbox_unsubscribe(const struct call *c);
int cli_mailbox_use(const struct call *c);
int cli_account_quota(const struct call *c);
int cli_account_junk_flags(const struct call *c);

/* import.c */
int cli_import_maildir(const struct call *c);
int cli_import_mbox(const struct call *c);
int cli_import_imap(const struct call *c);

/* export.c */
int cli_export_maildir(const struct call *c);
int cli_export_mbox(const struct call *c);

/* search.c */
int cli_search_status(const struct call *c);
int cli_search_rebuild(const struct call *c);

/* storage.c */
int cli_queue_list(const struct call *c);
int cli_queue_rm(const struct call *c);
int cli_store_check(const struct call *c);
int cli_store_backup(const struct call *c);
int cli_store_restore(const struct call *c);

/* verbs.c */
int cli_help(const struct call *c);
int cli_version(const struct call *c);
int cli_completion(const struct call *c);

/* sandbox.c */
int cli_sandbox(const struct call *c);

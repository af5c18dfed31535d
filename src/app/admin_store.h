/* admin_store.h - the verbs of admin.h that concern mailboxes, the queue and the store as a whole. */
#pragma once
#include "app/admin.h"

/* admin_mailbox.c */
bool admin_mailbox_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_mailbox_create(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_mailbox_rename(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_mailbox_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_mailbox_subscribe(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_mailbox_use(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_account_quota(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_account_junk(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);

/* admin_search.c */
bool admin_search_status(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_search_rebuild(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);

/* admin_store.c */
bool admin_queue_list(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_queue_rm(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_store_check(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
bool admin_store_backup(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);

/* carry_in.h - the role's half of account.import and account.export (carry.h). */
#pragma once
#include "app/admin.h"

/* {"account": NAME, "dry": bool}, and a socket in ad->fd. */
bool admin_account_import(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);
/* {"account": NAME, "only": "A,B*"}, and a socket in ad->fd. */
bool admin_account_export(struct admin *ad, json_t *args, json_t *out, struct arena *a, struct err *e);

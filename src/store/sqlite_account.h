/* sqlite_account.h - the account's row inside a read; for store/ only. */
#pragma once
#include "store/account.h"
#include "store/sqlite_tx.h"

/* Columns 0.. of a SELECT that makes a struct account, from `account a`. */
#define ACCOUNT_COLUMNS   "a.id, a.name, a.disabled, a.created_ms, a.octets_max, a.messages_max, a.octets, a.messages"
#define ACCOUNT_COLUMNS_N 8
struct account account_row(const struct rows *r, struct arena *a);

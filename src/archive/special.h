/* special.h - mailboxes that have a use by their usual names (RFC 6154). Pure. */
#pragma once
#include "base/str.h"
#include "store/mailbox.h"

/* "Sent Items", "Gesendet", "INBOX/Sent", "[Gmail]/Sent Mail": USE_SENT. Most names have none. */
enum special_use special_use_of(struct str name);

/* say.h - writing what the grammar of responses wants (RFC 3501 9). */
#pragma once
#include "base/buf.h"
#include "store/mailbox.h"

/* Quoted when it can be, else a literal. */
void say_string(struct buf *b, struct str s);
/* NIL when absent. */
void say_nstring(struct buf *b, struct str s, bool present);
/* A mailbox name: modified UTF-7, an atom when it can be. */
void say_mailbox(struct buf *b, struct str utf8);
/* Plain: UTF-8 as it stands, for who has said that it reads that (struct cmd's utf8). */
void say_mailbox_as(struct buf *b, struct str utf8, bool plain);
/* An atom when it can be, else a string. */
void say_astring(struct buf *b, struct str s);
/* "(\Seen \Recent word)" */
void say_flags(struct buf *b, unsigned flags, bool recent, struct str keywords);

/* imap_impl.h - what the files of the IMAP client share: its state, and the reader of responses.
 *
 * A response is lines and literals by turns.  The reader keeps one line at a
 * time; when a literal is taken the line that follows it is read at once.  So
 * what must outlive the next literal is copied into the arena of the response.
 */
#pragma once
#include "client/imap.h"

#define CAPABILITIES_MAX (8u << 10)
#define NAMESPACES_MAX   32

struct imap_client {
	struct io *io;
	int64_t wait_ms;
	uint32_t tag;
	struct buf line;         /* of the response */
	struct str rest;         /* of the line */
	struct arena arena;      /* of the response */
	struct buf capabilities; /* blank-separated, as announced last */
	bool preauth;            /* the greeting let us in */
	bool fetching;           /* imap_fetch() waits for its end */
	char mechanism[24];
	struct arena life; /* of what follows */
	bool spaces_known;
	char delimiter;      /* 0: no hierarchy */
	struct str personal; /* prefix, wire */
	struct str foreign[NAMESPACES_MAX];
	size_t nforeign;
	struct err said; /* BYE, or what broke the grammar */
};

/* What came: "* ..." (at the word or number behind the star), "+ ...", or the answer to our command. */
enum response { RESPONSE_DATA, RESPONSE_MORE, RESPONSE_DONE, RESPONSE_END };
enum answer { ANSWER_OK, ANSWER_NO, ANSWER_BAD };
struct status { /* of RESPONSE_DONE, or of an untagged OK, NO, BAD, BYE, PREAUTH */
	enum answer answer;
	struct str code; /* between the brackets */
	struct str text;
};

/* imap_read.c */
/* The next response; *st is set with RESPONSE_DONE. */
enum response imap_response(struct imap_client *c, struct status *st, struct err *e);
/* The rest of this response, whatever it is. */
bool imap_skip(struct imap_client *c, struct err *e);
/* resp-text behind the word OK, NO, ...: takes a CAPABILITY code in. */
void imap_status(struct imap_client *c, struct status *st);
bool imap_broken(struct imap_client *c, struct err *e,
		 const char *expected); /* always false; the conversation is over */
bool imap_char(struct imap_client *c, char want, struct err *e);
bool imap_try(struct imap_client *c, char want);
bool imap_word(struct imap_client *c, struct str *out, struct err *e); /* atom-like: up to blank, parenthesis */
bool imap_number(struct imap_client *c, uint64_t max, uint64_t *out, struct err *e);
bool imap_text(struct imap_client *c, struct str *out, bool *nil, struct err *e); /* atom, quoted or literal: copied */
bool imap_value(struct imap_client *c, struct err *e);                            /* any one value, passed over */
/* flags in parentheses; keywords go to the arena of the response */
bool imap_flags(struct imap_client *c, unsigned *flags, struct str *keywords, struct err *e);
/* nstring into a sink; see imap_fetch_next. */
bool imap_body(struct imap_client *c, struct sink *to, uint64_t max, uint64_t *octets, bool *skipped, struct err *e);

/* imap.c */
void imap_capabilities(struct imap_client *c, struct str words);
/* Send what is in `b` as a command (the tag comes in front), read until it is answered. `take` is given each piece of
 * data: at its first word, the number before it in *number; false is an error. NULL: all is passed over. */
typedef bool (*imap_take)(struct imap_client *c, struct str word, uint64_t number, void *ctx, struct err *e);
bool imap_command(struct imap_client *c, struct buf *b, imap_take take, void *ctx, struct status *st, struct err *e);
bool imap_send(struct imap_client *c, struct str text, struct err *e);
bool imap_answered(const struct status *st, const char *what, struct err *e);

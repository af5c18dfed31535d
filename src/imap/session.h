/* session.h - one IMAP connection, and the command it is doing.
 *
 * A session that waits (mostly in IDLE) is this struct, its view, and
 * nothing else: what a command needs lives in the command's arena and ends
 * with it; a command that is still being collected owns a `struct gather`.
 * A handler returns its tagged reply, so it cannot answer twice or forget to.
 *
 * One worker at a time has a session; only `idler` is reached by another
 * thread (the bell's), under the lock in idle.c.
 */
#pragma once
#include "imap/imap.h"
#include "imap/parse.h"
#include "imap/view.h"

#define IMAP_TAG_MAX      64  /* octets of a tag */
#define IMAP_KEYWORDS_MAX 300 /* different keywords in one mailbox */
#define IMAP_LOGIN_TRIES  10  /* failed logins, then BYE */

enum state { BEFORE_LOGIN = 1, LOGGED_IN = 2, SELECTED = 4 };
enum expects { EXPECT_COMMAND, EXPECT_LITERAL, EXPECT_REST, EXPECT_SASL, EXPECT_DONE, EXPECT_TLS };

/* The tagged answer.  REPLY_NONE: not yet (AUTHENTICATE, IDLE), or BYE has been said. */
enum reply_kind { REPLY_NONE, REPLY_OK, REPLY_NO, REPLY_BAD };
struct reply {
	enum reply_kind kind;
	struct str code; /* "TRYCREATE"; empty: none */
	struct str text;
};
#define OK(text)             ((struct reply){ REPLY_OK, STR_NONE, STR(text) })
#define NO(text)             ((struct reply){ REPLY_NO, STR_NONE, STR(text) })
#define NO_CODE(code, text)  ((struct reply){ REPLY_NO, STR(code), STR(text) })
#define BAD(text)            ((struct reply){ REPLY_BAD, STR_NONE, STR(text) })
#define BAD_CODE(code, text) ((struct reply){ REPLY_BAD, STR(code), STR(text) })

struct gather; /* gather.c: a command on its way in */
struct notify;

/* An idling session in the list of its account's bell slot. */
struct idler {
	struct idler *next, **link; /* guarded by the lock in idle.c; link NULL: in no list */
	struct store *store;
	struct conn *conn;
};

struct session {
	struct peer *peer;
	struct io *io;
	struct imap_conf *conf;
	enum state state;
	enum expects expects;
	bool greeted;   /* a first command has been understood */
	bool condstore; /* modseqs go with flags (RFC 7162 3.1) */
	bool qresync;   /* VANISHED instead of EXPUNGE (RFC 7162 3.2) */
	bool utf8;      /* UTF8=ACCEPT (RFC 6855): names and strings may be UTF-8 */
	bool rev2;      /* IMAP4rev2 (RFC 9051): ESEARCH for SEARCH, no RECENT, UTF-8 names */
	bool uidonly;   /* RFC 9586 */
	unsigned bad, failed;
	char tag[IMAP_TAG_MAX + 1]; /* of AUTHENTICATE and IDLE while they last */
	int64_t account;
	struct arena life; /* the account's name */
	struct str account_name;
	struct view *view;     /* SELECTED */
	struct uid_run *saved; /* SEARCHRES: what "$" names (RFC 5182); heap */
	size_t nsaved;
	struct gather *gather;
	struct auth_exchange *exchange;
	bool exchange_ends; /* the server's last data is sent; an empty line ends the exchange */
	struct idler idler;
	struct notify *notify; /* notify.c; NULL: the client has not used NOTIFY */
};

/* A message whose flags this command has shown, as of a modseq: tell.c does not repeat it. */
struct told {
	uint32_t uid;
	uint64_t modseq;
};
struct cmd {
	struct arena *a;
	struct parser in; /* behind "tag NAME " */
	struct str tag;
	const struct command *command;
	bool uid;          /* UID FETCH, UID STORE, ... */
	bool utf8;         /* what the client enabled, for the parser and for what is said */
	struct told *told; /* ascending by UID */
	size_t ntold, told_cap;
	struct next next; /* what the session wants afterwards */
};

/* command.c: do a whole command and answer it. */
struct next command_run(struct session *s, struct str whole);
/* Is this the beginning of a command we know?  What a client sends first must be. */
bool command_looks_right(struct str line);
void reply_send(struct session *s, struct str tag, const struct reply *r);
struct reply reply_err(struct cmd *c, const struct err *e);
struct reply reply_bad(struct cmd *c); /* what the parser expected */
struct next want_line(struct session *s);
struct next say_bye(struct session *s, const char *text);
void cmd_told(struct cmd *c, uint32_t uid, uint64_t modseq);
void condstore_on(struct session *s); /* a command that enables CONDSTORE (RFC 7162 3.1) was given */

/* gather.c: collecting a command that has literals. */
struct next gather_line(struct session *s, struct str line);
struct next gather_octets(struct session *s, const struct unit *in);
void gather_drop(struct session *s);

/* tell.c: what happened in the selected mailbox since we last told. */
enum tell { TELL_NO_EXPUNGE, TELL_ALL };
bool tell(struct session *s, struct cmd *c, enum tell what, bool look, struct err *e);
void tell_keywords(struct session *s, struct str keywords, struct arena *a);
void say_fetch_flags(struct session *s, struct buf *b, const struct msg *m, uint32_t seq, bool uid);
/* "* 12 FETCH (", and "UID 7 " behind it when asked for; after ENABLE UIDONLY "* 7 UIDFETCH (". */
void say_fetch_open(const struct session *s, struct buf *b, uint32_t seq, uint32_t uid, bool with_uid);
/* Those of the set that went after `modseq` and have no number in this session: "* VANISHED (EARLIER) ...". */
bool say_vanished_earlier(struct session *s, struct cmd *c, const struct set *set, uint64_t modseq, struct err *e);
/* The same for a resolved set, and the flags of those that changed (RFC 7162 3.2.5). None went up to UID `kept`. */
bool say_resync(struct session *s, struct cmd *c, const struct set *known, uint32_t kept, uint64_t modseq,
		struct err *e);

/* select.c */
void session_unselect(struct session *s);

/* saved.c: view_resolve() for a set that may be "$" (RFC 5182). */
bool session_resolve(struct session *s, const struct set *set, bool by_uid, struct arena *a, struct uid_run **runs,
		     size_t *n);

/* login.c */
struct next sasl_line(struct session *s, struct str line);

/* idle.c.  Entering twice is once. */
void idle_enter(struct session *s);
struct next idle_wake(struct session *s);
struct next idle_line(struct session *s, struct str line);
void idle_leave(struct session *s);

/* capability.c */
struct str capabilities(struct session *s, struct arena *a);

/* The handlers, by file. */
struct reply cmd_capability(struct session *s, struct cmd *c);
struct reply cmd_noop(struct session *s, struct cmd *c);
struct reply cmd_logout(struct session *s, struct cmd *c);
struct reply cmd_id(struct session *s, struct cmd *c);
struct reply cmd_enable(struct session *s, struct cmd *c);
struct reply cmd_namespace(struct session *s, struct cmd *c);
struct reply cmd_starttls(struct session *s, struct cmd *c);
struct reply cmd_login(struct session *s, struct cmd *c);
struct reply cmd_authenticate(struct session *s, struct cmd *c);
struct reply cmd_select(struct session *s, struct cmd *c);
struct reply cmd_examine(struct session *s, struct cmd *c);
struct reply cmd_close(struct session *s, struct cmd *c);
struct reply cmd_unselect(struct session *s, struct cmd *c);
struct reply cmd_create(struct session *s, struct cmd *c);
struct reply cmd_delete(struct session *s, struct cmd *c);
struct reply cmd_rename(struct session *s, struct cmd *c);
struct reply cmd_subscribe(struct session *s, struct cmd *c);
struct reply cmd_unsubscribe(struct session *s, struct cmd *c);
struct reply cmd_list(struct session *s, struct cmd *c);
struct reply cmd_lsub(struct session *s, struct cmd *c);
struct reply cmd_status(struct session *s, struct cmd *c);
struct reply cmd_append(struct session *s, struct cmd *c);
struct reply cmd_expunge(struct session *s, struct cmd *c);
struct reply cmd_search(struct session *s, struct cmd *c);
struct reply cmd_fetch(struct session *s, struct cmd *c);
struct reply cmd_store(struct session *s, struct cmd *c);
struct reply cmd_copy(struct session *s, struct cmd *c);
struct reply cmd_move(struct session *s, struct cmd *c);
struct reply cmd_idle(struct session *s, struct cmd *c);
struct reply cmd_sort(struct session *s, struct cmd *c);
struct reply cmd_thread(struct session *s, struct cmd *c);
struct reply cmd_replace(struct session *s, struct cmd *c);
struct reply cmd_compress(struct session *s, struct cmd *c);
struct reply cmd_getquota(struct session *s, struct cmd *c);
struct reply cmd_getquotaroot(struct session *s, struct cmd *c);
struct reply cmd_setquota(struct session *s, struct cmd *c);
struct reply cmd_getmetadata(struct session *s, struct cmd *c);
struct reply cmd_setmetadata(struct session *s, struct cmd *c);
struct reply cmd_notify(struct session *s, struct cmd *c);

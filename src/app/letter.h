/* letter.h - what parent and role say to each other over the socket a role is born with.
 *
 * A letter is a kind, an id and octets, sometimes with descriptors.  The
 * socket keeps message boundaries (SOCK_SEQPACKET); what is longer than one
 * message travels in parts, the last of them marked, descriptors with the
 * first.  Letters of one direction are never interleaved: who sends holds the
 * sender's lock for the whole letter.
 *
 * Birth is a series of letters that ends with LETTER_GO; after it the parent
 * sends what changes (certificates, tickets, levels), questions of the control
 * socket, and the wish to leave.  Both ends are the same binary, so there is no
 * version in it.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <pthread.h>

#define LETTER_PART (32u << 10) /* octets in one message of the socket */
#define LETTER_MAX  (16u << 20) /* octets of a whole letter */
#define LETTER_FDS  16

enum letter_kind {
	/* parent to role */
	LETTER_CONFIG = 1, /* the configuration's text (conf_pack) */
	LETTER_LISTEN,     /* one descriptor; id = place in the listener table (sockets.h) */
	LETTER_SHARED,     /* store_shared_new()'s descriptor */
	LETTER_LOCK,       /* the data folder's lock: held until the last role is gone */
	LETTER_LOG,        /* descriptor of the log file, at birth and after rotation */
	LETTER_CERT,       /* PEM chain; id = role_rank() of the listener << 8 | which certificate */
	LETTER_KEY,        /* its PEM key; same id */
	LETTER_SWAP,       /* the certificates that came are to be used now */
	LETTER_TICKETS,    /* ticket keys, newest first */
	LETTER_LEVEL,      /* "MODULE LEVEL"; id 0 */
	LETTER_FOLDER,     /* a folder outside the store that this role may write (backup) */
	LETTER_GO,         /* birth is complete; id = generation */
	LETTER_ASK,        /* JSON question of the control socket; answer bears the same id */
	LETTER_DRAIN,      /* leave, sessions may finish within id milliseconds */
	/* role to parent */
	LETTER_READY,    /* JSON: how it is fenced */
	LETTER_FAILED,   /* why it cannot begin; it exits after */
	LETTER_PROGRESS, /* JSON: how far question id has come */
	LETTER_ANSWER,   /* JSON: the answer to question id */
};

struct letter {
	enum letter_kind kind;
	uint32_t id;
	struct str text; /* the reader's, valid until its next letter */
	int fd;          /* -1: none came; else the receiver's to close */
};

/* Sending. The lock makes a letter one piece; a zero-initialised post with its mutex is ready. */
struct post {
	int sock;
	pthread_mutex_t mu;
};
void post_open(struct post *p, int sock);
/* fd -1: none.  False: the other side is gone, or took nothing for five seconds. */
bool post_send(struct post *p, enum letter_kind kind, uint32_t id, struct str text, int fd, struct err *e);

/* Receiving: one message a call. */
struct letters {
	int sock;
	struct buf part; /* of the letter that is not whole yet */
	int fd;
};
enum letter_got { LETTER_GOT, LETTER_PARTIAL, LETTER_END, LETTER_BAD };
void letters_open(struct letters *l, int sock);
/* LETTER_PARTIAL: call again; LETTER_BAD: the other side talks nonsense. Blocks as the socket does. */
enum letter_got letters_next(struct letters *l, struct letter *out, struct err *e);
void letters_close(struct letters *l); /* not the socket */

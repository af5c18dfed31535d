/* settings.h - the configuration as values: what conf.c's tree means.
 *
 * conf.h reads words and braces and checks them against the one table
 * (keys.c); settings_from() then fills these structs, defaults included.
 * Immutable for a process's life; lives in the arena given.  The parent reads
 * the files, checks them, and sends the *text* (all files, includes resolved)
 * to each role, which parses it again: no pointers cross processes.
 * Secrets are named here, never held.
 */
#pragma once
#include "base/log.h"
#include "imap/imap.h"
#include "net/addr.h"
#include "smtp/smtp.h"
#include "store/account.h"

enum service { /* what a listener offers; the role that serves it stands in roles.c */
	       SERVICE_SMTP,
	       SERVICE_SUBMISSION,
	       SERVICE_SUBMISSIONS,
	       SERVICE_IMAP,
	       SERVICE_IMAPS,
	       SERVICE_LOCAL,
	       SERVICE_LMTP,
};
struct secret_ref { /* `secret PATH` or `secret cred:NAME`, as written */
	struct str path;
	const char *where; /* "file:line:column" for errors */
};
struct tls_ref { /* tls cert PATH secret PATH */
	struct str cert;
	struct secret_ref key;
};
struct listen_service {
	enum service service;
	uint16_t port;    /* TCP, on each address of the listener */
	struct str path;  /* or unix:PATH */
	unsigned mode;    /* 0660 */
	struct str group; /* empty = the sluice group / the caller's */
	const char *where;
};
struct listen_conf {
	struct str name;
	struct addr *addresses;
	size_t naddresses;
	struct listen_service *services;
	size_t nservices;
	struct tls_ref *tls;
	size_t ntls;
	bool auth_in_clear;
	const char *where;
};
struct log_module { /* level MODULE LEVEL */
	struct str module;
	enum log_level level;
};
/* What one configuration may have. */
#define SETTINGS_LISTENERS    256
#define SETTINGS_CERTIFICATES 255  /* of one listener */
#define SETTINGS_MODULES      63   /* with a log level of their own: what the log holds */
#define SETTINGS_SOCKETS      1000 /* addresses times ports, and sockets in the file system */

struct settings {
	struct str host, admin, user; /* user: "sluice" */
	struct str store_dir;         /* /var/lib/sluice */
	struct str run_dir;           /* /run/sluice: control.sock, auth.sock, sluice.pid */
	struct log_conf log;
	struct log_module *log_modules; /* for log_level_set() after log_open() */
	size_t nlog_modules;
	const char *log_where; /* of `to` */
	struct listen_conf *listens;
	size_t nlistens;
	struct address_rules rules; /* domains, postmaster */
	struct smtp_limits mx, submission, local;
	struct imap_limits imap;
	bool cram_md5, repair_bare, hide_client, imap_search;
	unsigned scram_iterations, auth_workers;
	struct {
		unsigned workers, connections, network_share, handshake_share;
		int64_t linger_ms, handshake_ms, busy_ms;
		unsigned address_open,
		    network_open; /* "30 at once" for each address and network, until limits are written out */
	} pen;
	struct {
		uint64_t reserve, wal_turn, wal_max, staging;
		unsigned readers;
	} store;
	struct {
		int64_t write_ms, stop_ms; /* a door's own times stand in its limits */
		uint32_t min_rate;
	} times;
	bool sandbox;
};

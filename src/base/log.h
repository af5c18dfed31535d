/* log.h - one event, one line: a dotted name and key=value pairs.
 *
 * The part of the name before the first dot is the module; levels are set per
 * module while we run.  Values are escaped by the writer, since most come from
 * strangers.  Each line is written by one write(2), so lines of several
 * processes do not mix.
 *
 *	log_info("smtp.accepted", KV("id", id), KVN("size", n));
 *	2026-11-21T10:00:00.123Z info smtp.accepted id=c3k9 size=4096
 *
 * Configure once before threads start; log_* and log_level_set are safe in any thread.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
enum log_to { LOG_STDERR, LOG_SYSLOG, LOG_FILE }; /* syslog: facility MAIL, ident "sluice" */

struct log_kv {
	const char *key; /* NULL ends the list */
	struct str text;
	int64_t num;
	bool is_num, quoted;
};
#define KV(k, s)  ((struct log_kv){ .key = (k), .text = (s) })
#define KVZ(k, z) ((struct log_kv){ .key = (k), .text = str_of(z) })
/* Always in quotes, as the line of a failed login shows the user: filters match it so. */
#define KVQ(k, s) ((struct log_kv){ .key = (k), .text = (s), .quoted = true })
#define KVN(k, v) ((struct log_kv){ .key = (k), .num = (int64_t)(v), .is_num = true })

struct log_conf {
	enum log_to to;
	const char *file; /* LOG_FILE: opened for append; reopened by log_reopen() */
	bool json;
	enum log_level level;
	const char *role; /* ends each line as role=...; NULL = none */
};
bool log_open(const struct log_conf *conf, struct err *e);
/* After rotation.  A new file that cannot be opened leaves the old one in use. */
bool log_reopen(struct err *e);
/* For LOG_FILE in a fenced role: use this descriptor, which the parent opened. */
void log_use_fd(int fd);
/* module "" sets the level of all modules.  False: no such level / table full (64 modules). */
bool log_level_set(struct str module, enum log_level level);
bool log_level_parse(struct str s, enum log_level *level); /* error warn notice info debug */
const char *log_level_name(enum log_level level);
bool log_wants(enum log_level level, const char *event);

void log_write(enum log_level level, const char *event, const struct log_kv *kv);
#define LOG_AT(level, event, ...)                                                                   \
	do {                                                                                        \
		if (log_wants((level), (event)))                                                    \
			log_write((level), (event), (const struct log_kv[]){ __VA_ARGS__, { 0 } }); \
	} while (0)
#define log_error(event, ...)  LOG_AT(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)   LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define log_notice(event, ...) LOG_AT(LOG_NOTICE, event, __VA_ARGS__)
#define log_info(event, ...)   LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)  LOG_AT(LOG_DEBUG, event, __VA_ARGS__)

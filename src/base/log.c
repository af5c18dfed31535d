#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MODULES       64
#define MODULE_NAME   24
#define VALUE_MAX     1024 /* of one value: a line stays one write(2) */
#define FACILITY_MAIL (2 << 3)

static const char *const level_names[] = { "error", "warn", "notice", "info", "debug" };
static const int syslog_severity[] = { 3, 4, 5, 6, 7 }; /* RFC 5424 6.2.1 */

static struct {
	struct log_conf conf;
	char path[4096], role[32];
	atomic_int fd;
	pthread_mutex_t mu; /* guards modules while they change, and reopening */
	struct module {
		char name[MODULE_NAME];
		atomic_int level;
	} modules[MODULES];
	atomic_uint nmodules; /* only grows: readers need no lock */
	atomic_int level;
} state = { .fd = STDERR_FILENO, .mu = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO };

static int open_syslog(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

bool log_open(const struct log_conf *conf, struct err *e)
{
	int fd = STDERR_FILENO;
	if (conf->to == LOG_SYSLOG)
		fd = open_syslog();
	else if (conf->to == LOG_FILE)
		fd = open_file(conf->file);
	if (fd < 0)
		return err_sys(e, "open log", conf->to == LOG_FILE ? conf->file : "/dev/log");
	state.conf = *conf;
	snprintf(state.path, sizeof state.path, "%s", conf->file ? conf->file : "");
	snprintf(state.role, sizeof state.role, "%s", conf->role ? conf->role : "");
	atomic_store(&state.level, (int)conf->level);
	log_use_fd(fd);
	return true;
}

void log_use_fd(int fd)
{
	int old = atomic_exchange(&state.fd, fd);
	if (old != fd && old > STDERR_FILENO)
		close(old);
}

bool log_reopen(struct err *e)
{
	if (state.conf.to == LOG_STDERR)
		return true;
	pthread_mutex_lock(&state.mu);
	int fd = state.conf.to == LOG_FILE ? open_file(state.path) : open_syslog();
	bool ok = fd >= 0 || err_sys(e, "reopen log", state.conf.to == LOG_FILE ? state.path : "/dev/log");
	/* dup2 keeps the number, so a line being written in another thread goes to one file or the other. */
	int used = atomic_load(&state.fd);
	if (ok && used > STDERR_FILENO) {
		ok = dup3(fd, used, O_CLOEXEC) >= 0 || err_sys(e, "reopen log", "descriptor");
		close(fd);
	} else if (ok) {
		atomic_store(&state.fd, fd);
	}
	pthread_mutex_unlock(&state.mu);
	return ok;
}

bool log_level_parse(struct str s, enum log_level *level)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (str_eqi(s, str_of(level_names[i]))) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

static struct module *module_find(struct str name)
{
	unsigned n = atomic_load(&state.nmodules);
	for (unsigned i = 0; i < n; i++)
		if (str_eq(name, str_of(state.modules[i].name)))
			return &state.modules[i];
	return NULL;
}

bool log_level_set(struct str module, enum log_level level)
{
	bool ok = true;
	pthread_mutex_lock(&state.mu);
	struct module *m = module_find(module);
	unsigned n = atomic_load(&state.nmodules);
	if (module.n == 0) {
		atomic_store(&state.level, (int)level);
		for (unsigned i = 0; i < n; i++)
			atomic_store(&state.modules[i].level, (int)level);
	} else if (m) {
		atomic_store(&m->level, (int)level);
	} else if (n < MODULES && module.n < MODULE_NAME) {
		memcpy(state.modules[n].name, module.p, module.n);
		atomic_store(&state.modules[n].level, (int)level);
		atomic_store(&state.nmodules, n + 1);
	} else {
		ok = false;
	}
	pthread_mutex_unlock(&state.mu);
	return ok;
}

bool log_wants(enum log_level level, const char *event)
{
	int most = atomic_load_explicit(&state.level, memory_order_relaxed);
	if (atomic_load_explicit(&state.nmodules, memory_order_acquire) > 0) {
		struct str rest = str_of(event);
		struct module *m = module_find(str_cut(&rest, '.'));
		if (m)
			most = atomic_load_explicit(&m->level, memory_order_relaxed);
	}
	return (int)level <= most;
}

static void add_time(struct buf *b, int64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	gmtime_r(&s, &tm);
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		   tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
}

/* Bare when nothing in it could be mistaken, else quoted as JSON quotes. */
static void add_value(struct buf *b, struct str s, bool quoted)
{
	bool bare = s.n > 0 && !quoted;
	for (size_t i = 0; i < s.n && bare; i++)
		bare = s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '=' && s.p[i] != '\\';
	if (bare)
		buf_add(b, s);
	else
		buf_json(b, s);
}

static void add_text_line(struct buf *b, enum log_level level, const char *event, const struct log_kv *kv)
{
	buf_printf(b, "%s %s", level_names[level], event);
	for (; kv->key; kv++) {
		buf_printf(b, " %s=", kv->key);
		if (kv->is_num)
			buf_printf(b, "%lld", (long long)kv->num);
		else
			add_value(b, str_sub(kv->text, 0, VALUE_MAX), kv->quoted);
	}
	if (*state.role)
		buf_printf(b, " role=%s", state.role);
}

static void add_json_line(struct buf *b, enum log_level level, const char *event, const struct log_kv *kv)
{
	buf_addz(b, "{\"time\":\"");
	add_time(b, clock_wall_ms());
	buf_printf(b, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
	if (*state.role)
		buf_printf(b, ",\"role\":\"%s\"", state.role);
	for (; kv->key; kv++) {
		buf_printf(b, ",\"%s\":", kv->key);
		if (kv->is_num)
			buf_printf(b, "%lld", (long long)kv->num);
		else
			buf_json(b, str_sub(kv->text, 0, VALUE_MAX));
	}
	buf_addc(b, '}');
}

void log_write(enum log_level level, const char *event, const struct log_kv *kv)
{
	struct buf b = { 0 };
	if (state.conf.to == LOG_SYSLOG)
		buf_printf(&b, "<%d>sluice[%d]: ", FACILITY_MAIL | syslog_severity[level], (int)getpid());
	if (state.conf.json) {
		add_json_line(&b, level, event, kv);
	} else {
		if (state.conf.to != LOG_SYSLOG) {
			add_time(&b, clock_wall_ms());
			buf_addc(&b, ' ');
		}
		add_text_line(&b, level, event, kv);
	}
	if (state.conf.to != LOG_SYSLOG)
		buf_addc(&b, '\n');
	/* A log that cannot be written is nobody's reason to stop taking mail. */
	(void)!file_write(atomic_load(&state.fd), buf_str(&b));
	buf_free(&b);
}

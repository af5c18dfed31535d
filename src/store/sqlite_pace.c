/* Pace: which slots are taken.
 *
 * The rule "1 per T" has a row in `pace`: slot k begins at t0 + k x T; the last that was taken is remembered.  When
 * T is changed, the next may go one new T after the last.
 *
 * "N per T" counts what went in each eighth of T.  The eighth that is now and the eight before cover every window of
 * T that ends now: their sum never exceeds N.
 *
 * Wall-clock times; when the clock was set back, what is written lies in the future.  It happened before now, nobody
 * knows when: it is taken for happening now, so that nothing goes too fast and nothing waits longer than T.
 */
#include <time.h>

#include "store/sqlite_queue.h"

#define EIGHTHS     8
#define SLOT_LEAST  20 /* ms of a slot in which it can be taken */
#define SLOT_PART   20 /* or this part of it */
#define MINUTE_MS   ((int64_t)60000)
#define DAY_MINUTES 1440

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool rules_valid(const struct queue_pace *p, struct err *e)
{
	if (p->nrules > QUEUE_PACE_RULES)
		return err_set(e, ERR_PERM, "a pace has at most %d rules", QUEUE_PACE_RULES);
	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].count == 0 || p->rules[i].per_ms < QUEUE_PACE_PER_MS)
			return err_set(e, ERR_PERM, "a pace is at least 1 per %d ms", QUEUE_PACE_PER_MS);
	return true;
}

/* --- the time of day --------------------------------------------------------------------------- */

static int minute_of_day(int64_t wall_ms)
{
	struct tm tm;
	time_t s = (time_t)(wall_ms / 1000);
	return localtime_r(&s, &tm) ? tm.tm_hour * 60 + tm.tm_min : 0;
}

static bool hours_open(const struct queue_pace *p, int64_t now_wall_ms)
{
	int m = minute_of_day(now_wall_ms), from = p->from_minute, to = p->to_minute;
	if (from == to)
		return true;
	return from < to ? m >= from && m < to : m >= from || m < to;
}

/* Where a night has 23 or 25 hours the first guess is an hour off: look again from there. */
static int64_t hours_next(const struct queue_pace *p, int64_t now_wall_ms)
{
	int64_t at = now_wall_ms - now_wall_ms % MINUTE_MS;
	int ahead = (p->from_minute - minute_of_day(at) + DAY_MINUTES) % DAY_MINUTES;
	at += (ahead ? ahead : DAY_MINUTES) * MINUTE_MS;
	int off = p->from_minute - minute_of_day(at);
	if (off > DAY_MINUTES / 2)
		off -= DAY_MINUTES;
	if (off < -DAY_MINUTES / 2)
		off += DAY_MINUTES;
	return later(at + off * MINUTE_MS, now_wall_ms + 1);
}

/* --- one per T ------------------------------------------------------------------------------------ */

struct slots {
	int64_t per_ms, t0_ms, slot; /* slot: the last that was taken */
	bool used;                   /* ever */
};

/* Of several rules the slowest: it keeps the others. */
static int64_t slot_length(const struct queue_pace *p)
{
	int64_t per_ms = 0;
	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].count == 1)
			per_ms = later(per_ms, p->rules[i].per_ms);
	return per_ms;
}

static bool slots_load(struct tx *tx, struct str name, struct slots *s, struct err *e)
{
	struct rows r = sql_rows(tx, "SELECT per_ms, t0_ms, slot FROM pace WHERE name = ?1", TEXT(name));
	*s = (struct slots){ 0 };
	s->used = row_next(&r);
	if (s->used) {
		s->per_ms = row_num(&r, 0);
		s->t0_ms = row_num(&r, 1);
		s->slot = row_num(&r, 2);
	}
	return rows_end(&r, e);
}

static bool slots_save(struct tx *tx, struct str name, const struct slots *s, struct err *e)
{
	return sql_run(tx, e,
		       "INSERT INTO pace (name, per_ms, t0_ms, slot) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name)"
		       " DO UPDATE SET per_ms = ?2, t0_ms = ?3, slot = ?4",
		       TEXT(name), NUM(s->per_ms), NUM(s->t0_ms), NUM(s->slot));
}

/* The slot that begins now, if one does; else when the next does. */
static bool slot_now(const struct slots *s, int64_t now_wall_ms, int64_t *slot, int64_t *wait_wall_ms)
{
	int64_t since = now_wall_ms - s->t0_ms, part = s->per_ms / SLOT_PART;
	int64_t last = s->t0_ms + s->slot * s->per_ms;
	*slot = since / s->per_ms;
	*wait_wall_ms = later(s->t0_ms + (*slot + 1) * s->per_ms, last + s->per_ms);
	return now_wall_ms > last && *slot > s->slot && since - *slot * s->per_ms <= later(part, SLOT_LEAST);
}

static bool slot_ask(struct tx *tx, struct str name, int64_t per_ms, int64_t now_wall_ms, bool *open,
		     int64_t *wait_wall_ms, struct err *e)
{
	struct slots s;
	int64_t slot;
	if (!slots_load(tx, name, &s, e))
		return false;
	int64_t last = s.t0_ms + s.slot * s.per_ms;
	*wait_wall_ms = last + per_ms;
	*open = !s.used;
	if (!s.used)
		return true;
	if (last > now_wall_ms + s.per_ms) { /* the clock was set back */
		s = (struct slots){ .per_ms = per_ms, .t0_ms = now_wall_ms, .slot = 0 };
		*wait_wall_ms = now_wall_ms + per_ms;
		return slots_save(tx, name, &s, e);
	}
	*open = s.per_ms != per_ms ? now_wall_ms >= last + per_ms : slot_now(&s, now_wall_ms, &slot, wait_wall_ms);
	return true;
}

static bool slot_take(struct tx *tx, struct str name, int64_t per_ms, int64_t now_wall_ms, struct err *e)
{
	struct slots s;
	int64_t ignored;
	if (!slots_load(tx, name, &s, e))
		return false;
	if (s.used && s.per_ms == per_ms)
		slot_now(&s, now_wall_ms, &s.slot, &ignored);
	else
		s = (struct slots){ .per_ms = per_ms, .t0_ms = now_wall_ms, .slot = 0 };
	return slots_save(tx, name, &s, e);
}

/* --- N per T ------------------------------------------------------------------------------------------ */

static int64_t eighth_at(int64_t wall_ms, int64_t per_ms)
{
	return wall_ms / per_ms * EIGHTHS + wall_ms % per_ms * EIGHTHS / per_ms;
}

static int64_t eighth_begin(int64_t eighth, int64_t per_ms)
{
	return eighth / EIGHTHS * per_ms + (eighth % EIGHTHS * per_ms + EIGHTHS - 1) / EIGHTHS;
}

static bool used_add(struct tx *tx, struct str name, int64_t per_ms, int64_t eighth, int64_t n, struct err *e)
{
	return sql_run(tx, e,
		       "INSERT INTO pace_used (name, per_ms, eighth, n) VALUES (?1, ?2, ?3, ?4)"
		       " ON CONFLICT (name, per_ms, eighth) DO UPDATE SET n = n + ?4",
		       TEXT(name), NUM(per_ms), NUM(eighth), NUM(n));
}

static bool future_is_now(struct tx *tx, struct str name, int64_t per_ms, int64_t eighth, struct err *e)
{
	struct rows r = sql_rows(tx,
				 "SELECT coalesce(sum(n), 0) FROM pace_used WHERE name = ?1 AND per_ms = ?2"
				 " AND eighth > ?3",
				 TEXT(name), NUM(per_ms), NUM(eighth));
	int64_t n = row_next(&r) ? row_num(&r, 0) : 0;
	if (!rows_end(&r, e) || n == 0)
		return n == 0;
	return sql_run(tx, e, "DELETE FROM pace_used WHERE name = ?1 AND per_ms = ?2 AND eighth > ?3", TEXT(name),
		       NUM(per_ms), NUM(eighth)) &&
	       used_add(tx, name, per_ms, eighth, n, e);
}

/* How many of `count` are left, and when there will be one if there is none. */
static bool used_ask(struct tx *tx, struct str name, uint32_t count, int64_t per_ms, int64_t now_wall_ms, size_t *left,
		     int64_t *wait_wall_ms, struct err *e)
{
	int64_t now = eighth_at(now_wall_ms, per_ms), used[EIGHTHS + 1] = { 0 }, sum = 0;
	if (!future_is_now(tx, name, per_ms, now, e))
		return false;
	struct rows r = sql_rows(
	    tx, "SELECT eighth, n FROM pace_used WHERE name = ?1 AND per_ms = ?2 AND eighth BETWEEN ?3 AND ?4",
	    TEXT(name), NUM(per_ms), NUM(now - EIGHTHS), NUM(now));
	while (row_next(&r))
		sum += used[row_num(&r, 0) - (now - EIGHTHS)] = row_num(&r, 1);
	if (!rows_end(&r, e))
		return false;
	*left = sum < count ? (size_t)(count - sum) : 0;
	int64_t i = 0;
	for (; i <= EIGHTHS && sum >= count; i++)
		sum -= used[i];
	*wait_wall_ms = eighth_begin(now + i, per_ms);
	return true;
}

static bool used_take(struct tx *tx, struct str name, int64_t per_ms, int64_t now_wall_ms, size_t n, struct err *e)
{
	int64_t now = eighth_at(now_wall_ms, per_ms);
	return used_add(tx, name, per_ms, now, (int64_t)n, e) &&
	       sql_run(tx, e, "DELETE FROM pace_used WHERE name = ?1 AND per_ms = ?2 AND eighth < ?3", TEXT(name),
		       NUM(per_ms), NUM(now - EIGHTHS));
}

/* --- all rules ------------------------------------------------------------------------------------------ */

static bool ask_counts(struct tx *tx, const struct queue_pace *p, int64_t now_wall_ms, size_t *most,
		       int64_t *wait_wall_ms, struct err *e)
{
	for (size_t i = 0; i < p->nrules; i++) {
		size_t left;
		int64_t wait;
		if (p->rules[i].count == 1)
			continue;
		if (!used_ask(tx, p->name, p->rules[i].count, p->rules[i].per_ms, now_wall_ms, &left, &wait, e))
			return false;
		if (left == 0)
			*wait_wall_ms = later(*wait_wall_ms, wait);
		*most = left < *most ? left : *most;
	}
	return true;
}

bool pace_ask(struct tx *tx, const struct queue_pace *p, int64_t now_wall_ms, size_t *most, int64_t *wait_wall_ms,
	      struct err *e)
{
	int64_t slot_ms = slot_length(p), slot_wait = 0;
	bool slot_free = true;
	*wait_wall_ms = 0;
	if (!rules_valid(p, e))
		return false;
	if (!hours_open(p, now_wall_ms)) {
		*most = 0;
		*wait_wall_ms = hours_next(p, now_wall_ms);
		return true;
	}
	if (slot_ms > 0 && !slot_ask(tx, p->name, slot_ms, now_wall_ms, &slot_free, &slot_wait, e))
		return false;
	if (slot_ms > 0 && *most > 1)
		*most = 1;
	if (!slot_free) {
		*most = 0;
		*wait_wall_ms = slot_wait;
	}
	return ask_counts(tx, p, now_wall_ms, most, wait_wall_ms, e);
}

bool pace_take(struct tx *tx, const struct queue_pace *p, int64_t now_wall_ms, size_t n, struct err *e)
{
	int64_t slot_ms = slot_length(p);
	if (slot_ms > 0 && !slot_take(tx, p->name, slot_ms, now_wall_ms, e))
		return false;
	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].count > 1 && !used_take(tx, p->name, p->rules[i].per_ms, now_wall_ms, n, e))
			return false;
	return true;
}

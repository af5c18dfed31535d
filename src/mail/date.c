#include "mail/date.h"

#include "base/num.h"
#include "mail/lex.h"

#define DAY_S 86400

static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char weekdays[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

struct civil {
	int64_t year;
	unsigned month, day, hour, minute, second; /* month 1..12 */
	int zone;                                  /* minutes east of UTC */
};

/* Days since 1970-01-01 of the proleptic Gregorian calendar; years are counted from March, so that the leap day is
 * last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct civil civil_of(int64_t wall_ms)
{
	int64_t s = wall_ms / 1000 - (wall_ms % 1000 < 0);
	int64_t days = s / DAY_S - (s % DAY_S < 0);
	unsigned of_day = (unsigned)(s - days * DAY_S);
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	unsigned m = (unsigned)((5 * of_year + 2) / 153);
	struct civil c = { .hour = of_day / 3600, .minute = of_day / 60 % 60, .second = of_day % 60 };
	c.day = (unsigned)(of_year - (153 * (int64_t)m + 2) / 5 + 1);
	c.month = m < 10 ? m + 3 : m - 9;
	c.year = y + era * 400 + (c.month <= 2);
	return c;
}

static bool civil_ms(const struct civil *c, int64_t *wall_ms)
{
	static const unsigned char lengths[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > lengths[c->month - 1] || c->hour > 23 ||
	    c->minute > 59 || c->second > 60 || c->year < 1900 || c->year > 9999)
		return false;
	bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
	if (c->month == 2 && c->day == 29 && !leap)
		return false;
	int64_t s = days_of(c->year, c->month, c->day) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
	*wall_ms = (s - (int64_t)c->zone * 60) * 1000;
	return true;
}

static bool take_number(struct str *s, uint64_t max, unsigned *out)
{
	uint64_t n;
	if (!num_take(s, max, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

static bool take_month(struct str *s, unsigned *month)
{
	for (unsigned i = 0; i < 12; i++)
		if (str_skip(s, str_of(months[i]))) {
			*month = i + 1;
			return true;
		}
	return false;
}

/* "hh:mm[:ss]" */
static bool take_time(struct str *s, struct civil *c)
{
	if (!take_number(s, 23, &c->hour))
		return false;
	lex_cfws(s, NULL);
	if (!str_skipc(s, ':'))
		return false;
	lex_cfws(s, NULL);
	if (!take_number(s, 59, &c->minute))
		return false;
	lex_cfws(s, NULL);
	if (!str_skipc(s, ':'))
		return true;
	lex_cfws(s, NULL);
	return take_number(s, 60, &c->second);
}

/* Up to 49 of this century, else counted from 1900 (RFC 5322 4.3), as programs did that turned 1999 into 100 and then
 * wrote it with four digits: "0102" is 2002. */
static bool take_year(struct str *s, int64_t *year)
{
	size_t before = s->n;
	unsigned n;
	if (!take_number(s, 9999, &n))
		return false;
	*year = n >= 1000 ? n : n >= 50 ? 1900 + (int64_t)n : 2000 + (int64_t)n;
	return before - s->n >= 2;
}

static const struct zone {
	const char name[4];
	int minutes;
} zones[] = {
	{ "UT", 0 },     { "GMT", 0 },    { "EST", -300 }, { "EDT", -240 }, { "CST", -360 },
	{ "CDT", -300 }, { "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
};

static int digit_pair(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* "+hhmm"; obsolete names; any other word, and none at all, says nothing of the zone: UTC (RFC 5322 4.3). */
static bool take_zone(struct str *s, int *minutes)
{
	*minutes = 0;
	if (s->n > 0 && (s->p[0] == '+' || s->p[0] == '-')) {
		if (s->n < 5)
			return false;
		for (size_t i = 1; i < 5; i++)
			if (!ch_digit(s->p[i]))
				return false;
		int east = digit_pair(s->p + 1) * 60 + digit_pair(s->p + 3);
		*minutes = s->p[0] == '-' ? -east : east;
		*s = str_sub(*s, 5, s->n);
		return digit_pair(s->p - 2) < 60;
	}
	struct str word = lex_run(s, ch_alpha);
	for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
		if (str_eqi(word, str_of(zones[i].name)))
			*minutes = zones[i].minutes;
	return true;
}

bool date_parse(struct str s, int64_t *wall_ms, int *zone_minutes)
{
	struct civil c = { 0 };
	lex_cfws(&s, NULL);
	if (s.n > 0 &&
	    ch_alpha(s.p[0])) { /* the day of the week is not compared: it is often wrong, and says nothing new */
		lex_run(&s, ch_alpha);
		lex_cfws(&s, NULL);
		str_skipc(&s, ',');
		lex_cfws(&s, NULL);
	}
	if (!take_number(&s, 31, &c.day))
		return false;
	lex_cfws(&s, NULL);
	str_skipc(&s, '-'); /* "21-Nov-97", from before RFC 822 */
	if (!take_month(&s, &c.month))
		return false;
	lex_run(&s, ch_alpha); /* "November" */
	lex_cfws(&s, NULL);
	str_skipc(&s, '-');
	if (!take_year(&s, &c.year))
		return false;
	lex_cfws(&s, NULL);
	if (!take_time(&s, &c))
		return false;
	lex_cfws(&s, NULL);
	if (!take_zone(&s, &c.zone) || !civil_ms(&c, wall_ms))
		return false;
	if (zone_minutes)
		*zone_minutes = c.zone;
	return true;
}

/* `"..."` or bare. */
static struct str unquoted(struct str s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return str_sub(s, 1, s.n - 1);
	return s;
}

/* date = 1*2DIGIT "-" month "-" 4DIGIT; the day of a date-time is padded with a blank. */
static bool take_imap_day(struct str *s, struct civil *c)
{
	str_skipc(s, ' ');
	if (!take_number(s, 31, &c->day) || !str_skipc(s, '-') || !take_month(s, &c->month) || !str_skipc(s, '-'))
		return false;
	struct str year = *s;
	return take_year(s, &c->year) && year.n - s->n == 4 && year.p[0] != '0';
}

bool date_parse_imap(struct str s, int64_t *wall_ms)
{
	struct civil c = { 0 };
	s = unquoted(s);
	if (!take_imap_day(&s, &c) || !str_skipc(&s, ' ') || s.n != sizeof "10:00:00 +0000" - 1)
		return false;
	if (!take_time(&s, &c) || !str_skipc(&s, ' ') || s.n != 5 || ch_alpha(s.p[0]) || !take_zone(&s, &c.zone))
		return false;
	return s.n == 0 && civil_ms(&c, wall_ms);
}

bool date_parse_imap_day(struct str s, int64_t *wall_ms)
{
	struct civil c = { 0 };
	s = unquoted(s);
	return take_imap_day(&s, &c) && s.n == 0 && civil_ms(&c, wall_ms);
}

void date_print(struct buf *b, int64_t wall_ms)
{
	struct civil c = civil_of(wall_ms);
	int64_t day = days_of(c.year, c.month, c.day);
	size_t weekday = (size_t)(((day + 4) % 7 + 7) % 7);
	buf_printf(b, "%s, %02u %s %04lld %02u:%02u:%02u +0000", weekdays[weekday], c.day, months[c.month - 1],
		   (long long)c.year, c.hour, c.minute, c.second);
}

void date_print_imap(struct buf *b, int64_t wall_ms)
{
	struct civil c = civil_of(wall_ms);
	buf_printf(b, "%2u-%s-%04lld %02u:%02u:%02u +0000", c.day, months[c.month - 1], (long long)c.year, c.hour,
		   c.minute, c.second);
}

void date_print_3339(struct buf *b, int64_t wall_ms)
{
	struct civil c = civil_of(wall_ms);
	int64_t ms = (wall_ms % 1000 + 1000) % 1000;
	buf_printf(b, "%04lld-%02u-%02uT%02u:%02u:%02u.%03lldZ", (long long)c.year, c.month, c.day, c.hour, c.minute,
		   c.second, (long long)ms);
}

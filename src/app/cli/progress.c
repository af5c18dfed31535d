#include "app/cli/progress.h"

#include "base/clock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR      30
#define EVERY_MS 100
#define PLAIN_MS 10000
#define KNOWN_MS 1000 /* before that no rate is worth showing */
#define TEXT     64

static struct {
	bool shown, plain;
	char what[32];
	int64_t at_mono_ms, began_mono_ms;
	uint64_t began; /* what was done already when it began */
} line;

/* ", 1234/s, 2m 10s left"; empty as long as nobody can know. */
static void speed(uint64_t done, uint64_t total, int64_t now, char out[TEXT])
{
	int64_t ms = now - line.began_mono_ms;
	uint64_t n = done > line.began ? done - line.began : 0;
	out[0] = 0;
	if (ms < KNOWN_MS || n == 0)
		return;
	double rate = (double)n * 1000 / (double)ms;
	int at = snprintf(out, TEXT, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
	if (total <= done || at <= 0)
		return;
	double left = (double)(total - done) / rate;
	unsigned s = left < 1e6 ? (unsigned)left : 0;
	if (s < 3600)
		snprintf(out + at, TEXT - (size_t)at, ", %um %02us left", s / 60, s % 60);
	else
		snprintf(out + at, TEXT - (size_t)at, ", %uh %02um left", s / 3600, s / 60 % 60);
}

static void print_bar(const char *what, uint64_t done, uint64_t total, const char *how_fast)
{
	char bar[BAR + 1];
	if (total == 0) {
		fprintf(stderr, "\r\033[K%s %llu%s", what, (unsigned long long)done, how_fast);
		return;
	}
	unsigned full = (unsigned)(done >= total ? BAR : done * BAR / total);
	memset(bar, '.', BAR);
	memset(bar, '#', full);
	bar[BAR] = 0;
	fprintf(stderr, "\r\033[K%s [%s] %llu of %llu%s", what, bar, (unsigned long long)done,
		(unsigned long long)total, how_fast);
}

static void begin(const char *what, uint64_t done, int64_t now)
{
	snprintf(line.what, sizeof line.what, "%s", what);
	line.began_mono_ms = line.at_mono_ms = now;
	line.began = done;
}

void progress_show(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	int64_t now = clock_mono_ms();
	bool tty = isatty(STDERR_FILENO);
	char how_fast[TEXT];
	(void)ctx;
	what = what ? what : "";
	bool anew = strncmp(line.what, what, sizeof line.what - 1) != 0 || !line.began_mono_ms;
	if (anew)
		begin(what, done, now);
	if (!tty && (!line.plain || anew || now - line.at_mono_ms < PLAIN_MS))
		return;
	if (tty && line.shown && now - line.at_mono_ms < EVERY_MS && done < total)
		return;
	line.at_mono_ms = now;
	speed(done, total, now, how_fast);
	if (tty) {
		print_bar(what, done, total, how_fast);
		line.shown = true;
	} else if (total > 0) {
		fprintf(stderr, "%s: %llu of %llu%s\n", what, (unsigned long long)done, (unsigned long long)total,
			how_fast);
	} else {
		fprintf(stderr, "%s: %llu%s\n", what, (unsigned long long)done, how_fast);
	}
}

void progress_plain(bool on)
{
	line.plain = on;
}

void progress_done(void)
{
	if (line.shown)
		fputs("\r\033[K", stderr);
	line.shown = false;
	line.began_mono_ms = 0;
}

#include "app/cli/progress.h"

#include "base/clock.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR      30
#define EVERY_MS 100

static struct {
	bool shown;
	int64_t at_mono_ms;
} line;

void progress_show(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	int64_t now = clock_mono_ms();
	char bar[BAR + 1];
	(void)ctx;
	if (!isatty(STDERR_FILENO) || (line.shown && now - line.at_mono_ms < EVERY_MS && done < total))
		return;
	line.shown = true;
	line.at_mono_ms = now;
	if (total == 0) {
		fprintf(stderr, "\r\033[K%s %llu", what ? what : "", (unsigned long long)done);
		return;
	}
	unsigned full = (unsigned)(done >= total ? BAR : done * BAR / total);
	memset(bar, '.', BAR);
	memset(bar, '#', full);
	bar[BAR] = 0;
	fprintf(stderr, "\r\033[K%s [%s] %llu of %llu", what ? what : "", bar, (unsigned long long)done,
		(unsigned long long)total);
}

void progress_done(void)
{
	if (line.shown)
		fputs("\r\033[K", stderr);
	line.shown = false;
}

#include "app/backoff.h"

int64_t backoff_next(struct backoff *b, int64_t lived_ms)
{
	if (b->wait_ms == 0 || lived_ms >= BACKOFF_WELL_MS)
		b->wait_ms = BACKOFF_FIRST_MS;
	else
		b->wait_ms = b->wait_ms * 2 < BACKOFF_MOST_MS ? b->wait_ms * 2 : BACKOFF_MOST_MS;
	return b->wait_ms;
}

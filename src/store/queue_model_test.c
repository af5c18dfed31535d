/* The queue beside a model of it that is too simple to be wrong: random work by several workers that die, and a clock
 * that is set by hand.  After each step every row must be as the model says; a claim must give what the model gives.
 */
#include "store/sqlite_store.h"
#include "store/test_queue.h"

#define ROWS    60 /* fewer than one claim lets take their places */
#define WORKERS 2
#define LANES   4 /* the last is nobody's destination */
#define SENDERS 4 /* the last is our account's */
#define STEPS   2500
#define NEVER   (-1)

struct model_row {
	int64_t id, due, ord;
	enum queue_state state;
	bool ripe;
	int lane, home, sender, message, worker; /* worker: who has it, NEVER: a dead one */
	int64_t lease;
	uint32_t attempts, crashes;
};
static struct model_row rows[ROWS];
static size_t nrows;
static struct {
	int64_t ripe, at, served;
} lanes[LANES];
static const char *const lane_names[LANES] = { "mx:d0.example", "mx:d1.example", "mx:d2.example", "pace:slow" };
static const char *const senders[SENDERS] = { "", "ann@a.example", "bob@b.example", "eve@e.example" };
static struct store *workers[WORKERS];
static int shared, message;
static int64_t account;
static uint64_t dice;

static unsigned roll(unsigned sides)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(dice >> 33) % sides;
}

/* --- the model --------------------------------------------------------------------------------- */

static int64_t last_served(void)
{
	int64_t last = 0;
	for (int i = 0; i < LANES; i++)
		if (lanes[i].ripe > 0 && lanes[i].served > last)
			last = lanes[i].served;
	return last;
}

static void enter(struct model_row *row)
{
	int64_t last = 0;
	if (lanes[row->lane].ripe == 0) {
		lanes[row->lane].at = 0;
		lanes[row->lane].served = last_served() + 1;
	}
	for (size_t i = 0; i < nrows; i++)
		if (&rows[i] != row && rows[i].ripe && rows[i].lane == row->lane && rows[i].sender == row->sender &&
		    rows[i].ord > last)
			last = rows[i].ord;
	row->ord = (last > lanes[row->lane].at ? last : lanes[row->lane].at) + 1;
	row->ripe = true;
	lanes[row->lane].ripe++;
}

static void quit(struct model_row *row)
{
	lanes[row->lane].ripe -= row->ripe;
	row->ripe = false;
}

static void wait_until(struct model_row *row, int lane, int64_t due)
{
	quit(row);
	row->state = QUEUE_WAITING;
	row->lane = lane;
	row->due = due;
	if (due <= now_ms)
		enter(row);
}

/* Those whose time has come, by due time, then by id. */
static void ripen(void)
{
	for (;;) {
		struct model_row *next = NULL;
		for (size_t i = 0; i < nrows; i++)
			if (rows[i].state == QUEUE_WAITING && !rows[i].ripe && rows[i].due <= now_ms &&
			    (!next || rows[i].due < next->due))
				next = &rows[i];
		if (!next)
			return;
		enter(next);
	}
}

static struct model_row *first_of(int lane, const struct model_row *with)
{
	struct model_row *best = NULL;
	for (size_t i = 0; i < nrows; i++)
		if (rows[i].ripe && rows[i].lane == lane && (!with || rows[i].message == with->message) &&
		    (!best || rows[i].ord < best->ord))
			best = &rows[i];
	return best;
}

static struct model_row *model_of(int64_t id)
{
	for (size_t i = 0; i < nrows; i++)
		if (rows[i].id == id)
			return &rows[i];
	fail_msg("row %lld should not be there", (long long)id);
	return NULL;
}

/* In its place comes no other: the order of the rows is that of their ids. */
static void forget(struct model_row *row)
{
	quit(row);
	memmove(row, row + 1, (size_t)(&rows[--nrows] - row) * sizeof *row);
}

/* --- both ---------------------------------------------------------------------------------------- */

static void insert(void)
{
	char to[4][40];
	struct target t[4];
	int homes[4], sender = (int)roll(SENDERS);
	size_t n = 1 + roll(4);
	if (nrows + n > ROWS)
		return;
	for (size_t i = 0; i < n; i++) {
		homes[i] = (int)roll(LANES - 1);
		snprintf(to[i], sizeof to[i], "x@d%d.example", homes[i]);
		t[i] = away(senders[sender], to[i], now_ms + (roll(2) ? roll(3000) : 0));
		t[i].owner = sender == SENDERS - 1 ? account : 0;
	}
	leave(st, t, n);
	message++;
	for (size_t i = 0; i < n; i++) {
		rows[nrows++] = (struct model_row){
			.id = t[i].queue_id, .home = homes[i], .lane = homes[i], .sender = sender, .message = message
		};
		wait_until(&rows[nrows - 1], homes[i], t[i].due_wall_ms);
	}
}

static void ask_lanes(void)
{
	struct queue_lane *got;
	size_t n, have = 0;
	int64_t served = 0;
	must(queue_lanes(workers[0], now_ms, NULL, 0, 100, &a, &got, &n, &e));
	ripen();
	for (int i = 0; i < LANES; i++)
		have += lanes[i].ripe > 0;
	assert_int_equal(n, have);
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < LANES; k++)
			if (str_eq(got[i].name, str_of(lane_names[k]))) {
				assert_int_equal(got[i].waiting, lanes[k].ripe);
				assert_int_equal(got[i].due_wall_ms, first_of(k, NULL)->due);
				assert_true(lanes[k].served > served);
				served = lanes[k].served;
			}
}

static void claim(void)
{
	int w = (int)roll(WORKERS), lane = (int)roll(LANES);
	struct queue_claim c = { .lane = str_of(lane_names[lane]), .max = 1 + roll(5), .same_message = roll(2) };
	must(queue_claim(workers[w], now_ms, &c, &a, &e));
	ripen();
	const struct model_row *first = NULL;
	int64_t at = 0, turn = last_served() + 1;
	for (size_t i = 0; i < c.max; i++) {
		struct model_row *row = first_of(lane, c.same_message ? first : NULL);
		if (!row) {
			assert_int_equal(c.n, i);
			break;
		}
		assert_true(i < c.n && c.rows[i].id == row->id);
		first = first ? first : row;
		at = c.same_message && i > 0 ? at : row->ord;
		quit(row);
		row->state = QUEUE_LEASED;
		row->worker = w;
		row->lease = store_incarnation(workers[w]);
		row->attempts++;
	}
	if (c.n > 0) {
		lanes[lane].at = at > lanes[lane].at ? at : lanes[lane].at;
		lanes[lane].served = turn;
	}
}

static void apply(struct model_row *row, const struct queue_result *r)
{
	row->crashes = 0;
	switch (r->outcome) {
	case QUEUE_DONE:
	case QUEUE_NEVER:
		forget(row);
		break;
	case QUEUE_LATER:
		row->attempts -= r->uncounted;
		wait_until(row, row->lane, r->due_wall_ms);
		break;
	case QUEUE_HOLD:
		row->state = QUEUE_HELD;
		break;
	case QUEUE_MOVE:
		row->attempts--;
		wait_until(row, r->lane.n ? LANES - 1 : row->home, now_ms);
		break;
	}
}

/* Also of rows that are not his: nothing may come of it. */
static void finish(void)
{
	int w = (int)roll(WORKERS);
	struct queue_result r[ROWS] = { { 0 } };
	size_t n = 0;
	for (size_t i = 0; i < nrows; i++)
		if (roll(3) == 0)
			r[n++] = (struct queue_result){ .id = rows[i].id,
							.outcome = (enum queue_outcome)roll(5),
							.why = STR("why"),
							.due_wall_ms = now_ms + roll(2) * roll(2000),
							.lane = roll(2) ? STR("pace:slow") : STR_NONE,
							.uncounted = roll(2) };
	must(queue_finish(workers[w], r, n, NULL, 0, &e));
	for (size_t i = 0; i < n; i++) {
		struct model_row *row = model_of(r[i].id);
		if (row->state == QUEUE_LEASED && row->worker == w)
			apply(row, &r[i]);
	}
}

static struct store *worker_open(void)
{
	struct store_conf conf = {
		.dir = dir, .role = "worker", .shared_fd = shared, .reserve = 1, .wall_ms = now_here
	};
	struct store *s = store_open(&conf, &e);
	must(s != NULL);
	return s;
}

static void die(void)
{
	int w = (int)roll(WORKERS);
	store_close(workers[w]);
	workers[w] = worker_open();
	for (size_t i = 0; i < nrows; i++)
		if (rows[i].state == QUEUE_LEASED && rows[i].worker == w)
			rows[i].worker = NEVER;
}

static void recover_one(struct model_row *row)
{
	if (++row->crashes >= QUEUE_CRASHES)
		row->state = QUEUE_HELD;
	else
		wait_until(row, row->lane, now_ms);
}

static void recover(void)
{
	uint64_t got, n = 0;
	must(queue_recover(workers[roll(WORKERS)], &got, &e));
	for (;; n++) { /* the oldest incarnation first */
		struct model_row *next = NULL;
		for (size_t i = 0; i < nrows; i++)
			if (rows[i].state == QUEUE_LEASED && rows[i].worker == NEVER &&
			    (!next || rows[i].lease < next->lease))
				next = &rows[i];
		if (!next)
			break;
		recover_one(next);
	}
	assert_int_equal(got, n);
}

static bool by_hand(struct model_row *row, enum queue_change what)
{
	switch (what) {
	case QUEUE_RETRY:
		if (row->state != QUEUE_WAITING || row->ripe)
			return false;
		wait_until(row, row->lane, now_ms);
		return true;
	case QUEUE_HOLD_ROWS:
		if (row->state != QUEUE_WAITING)
			return false;
		quit(row);
		row->state = QUEUE_HELD;
		return true;
	case QUEUE_RELEASE:
		if (row->state != QUEUE_HELD)
			return false;
		row->crashes = 0;
		wait_until(row, row->lane, now_ms);
		return true;
	case QUEUE_ROUTE:
		if (row->state == QUEUE_LEASED)
			return false;
		if (row->ripe && row->lane != row->home)
			wait_until(row, row->home, now_ms);
		row->lane = row->home;
		return true;
	case QUEUE_REMOVE:
		forget(row);
		return true;
	}
	return false;
}

static void change(void)
{
	int64_t ids[ROWS];
	uint64_t got, n = 0;
	enum queue_change what = (enum queue_change)roll(5);
	struct queue_filter f = { .state = -1, .ids = ids };
	for (size_t i = 0; i < nrows; i++)
		if (roll(8) == 0)
			ids[f.nids++] = rows[i].id;
	if (f.nids == 0)
		return; /* that would be all */
	must(queue_change(st, &f, what, what == QUEUE_HOLD_ROWS ? STR("operator") : STR_NONE, &got, &e));
	for (size_t i = 0; i < f.nids; i++)
		n += by_hand(model_of(ids[i]), what);
	assert_int_equal(got, n);
}

static void compare(void)
{
	struct queue_row *got;
	size_t n;
	int64_t due, soonest = INT64_MAX;
	must(queue_list(st, NULL, 0, QUEUE_PAGE, &a, &got, &n, &e));
	assert_int_equal(n, nrows);
	for (size_t i = 0; i < n; i++) {
		const struct model_row *m = &rows[i];
		assert_true(got[i].id == m->id && got[i].state == m->state && got[i].attempts == m->attempts &&
			    got[i].crashes == m->crashes);
		assert_strz(got[i].lane, lane_names[m->lane]);
		assert_true(m->state != QUEUE_WAITING || got[i].due_wall_ms == m->due);
		if (m->state == QUEUE_WAITING && !m->ripe && m->due < soonest)
			soonest = m->due;
	}
	must(queue_next_due(st, &due, &e));
	assert_true(due == soonest);
	arena_reset(&a);
}

static void play(uint64_t seed)
{
	static void (*const acts[])(void) = { insert, insert, ask_lanes, claim,  claim, claim,
					      finish, die,    recover,   change, finish };
	dice = seed;
	for (int i = 0; i < STEPS; i++) {
		now_ms += roll(2) ? roll(400) : 0;
		if (roll(50) == 0)
			now_ms -= roll(2000); /* somebody sets the clock */
		acts[roll(sizeof acts / sizeof *acts)]();
		compare();
		if (i % 250 == 0)
			check_clean();
	}
}

static void test_model(void **state)
{
	(void)state;
	folder_new();
	shared = store_shared_new(&e);
	assert_true(shared >= 0);
	open_queue(shared);
	account = account_new("eve");
	for (int i = 0; i < WORKERS; i++)
		workers[i] = worker_open();
	for (uint64_t seed = 1; seed <= 3; seed++)
		play(seed);
	for (int i = 0; i < WORKERS; i++)
		store_close(workers[i]);
	close(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(test_model, teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

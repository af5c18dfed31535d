#include "store/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/db.h"

#define MAGIC 0x736c7531u

/* The thread sanitizer of gcc 12 does not know pthread_mutex_clocklock(). */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define TELL_LOCKED(mu) (__tsan_mutex_pre_lock((mu), 0), __tsan_mutex_post_lock((mu), 0, 0))
#else
#define TELL_LOCKED(mu) ((void)(mu))
#endif

static void shared_init(struct shared *sh)
{
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&sh->next, &attr);
	pthread_mutex_init(&sh->turn, &attr);
	pthread_mutex_init(&sh->collecting, &attr);
	pthread_mutexattr_destroy(&attr);
	sh->size = sizeof *sh;
	sh->magic = MAGIC;
}

int store_shared_new(struct err *e)
{
	int fd = memfd_create("sluice-store", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		err_sys(e, "create", "shared memory");
		return -1;
	}
	struct shared *sh = MAP_FAILED;
	if (ftruncate(fd, sizeof *sh) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sh == MAP_FAILED) {
		err_sys(e, "map", "shared memory");
		close(fd);
		return -1;
	}
	shared_init(sh);
	munmap(sh, sizeof *sh);
	return fd;
}

struct shared *shared_map(int fd, struct err *e)
{
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
	struct stat sb;
	if (fd >= 0 && (fstat(fd, &sb) < 0 || sb.st_size != sizeof(struct shared))) {
		err_set(e, ERR_PERM, "shared memory of the store: made by another version");
		return NULL;
	}
	struct shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (sh == MAP_FAILED) {
		err_sys(e, "map", "shared memory");
		return NULL;
	}
	if (fd < 0)
		shared_init(sh);
	if (sh->magic == MAGIC && sh->size == sizeof *sh)
		return sh;
	err_set(e, ERR_PERM, "shared memory of the store: made by another version");
	munmap(sh, sizeof *sh);
	return NULL;
}

void shared_unmap(struct shared *sh)
{
	if (sh)
		munmap(sh, sizeof *sh);
}

static struct timespec after_ms(int64_t ms)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

/* A dead owner left nothing half done behind these locks: go on. */
static bool lock_until(pthread_mutex_t *mu, const struct timespec *until)
{
	int rc = pthread_mutex_clocklock(mu, CLOCK_MONOTONIC, until);
	if (rc == EOWNERDEAD) {
		log_notice("store.lock_inherited", KVN("process", getpid()));
		rc = pthread_mutex_consistent(mu);
	}
	if (rc == 0)
		TELL_LOCKED(mu);
	return rc == 0;
}

static bool turn_late(struct shared *sh, struct err *e)
{
	char role[17] = { 0 };
	uint64_t half[2] = { atomic_load(&sh->holder_role[0]), atomic_load(&sh->holder_role[1]) };
	memcpy(role, half, sizeof half);
	return err_set(e, ERR_TEMP, "the store's turn to write is held by %s (process %d) for over %d ms",
		       *role ? role : "somebody", atomic_load(&sh->holder), TURN_MS);
}

bool turn_take(struct shared *sh, const char *role, struct err *e)
{
	struct timespec until = after_ms(TURN_MS);
	if (!lock_until(&sh->next, &until))
		return turn_late(sh, e);
	bool mine = lock_until(&sh->turn, &until);
	pthread_mutex_unlock(&sh->next);
	if (!mine)
		return turn_late(sh, e);
	uint64_t half[2] = { 0 };
	size_t n = strlen(role);
	memcpy(half, role, n < sizeof half ? n : sizeof half);
	atomic_store(&sh->holder, getpid());
	atomic_store(&sh->holder_role[0], half[0]);
	atomic_store(&sh->holder_role[1], half[1]);
	return true;
}

void turn_give(struct shared *sh)
{
	pthread_mutex_unlock(&sh->turn);
}

bool collecting_take(struct shared *sh, int64_t ms)
{
	struct timespec until = after_ms(ms);
	return lock_until(&sh->collecting, &until);
}

void collecting_give(struct shared *sh)
{
	pthread_mutex_unlock(&sh->collecting);
}

static bool process_alive(int32_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

bool incarnation_enter(struct shared *sh, uint32_t incarnation)
{
	uint64_t mine = (uint64_t)incarnation << 32 | (uint32_t)getpid();
	for (size_t i = 0; i < SHARED_ROLES; i++) {
		uint64_t was = atomic_load(&sh->live[i]);
		if (was && process_alive((int32_t)(uint32_t)was))
			continue;
		if (atomic_compare_exchange_strong(&sh->live[i], &was, mine))
			return true;
	}
	return false;
}

static _Atomic uint64_t *incarnation_slot(struct shared *sh, uint32_t incarnation)
{
	for (size_t i = 0; i < SHARED_ROLES; i++)
		if (atomic_load(&sh->live[i]) >> 32 == incarnation)
			return &sh->live[i];
	return NULL;
}

void incarnation_leave(struct shared *sh, uint32_t incarnation)
{
	_Atomic uint64_t *slot = incarnation_slot(sh, incarnation);
	if (slot)
		atomic_store(slot, 0);
}

bool incarnation_alive(struct shared *sh, uint32_t incarnation)
{
	_Atomic uint64_t *slot = incarnation_slot(sh, incarnation);
	return slot && process_alive((int32_t)(uint32_t)atomic_load(slot));
}

/* Not FUTEX_PRIVATE: the words may lie in memory of several processes. */
void futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

#include "app/fence.h"

#include "base/buf.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED true
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* Rights newer than the headers we are built with. */
#define FS_TRUNCATE     (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV    (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP    (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT  (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL    (1ULL << 1)

struct ruleset { /* struct landlock_ruleset_attr as of ABI 6; older kernels take a shorter one */
	uint64_t fs, net, scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                                                          \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define FS_NEVER                                                                                    \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | FS_IOCTL_DEV)

/* Right by layer: which ABI of Landlock holds it, and whether seccomp holds it too. What neither holds is the uid's. */
static const struct right {
	const char *name;
	int abi; /* 0: not Landlock's */
	bool seccomp;
	uint64_t fs, net, scope;
} rights[] = {
	/* clang-format off */
	{ "files outside its folders",	  1, false, (FS_READ | FS_WRITE | FS_NEVER) & ~(LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV), 0, 0 },
	{ "links between folders",	  2, false, LANDLOCK_ACCESS_FS_REFER, 0, 0 },
	{ "truncating files",		  3, false, FS_TRUNCATE, 0, 0 },
	{ "TCP sockets of its own",	  4, true,  0, NET_BIND_TCP | NET_CONNECT_TCP, 0 },
	{ "device controls",		  5, false, FS_IOCTL_DEV, 0, 0 },
	{ "abstract unix sockets",	  6, false, 0, 0, SCOPE_ABSTRACT },
	{ "signals to others",		  6, false, 0, 0, SCOPE_SIGNAL },
	{ "running programs",		  1, true,  0, 0, 0 },
	{ "new processes",		  0, true,  0, 0, 0 },
	{ "tracing, mounting, modules",	  0, true,  0, 0, 0 },
	/* clang-format on */
};
#define RIGHTS (sizeof rights / sizeof *rights)

static int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return abi > 0 ? (int)abi : 0;
}

static bool allow_folder(int ruleset, const struct fence_folder *f, uint64_t handled, struct err *e)
{
	AUTO_CLOSE int dir = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "fence: open", f->path);
	uint64_t wanted = (f->rights & FENCE_READ ? FS_READ : 0) | (f->rights & FENCE_WRITE ? FS_WRITE : 0);
	struct landlock_path_beneath_attr rule = { .allowed_access = wanted & handled, .parent_fd = dir };
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_sys(e, "fence: allow", f->path);
	return true;
}

static bool put_up_landlock(const struct fence_conf *conf, int abi, struct err *e)
{
	struct ruleset set = { 0 };
	size_t size = abi >= 6 ? sizeof set : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	for (size_t i = 0; i < RIGHTS; i++) {
		if (rights[i].abi == 0 || rights[i].abi > abi)
			continue;
		set.fs |= rights[i].fs;
		set.net |= rights[i].net;
		set.scoped |= rights[i].scope;
	}
	AUTO_CLOSE int ruleset = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (ruleset < 0)
		return err_sys(e, "fence", "landlock_create_ruleset");
	for (size_t i = 0; i < conf->nfolders; i++)
		if (!allow_folder(ruleset, &conf->folders[i], set.fs, e))
			return false;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(e, "fence", "landlock_restrict_self");
	return true;
}

/* A role never does these: whoever asks is not us any more. */
static const int deadly[] = { SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
			      SCMP_SYS(process_vm_writev) };
/* These just fail. */
static const int refused[] = {
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(personality),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(syslog),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(capset),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(vhangup),
	SCMP_SYS(nfsservctl),
};

static int add_rules(scmp_filter_ctx f)
{
	int rc = 0;
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly && rc == 0; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	for (size_t i = 0; i < sizeof refused / sizeof *refused && rc == 0; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	/* Threads yes, processes no. clone3 hides its flags in memory: say it does not exist, and libc uses clone. */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				      SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	/* Sockets of its own: unix ones (the auth role's door); all others come from the parent. */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	return rc;
}

static bool put_up_seccomp(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc = f ? add_rules(f) : -ENOMEM;
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc == 0 || err_set(e, ERR_TEMP, "fence: system call filter: %s", strerror(-rc));
}

static bool kernel_has_seccomp(void)
{
	return prctl(PR_GET_SECCOMP) >= 0;
}

bool fence_up(const struct fence_conf *conf, struct arena *a, struct fence_report *out, struct err *e)
{
	*out = (struct fence_report){ .missing = STR_NONE };
	if (!SANITIZED) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return err_sys(e, "fence", "no_new_privs");
		out->landlock_abi = landlock_abi();
		out->seccomp = kernel_has_seccomp();
		if (out->landlock_abi > 0 && !put_up_landlock(conf, out->landlock_abi, e))
			return false;
		if (out->seccomp && !put_up_seccomp(e))
			return false;
	}
	out->fenced = out->landlock_abi > 0 && out->seccomp;
	struct buf b = { 0 };
	for (size_t i = 0; i < RIGHTS; i++) {
		bool held = (rights[i].abi > 0 && rights[i].abi <= out->landlock_abi) ||
			    (rights[i].seccomp && out->seccomp);
		if (!held)
			buf_printf(&b, "%s%s", b.n ? ", " : "", rights[i].name);
	}
	out->missing = str_dup(a, buf_str(&b));
	buf_free(&b);
	return true;
}

/* sandbox.c - the worker shuts the door behind itself: limits on resources, no file system (Landlock), and the system calls decoding needs (seccomp).
 *
 * Source: landlock(7), seccomp_rule_add(3); limits: ecosystem.md 2.4. */
#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "media_worker/media_worker.h"

static lmm_status limit(int resource, uint64_t value, const char *name) {
    struct rlimit r = {(rlim_t)value, (rlim_t)value};
    return setrlimit(resource, &r) ? LMM_FAIL(LMM_E_IO, "the media reader cannot limit its %s", name) : LMM_OK;
}

static lmm_status limit_resources(const media_limits *l) {
    lmm_status st = limit(RLIMIT_AS, l->memory_size_max, "memory");
    if (!st) st = limit(RLIMIT_CPU, (uint64_t)l->cpu_seconds_max, "time");
    if (!st) st = limit(RLIMIT_NOFILE, 16, "open files");
    if (!st) st = limit(RLIMIT_FSIZE, 0, "written files");
    if (!st) st = limit(RLIMIT_NPROC, 0, "processes");
    return st ? st : limit(RLIMIT_CORE, 0, "core file");
}

/* A rule set that handles everything and allows nothing. Kernels without Landlock have only seccomp, which denies opening too. */
static void forbid_files(void) {
#ifdef SYS_landlock_create_ruleset
    struct landlock_ruleset_attr attr = {.handled_access_fs = (1u << 13) - 1}; /* the rights of its first version */
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (rules < 0) return;
    syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
#endif
}

static lmm_status allow_calls(void) {
    static const int calls[] = {
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(lseek),
        SCMP_SYS(close),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(futex),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(tgkill),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(getrandom),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(fstat),
    };
    static const int mapping[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)}; /* memory, but no new code in it */
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int bad = c ? 0 : -1;
    for (size_t i = 0; i < COUNT_OF(calls) && !bad; i++) bad = seccomp_rule_add(c, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; i < COUNT_OF(mapping) && !bad; i++)
        bad = seccomp_rule_add(c, SCMP_ACT_ALLOW, mapping[i], 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!bad) bad = seccomp_load(c);
    if (c) seccomp_release(c);
    return bad ? LMM_FAIL(LMM_E_UNSUPPORTED, "the media reader cannot lock itself in: this kernel has no seccomp filter") : LMM_OK;
}

lmm_status sandbox_enter(const media_limits *l) {
    close_range(FD_REQUEST + 1, ~0u, 0); /* what the caller left open */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return LMM_FAIL(LMM_E_UNSUPPORTED, "the media reader cannot give up its rights");
    forbid_files();
    lmm_status st = limit_resources(l);
    return st ? st : allow_calls();
}

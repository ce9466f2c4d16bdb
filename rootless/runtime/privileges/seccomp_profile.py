"""The default seccomp profile, as data. Loaded only when no compiled filter is at hand.

It says the same as the profiles that users of docker (moby profiles/seccomp) and podman
(containers/common pkg/seccomp) know, podman's where the two differ: calls that make namespaces
and mounts are allowed, because the kernel checks capabilities itself and because rootless
engines must work inside our containers. tests/runtime/privileges/test_seccomp.py compares it with
the profile that podman installs, and lists each difference.

Two things are docker's: sockets of the families AF_VSOCK, which reach a virtual machine's host
past every network namespace, and AF_ALG, the kernel's ciphers, are refused, and calls newer than
podman's list are allowed. Ours alone is that AF_RXRPC is refused as well, and that socketcall is
no way around that (`seccomp_compile.default`).

A call that is named nowhere is newer than this list, or obsolete: it fails with ENOSYS, so that
C libraries fall back to what they used before it. A call that is known and refused fails with
EPERM. Names that a machine or the libseccomp at hand does not have are passed over.
"""

from __future__ import annotations

FILES = """
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3
    faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2
    fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr file_getattr file_setattr
    flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync
    ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat ioctl lchown
    lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek lremovexattr lseek
    lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat
    openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readdir
    readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile
    sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat
    sync sync_file_range sync_file_range2 syncfs tee truncate truncate64 umask unlink unlinkat
    utime utimensat utimensat_time64 utimes write writev
"""

WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
    epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64
    io_setup io_submit _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select
    signalfd signalfd4
"""

MEMORY = """
    brk cachestat get_mempolicy madvise map_shadow_stack mbind membarrier memfd_create
    memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock
    munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages
    set_mempolicy set_mempolicy_home_node
"""

PROCESSES = """
    capget capset clone clone3 execve execveat exit exit_group fork futex futex_requeue
    futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area getcpu getegid
    getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid
    getppid getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid
    gettid getuid getuid32 ioprio_get ioprio_set pidfd_getfd pidfd_open prctl prlimit64
    process_vm_readv process_vm_writev ptrace rseq sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address setfsgid
    setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority
    setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
    setrlimit setsid setuid setuid32 times ugetrlimit vfork wait4 waitid waitpid
"""

SIGNALS = """
    kill pause pidfd_send_signal restart_syscall rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo sigaction sigaltstack signal sigpending sigprocmask sigreturn sigsuspend
    tgkill tkill
"""

CLOCKS = """
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep
    setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
    timer_settime timer_settime64 timerfd timerfd_create timerfd_gettime timerfd_gettime64
    timerfd_settime timerfd_settime64
"""

SOCKETS = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall
    socketpair
"""

MESSAGES = """
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
    semtimedop_time64 shmat shmctl shmdt shmget
"""

NAMESPACES = """
    fsconfig fsmount fsopen fspick listmount listns mount mount_setattr move_mount open_tree
    open_tree_attr pivot_root setns statmount umount umount2 unshare
"""

MACHINE = """
    getrandom keyctl landlock_add_rule landlock_create_ruleset landlock_restrict_self
    lsm_get_self_attr lsm_list_modules lsm_set_self_attr reboot seccomp syscall sysinfo syslog
    uname
"""

OF_ARCHITECTURES = {
    "x86": "arch_prctl modify_ldt uretprobe uprobe",
    "arm": "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls",
    "riscv": "riscv_flush_icache riscv_hwprobe",
    "ppc": "swapcontext",
    "s390": "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
}
"""Calls that exist on one family of machines only; elsewhere libseccomp passes over them."""

FORBIDDEN = """
    bdflush kexec_file_load kexec_load migrate_pages move_pages nfsservctl nice oldfstat oldlstat
    oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask
    ssetmask swapoff swapon sysfs uselib userfaultfd ustat vm86 vm86old vmsplice
"""
"""EPERM, whatever the capabilities."""

CONDITIONAL = (
    ("CAP_BPF CAP_SYS_ADMIN", "bpf"),
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ("CAP_PERFMON CAP_SYS_ADMIN", "perf_event_open"),
    (
        "CAP_SYS_ADMIN",
        "fanotify_init lookup_dcookie quotactl quotactl_fd setdomainname sethostname",
    ),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module query_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp process_madvise"),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    ("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
)
"""Allowed to a container that has any of the capabilities, EPERM to the others."""

PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""PER_LINUX, PER_LINUX32, both with UNAME26, and the question for the present one. The others
weaken address space randomisation and memory protection."""

OWNERS = "chown chown32 fchown fchown32 fchownat lchown lchown32"
"""Among those below: what changes the owner of a file."""

FAKED = f"""
    {OWNERS}
    setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
    setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
    setuid setuid32
"""
"""Answered with success, and not done, in a container that has one uid (mode single). capset is
not among them: giving up capabilities works as ever, and a set-uid program that asks for more
must hear the truth. The idea is charliecloud's (ch-image --force=seccomp)."""

ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "i686": ("SCMP_ARCH_X86",),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
    "armv7l": ("SCMP_ARCH_ARM",),
    "armv8l": ("SCMP_ARCH_ARM",),
    "riscv64": ("SCMP_ARCH_RISCV64",),
    "ppc64le": ("SCMP_ARCH_PPC64LE",),
    "s390x": ("SCMP_ARCH_S390X", "SCMP_ARCH_S390"),
}
"""uname -m -> the machine's architecture and those whose programs it runs as well."""

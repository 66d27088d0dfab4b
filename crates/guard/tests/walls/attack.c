// One attack a run, by its raw system call. Prints the error's number, 0 for success, and exits with it. The attacks that
// would harm the host when they succeed are made with an argument that the kernel only looks at after it has allowed the
// call: they end with "invalid", which tells as much.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long over(int family, int type, int protocol) { return socket(family, type | SOCK_CLOEXEC, protocol); }

static long to_path(const char *path, int abstract) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + abstract, path, sizeof address.sun_path - 2);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path);
    return fd < 0 ? fd : connect(fd, (struct sockaddr *)&address, length);
}

static long show(const char *path) {
    char text[4096];
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    if (fd < 0) return -1;
    long length = read(fd, text, sizeof text);
    if (length > 0) fwrite(text, 1, length, stderr);
    close(fd);
    return length;
}

static long attempt(const char *what, const char *a, const char *b) {
#define IS(name) if (!strcmp(what, name))
    pid_t pid = atoi(a);
    IS("write") return open(a, O_WRONLY);
    IS("append") return open(a, O_WRONLY | O_APPEND);
    IS("write-both") return open(a, O_RDWR);
    IS("create") return open(b, O_WRONLY | O_CREAT, 0600);
    IS("truncate-open") return open(a, O_RDONLY | O_TRUNC);
    IS("truncate") return truncate(a, 0);
    IS("tmpfile") { char d[4096]; strcpy(d, a); *strrchr(d, '/') = 0; return open(d, O_TMPFILE | O_WRONLY, 0600); }
    IS("unlink") return unlink(a);
    IS("rename") return rename(a, b);
    IS("link") return link(a, b);
    IS("symlink") return symlink(a, b);
    IS("mkdir") return mkdir(b, 0700);
    IS("mkfifo") return mknod(b, S_IFIFO | 0600, 0);
    IS("mknod") return mknod(b, S_IFCHR | 0600, 0x103);
    IS("chmod") return chmod(a, 0644);
    IS("fchmodat2") return syscall(452, AT_FDCWD, a, 0644, 0);
    IS("chown") return chown(a, getuid(), -1);
    IS("utimes") return utimensat(AT_FDCWD, a, 0, 0);
    IS("setxattr") return syscall(SYS_setxattr, a, "user.x", "y", 1, 0);
    IS("chattr") { int flags = 0, fd = open("/usr/bin/env", O_RDONLY); return ioctl(fd, FS_IOC_SETFLAGS, &flags); }
    IS("bind-path") {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, b, sizeof address.sun_path - 1);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        return fd < 0 ? fd : bind(fd, (struct sockaddr *)&address, sizeof address);
    }
    IS("read") return show(a);
    IS("list") return open(a, O_RDONLY | O_DIRECTORY);
    IS("connect") return to_path(a, 0);
    IS("connect-abstract") return to_path(a, 1);
    IS("unix") return over(AF_UNIX, SOCK_STREAM, 0);
    IS("netlink") return over(AF_NETLINK, SOCK_RAW, 0);
    IS("inet") return over(AF_INET, SOCK_STREAM, 0);
    IS("inet6") return over(AF_INET6, SOCK_DGRAM, 0);
    IS("packet") return over(AF_PACKET, SOCK_RAW, 0);
    IS("alg") return over(38, SOCK_SEQPACKET, 0);
    IS("vsock") return over(40, SOCK_STREAM, 0);
    IS("listen") { int fd = over(AF_INET, SOCK_STREAM, 0); return fd < 0 ? fd : listen(fd, 1); }
    IS("ptrace") return ptrace(PTRACE_SEIZE, pid, 0, 0);
    IS("memory") {
        char c; struct iovec to = {&c, 1}, from = {(void *)environ, 1};
        return process_vm_readv(pid, &to, 1, &from, 1, 0) < 0 && errno != EFAULT ? -1 : 0;
    }
    IS("environ") { char path[64]; snprintf(path, sizeof path, "/proc/%d/environ", pid); return show(path); }
    IS("root") { char path[64]; snprintf(path, sizeof path, "/proc/%d/root/etc/hostname", pid); return show(path); }
    IS("signal") return kill(pid, SIGCONT);
    IS("tgkill") return syscall(SYS_tgkill, pid, pid, SIGCONT);
    IS("pidfd-signal") { int fd = syscall(SYS_pidfd_open, pid, 0); return syscall(SYS_pidfd_send_signal, fd, SIGCONT, 0, 0); }
    IS("limits") { struct rlimit l; getrlimit(RLIMIT_CORE, &l); return prlimit(pid, RLIMIT_CORE, &l, 0); }
    IS("nice") return setpriority(PRIO_PROCESS, pid, 19);
    IS("affinity") { unsigned long m = ~0ul; return syscall(SYS_sched_setaffinity, pid, sizeof m, &m); }
    IS("setsid") { if (fork()) { int s; wait(&s); errno = WEXITSTATUS(s); return errno ? -1 : 0; } _exit(setsid() < 0 ? errno : 0); }
    IS("setpgid") { if (fork()) { int s; wait(&s); errno = WEXITSTATUS(s); return errno ? -1 : 0; } _exit(setpgid(0, 0) < 0 ? errno : 0); }
    IS("mount") return mount("none", b, "nonsense", 0, 0);
    IS("mount-tmpfs") return mount("tmpfs", b, "tmpfs", 0, 0);
    IS("exec") return 0;
    IS("umount") return umount2(b, MNT_DETACH);
    IS("fsopen") return syscall(430, "tmpfs", 0);
    IS("open-tree") return syscall(428, AT_FDCWD, "/", 1);
    IS("chroot") return chroot("/usr");
    IS("unshare") return unshare(CLONE_NEWNS);
    IS("unshare-user") return unshare(CLONE_NEWUSER);
    IS("clone-user") return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) == 0 ? (_exit(0), 0) : errno ? -1 : 0;
    IS("clone3") { char args[64] = {0}; return syscall(435, args, 8); }
    IS("setns") { int fd = open("/proc/self/ns/uts", O_RDONLY); return syscall(SYS_setns, fd, 0x7fffffff); }
    IS("openat2") { char how[8] = {0}; return syscall(437, AT_FDCWD, a, how, 8); }
    IS("by-handle") return syscall(SYS_open_by_handle_at, -1, 0, 0);
    IS("bpf") return syscall(SYS_bpf, 99, 0, 0);
    IS("perf") return syscall(SYS_perf_event_open, 0, 0, -1, -1, 0);
    IS("keyctl") return syscall(SYS_keyctl, 0, -4, 0);
    IS("add-key") return syscall(SYS_add_key, "user", "x", "y", 1, -2);
    IS("kexec") return syscall(SYS_kexec_load, 0, 0, 0, ~0ul);
    IS("module") return syscall(SYS_finit_module, -1, "", 0);
    IS("reboot") return syscall(SYS_reboot, 0, 0, 0, 0);
    IS("hostname") return syscall(SYS_sethostname, "x", -1);
    IS("time") { struct timeval t = {0, -1}; return syscall(SYS_settimeofday, &t, 0); }
    IS("clock") { struct timespec t = {0, -1}; return syscall(SYS_clock_settime, 0, &t); }
    IS("userfaultfd") return syscall(SYS_userfaultfd, 1);
    IS("uring") return syscall(425, 0, 0);
    IS("swap") return syscall(SYS_swapon, "/nonexistent", 0);
    IS("acct") return syscall(SYS_acct, "/nonexistent");
    IS("quota") return syscall(SYS_quotactl, 0, "/nonexistent", 0, 0);
    IS("log-clear") return syscall(SYS_syslog, 99, 0, 0);
    IS("shm") return syscall(SYS_shmget, 0, 0, 0);
    IS("unknown-call") return syscall(1000);
    IS("x32") return syscall(0x40000000 | 39);
    IS("int80") { int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20)); errno = r < 0 ? -r : 0; return r < 0 ? -1 : r; }
    IS("core") { struct rlimit l; getrlimit(RLIMIT_CORE, &l); l.rlim_cur = l.rlim_max = 4096; return setrlimit(RLIMIT_CORE, &l); }
    IS("file-size") { struct rlimit l; getrlimit(RLIMIT_FSIZE, &l); errno = EPERM; return l.rlim_max == 0 ? -1 : 0; }
    IS("input") { char c; errno = EPERM; return read(0, &c, 1) == 0 ? -1 : 0; }
    IS("terminal") return open("/dev/tty", O_RDWR);
    IS("descriptors") { for (int fd = 3; fd < 100; fd++) if (fcntl(fd, F_GETFD) >= 0) return 0; errno = EBADF; return -1; }
    fprintf(stderr, "no such attack: %s\n", what);
    exit(99);
}

// Attack after attack, NAME A B each, in a process of its own where it may change or end one; prints `NAME:A NUMBER`, a signal as a shell counts it.
static int many(int count, char **words) {
    for (int i = 0; i + 2 < count; i += 3) {
        int status = 0;
        if (!strcmp(words[i], "read")) {
            errno = 0;
            printf("read:%s %d\n", words[i + 1], show(words[i + 1]) < 0 ? errno : 0);
            continue;
        }
        fflush(stdout);
        pid_t child = fork();
        if (!child) {
            errno = 0;
            long result = attempt(words[i], words[i + 1], words[i + 2]);
            fflush(stderr);
            _exit(result < 0 ? errno : 0);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0) return 98;
        printf("%s:%s %d\n", words[i], words[i + 1], WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    return 0;
}

int main(int count, char **words) {
    if (!strcmp(words[1], "many")) return many(count - 2, words + 2);
    if (!strcmp(words[1], "leave-children")) {
        // Children of children, some of which want to be missed, and all of which hold the pipes.
        for (int i = 0; i < 3; i++) {
            if (!fork()) { setsid(); if (!fork()) { setpgid(0, 0); signal(SIGTERM, SIG_IGN); for (;;) pause(); } _exit(0); }
        }
        printf("left\n");
        return 0;
    }
    if (!strcmp(words[1], "endless")) for (;;) if (write(1, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n", 48) < 0) return 1;
    if (!strcmp(words[1], "silent")) { signal(SIGTERM, SIG_IGN); for (;;) pause(); }
    if (!strcmp(words[1], "spin")) for (;;) ;
    if (!strcmp(words[1], "memory-hog")) { for (;;) { char *m = malloc(1 << 20); if (!m) return 12; memset(m, 1, 1 << 20); } }
    errno = 0;
    long result = attempt(words[1], count > 2 ? words[2] : "", count > 3 ? words[3] : "");
    int error = result < 0 ? errno : 0;
    printf("%d\n", error);
    return error;
}

//! The set `processes`: what runs, and what it uses.

use crate::diag::grammar::{Command, PROGRAM};

/// What is said of a process: everything but its environment.
macro_rules! fields {
    () => {
        "pid|ppid|pgid|pgrp|sid|sess|tid|lwp|spid|tty|tt|tname|user|uname|euser|ruser|uid|euid|ruid|group|egroup|gid|egid|%cpu|pcpu|c|%mem|pmem|rss|rssize|rsz|sz|vsz|vsize|size|drs|trs|stat|state|s|start|stime|lstart|start_time|bsdstart|etime|etimes|time|cputime|cputimes|times|bsdtime|cmd|command|args|comm|ucmd|ucomm|fname|wchan|nwchan|ni|nice|pri|priority|opri|rtprio|psr|cpuid|nlwp|thcount|cls|class|policy|sched|f|flag|flags|maj_flt|majflt|min_flt|minflt|cgroup|cgroupname|unit|uunit|slice|lsession|machine|oom|oomadj|pss|uss|label|numa|pending|blocked|caught|ignored|lxc"
    };
}

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "ps",
        set: "processes",
        rows: &[concat!("
            -A -e
            -a
            -d
            -f
            -F
            -j
            -l
            -L
            -T
            -H
            -m
            -w
            -y
            -M
            -c
            -aux %aux
            --forest
            --headers
            --no-headers --no-heading
            --cumulative
            -p --pid = pids
            -q --quick-pid = pids
            --ppid = pids
            -C = word
            -u --user = user
            -U --User = user
            -G --Group = user
            -s --sid = pids
            -t --tty = word
            --cols --columns --width = count(10-4000)
            -o --format = fields(", fields!(), ")
            axo axfo = fields(", fields!(), ")
            -axo = fields(", fields!(), ") %axo
            --sort = fields(pid|ppid|pgid|sid|user|uid|group|gid|%cpu|pcpu|c|%mem|pmem|rss|rssize|vsz|vsize|size|sz|stat|state|s|start|start_time|stime|lstart|etime|etimes|time|cputime|cmd|comm|args|ni|nice|pri|nlwp|thcount|tty|psr|maj_flt|min_flt|oom)
        ")],
        verbs: ": bsd? / pids",
        ..PROGRAM
    },
    Command {
        names: "top",
        set: "processes",
        environment: "COLUMNS=200 TERM=dumb",
        rows: &["
            -b --batch-mode %-b
            -n --iterations = count(1-5) %-n
            -d --delay = decimal(10) %-d
            -o --sort-override = fields(PID|PPID|USER|UID|PR|NI|VIRT|RES|SHR|S|%CPU|%MEM|TIME|TIME+|COMMAND|SWAP|nTH|P|WCHAN) %-o
            -p --pid = pids %-p
            -u --filter-any-user = user %-u
            -U --filter-only-euser = user %-U
            -H --threads-show %-H
            -c --cmdline-toggle %-c
            -i --idle-toggle %-i
            -S --accum-time-toggle %-S
            -1 --single-cpu-toggle %-1
            -w --width =+ count(512) %-w
            -E --scale-summary-mem = one(k|m|g|t|p|e) %-E
            -e --scale-task-mem = one(k|m|g|t|p) %-e
        "],
        rules: "
            need -b: would take over a terminal; ask `top -b -n 1`
            add -n=1 unless -n: no -n was given: one screen is shown
        ",
        ..PROGRAM
    },
    Command {
        names: "pstree",
        set: "processes",
        rows: &["
            -a --arguments
            -A --ascii
            -c --compact-not
            -g --show-pgids
            -l --long
            -n --numeric-sort
            -p --show-pids
            -s --show-parents
            -t --thread-names
            -T --hide-threads
            -u --uid-changes
            -U --unicode
        "],
        verbs: ": pid? / user",
        ..PROGRAM
    },
    Command {
        names: "vmstat",
        set: "processes",
        rows: &["
            -a --active
            -d --disk
            -D --disk-sum
            -n --one-header
            -s --stats
            -t --timestamp
            -w --wide
            -y --no-first
            -S --unit = one(k|K|m|M)
        "],
        verbs: ": / count(1-10) count(1-30)",
        ..PROGRAM
    },
    Command {
        names: "iostat",
        set: "processes",
        rows: &["
            -c
            -d
            -h
            --human
            -k
            -m
            -N
            -p =+ disk
            -s
            -t
            -x
            -y
            -z
            --dec = one(0|1|2)
        "],
        verbs: ": / count(1-10) count(1-30) / disk+8 / disk count(1-10) count(1-30) / disk disk count(1-10) count(1-30)",
        ..PROGRAM
    },
    Command {
        names: "mpstat",
        set: "processes",
        rows: &["
            -A
            -u
            -n
            -H
            -T
            -I = list(SUM|CPU|SCPU|ALL)
            -P = word
            -N = word
            --dec = one(0|1|2)
        "],
        verbs: ": / count(1-10) count(1-30)",
        ..PROGRAM
    },
    Command {
        names: "free",
        set: "processes",
        rows: &["
            -b --bytes
            -k --kibi
            -m --mebi
            -g --gibi
            --kilo
            --mega
            --giga
            --si
            -h --human
            -l --lohi
            -t --total
            -v --committed
            -w --wide
            -L --line
        "],
        ..PROGRAM
    },
    Command {
        names: "uptime",
        set: "processes",
        rows: &["
            -p --pretty
            -s --since
            -r --raw
        "],
        ..PROGRAM
    },
];

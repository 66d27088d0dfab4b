//! The set `host`: which machine this is, what time it has, who is on it.

use crate::diag::grammar::{Command, NAME_SERVICE, PROGRAM};

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "uname",
        rows: &["
            -a --all
            -s --kernel-name
            -n --nodename
            -r --kernel-release
            -v --kernel-version
            -m --machine
            -p --processor
            -i --hardware-platform
            -o --operating-system
        "],
        ..PROGRAM
    },
    Command {
        names: "date",
        rows: &["
            -u --utc --universal
            -R --rfc-email
            -I --iso-8601 =? one(date|hours|minutes|seconds|ns)
            --rfc-3339 = one(date|seconds|ns)
            -d --date = time
        "],
        verbs: ": plusformat?",
        ..PROGRAM
    },
    Command {
        names: "id",
        needs: NAME_SERVICE,
        rows: &["
            -u --user
            -g --group
            -G --groups
            -n --name
            -r --real
        "],
        verbs: ": user*4",
        ..PROGRAM
    },
    Command {
        names: "who",
        rows: &["
            -a --all
            -b --boot
            -d --dead
            -H --heading
            -l --login
            -p --process
            -q --count
            -r --runlevel
            -s --short
            -t --time
            -T --mesg
            -u --users
        "],
        ..PROGRAM
    },
    Command {
        names: "last",
        rows: &["
            -n --limit = count(1-2000)
            -# = count(1-2000) %--limit
            -a --hostlast
            -d --dns %drop
            -F --fulltimes
            -i --ip
            -R --nohostname
            -w --fullnames
            -x --system
            -s --since = time
            -t --until = time
            -p --present = time
            --time-format = one(notime|short|full|iso)
        "],
        verbs: ": user*8",
        rules: "add --limit=200 unless --limit: no -n was given: the last 200 are shown",
        ..PROGRAM
    },
];

//! The set `packages`: what is installed.

use crate::diag::grammar::{Command, PROGRAM};

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "nixos-version",
        set: "packages",
        rows: &["
            --json
            --hash --revision
            --configuration-revision
        "],
        ..PROGRAM
    },
    Command {
        names: "rpm",
        set: "packages",
        rows: &["
            -q --query
            -a --all
            -i --info
            -l --list
            -f --file
            -c --configfiles
            -d --docfiles
            -s --state
            -R --requires %-R
            --provides
            --whatprovides
            --whatrequires
            --conflicts
            --obsoletes
            --changelog
            --last
        "],
        verbs: ": package*16 / path+8",
        rules: "need --query: only queries here; ask `rpm -q NAME`",
        ..PROGRAM
    },
    Command {
        names: "dpkg",
        set: "packages",
        rows: &["
            -l --list
            -s --status
            -L --listfiles
            -S --search
            -p --print-avail
            -C --audit
            --get-selections
            --print-architecture
            --print-foreign-architectures
            --no-pager %drop
        "],
        verbs: ": package*16 / path+8",
        rules: "
            need --list --status --listfiles --search --print-avail --audit --get-selections --print-architecture --print-foreign-architectures: only queries here; ask `dpkg -l NAME`
        ",
        environment: "DPKG_PAGER=cat DPKG_FRONTEND_LOCKED=1",
        ..PROGRAM
    },
    Command {
        names: "dpkg-query",
        set: "packages",
        rows: &["
            -l --list
            -s --status
            -L --listfiles
            -S --search
            -W --show
            -p --print-avail
            --no-pager %drop
        "],
        verbs: ": package*16 / path+8",
        rules: "need --list --status --listfiles --search --show --print-avail: only queries here; ask `dpkg-query -W NAME`",
        environment: "DPKG_PAGER=cat",
        ..PROGRAM
    },
];

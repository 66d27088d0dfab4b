//! The set `hardware`: sensors, processors, modules, buses.

use crate::diag::grammar::{Command, PROGRAM};

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "sensors",
        set: "hardware",
        rows: &["
            -A --no-adapter
            -f --fahrenheit
            -j
            -u
        "],
        verbs: ": chip*8",
        ..PROGRAM
    },
    Command { names: "lsmod", set: "hardware", ..PROGRAM },
    Command {
        names: "lscpu",
        set: "hardware",
        rows: &["
            -a --all
            -b --online
            -B --bytes
            -c --offline
            -C --caches =? columns
            -e --extended =? columns
            -p --parse =? columns
            -J --json
            -r --raw
            -y --physical
            --output-all
        "],
        ..PROGRAM
    },
    Command {
        names: "lspci",
        set: "hardware",
        rows: &["
            -v
            -k
            -m
            -n
            -q %drop
            -t
            -D
            -P
            -PP
            -b
            -s = slot
            -d = slot
        "],
        ..PROGRAM
    },
    Command {
        names: "lsusb",
        set: "hardware",
        rows: &["
            -v --verbose
            -t --tree
            -s = slot
            -d = slot
        "],
        ..PROGRAM
    },
];

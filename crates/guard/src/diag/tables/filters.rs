//! The set `filters`: what stands behind a `|`. The guard itself is each of them, and none has a way to a file.

use crate::diag::grammar::{Command, FILTER};

pub(super) const CAT: &str = "
    -n --number
    -b --number-nonblank
    -s --squeeze-blank
    -E --show-ends
    -T --show-tabs
    -v --show-nonprinting
    -A --show-all
    -e
    -t
    -u %drop
";
/// `head` and `tail`.
pub(super) const CUTS: &str = "
    -n --lines = tailcount
    -c --bytes = tailcount
    -# = count(999999999) %--lines
    -q --quiet --silent
    -v --verbose
";
pub(super) const WC: &str = "
    -l --lines
    -w --words
    -c --bytes
    -m --chars
    -L --max-line-length
";
pub(super) const GREP: &str = "
    -e --regexp = pattern
    -E --extended-regexp
    -G --basic-regexp
    -F --fixed-strings
    -i --ignore-case
    -v --invert-match
    -w --word-regexp
    -x --line-regexp
    -c --count
    -n --line-number
    -b --byte-offset
    -o --only-matching
    -l --files-with-matches
    -L --files-without-match
    -q --quiet --silent
    -s --no-messages
    -H --with-filename
    -h --no-filename
    -A --after-context = count(10000)
    -B --before-context = count(10000)
    -C --context = count(10000)
    -# = count(10000) %--context
    -m --max-count = count(1000000)
    -a --text
    -I
    --color --colour =? one(always|auto|never) %drop
    --line-buffered %drop
";

pub(crate) const COMMANDS: &[Command] = &[
    Command { names: "cat", rows: &[CAT], ..FILTER },
    Command { names: "head", rows: &[CUTS], ..FILTER },
    Command { names: "tail", rows: &[CUTS], ..FILTER },
    Command { names: "wc", rows: &[WC], ..FILTER },
    Command { names: "tac", ..FILTER },
    Command { names: "grep", rows: &[GREP], verbs: ": pattern!", ..FILTER },
    Command {
        names: "sort",
        rows: &["
            -n --numeric-sort
            -h --human-numeric-sort
            -M --month-sort
            -V --version-sort
            -r --reverse
            -u --unique
            -f --ignore-case
            -d --dictionary-order
            -b --ignore-leading-blanks
            -s --stable
            -k --key = key
            -t --field-separator = symbol
        "],
        ..FILTER
    },
    Command {
        names: "uniq",
        rows: &["
            -c --count
            -d --repeated
            -D --all-repeated
            -u --unique
            -i --ignore-case
            -f --skip-fields = count(1000)
            -s --skip-chars = count(10000)
            -w --check-chars = count(10000)
        "],
        ..FILTER
    },
    Command {
        names: "cut",
        rows: &["
            -b --bytes = ranges
            -c --characters = ranges
            -f --fields = ranges
            -d --delimiter = symbol
            -s --only-delimited
            --complement
            --output-delimiter = text
        "],
        rules: "need --bytes --characters --fields: needs a list; ask `cut -d ' ' -f 1`",
        ..FILTER
    },
    Command {
        names: "tr",
        rows: &["
            -d --delete
            -s --squeeze-repeats
            -c -C --complement
            -t --truncate-set1
        "],
        verbs: ": sets sets?",
        ..FILTER
    },
    Command {
        names: "nl",
        rows: &["
            -b --body-numbering = one(a|t|n)
            -w --number-width = count(1-20)
            -s --number-separator = text
            -n --number-format = one(ln|rn|rz)
            -v --starting-line-number = count(999999999)
            -i --line-increment = count(1000000)
        "],
        ..FILTER
    },
];

//! The readers and filters that the guard itself is: `cat head tail ls stat grep wc find zcat` over files, and `grep head
//! tail wc sort uniq cut tr nl tac cat` over what comes down a pipeline. They print as GNU's tools print.
//!
//! What follows is the contract with the tables that parse: per command, every option that may stand in
//! [`Parsed::options`], under its canonical name; `=V` takes a value. Options that change nothing here (`--color=never`,
//! `--line-buffered`, `-u` of `cat`) are dropped by the parser or ignored here. An unknown name is ignored here: the
//! tables are the wall. Abbreviations are never completed; clusters are taken apart by the parser.
//!
//! | command | options |
//! |---|---|
//! | `cat` | `--number` `--number-nonblank` `--squeeze-blank` `--show-ends` `--show-tabs` `--show-nonprinting` `--show-all` `-e` `-t` |
//! | `head` | `--lines=V` `--bytes=V` (`N`, `-N`, with suffix `k K M G` or `b kB MB`), `--quiet` `--verbose`; `-N` is `--lines=N` |
//! | `tail` | `--lines=V` `--bytes=V` (`N`, `-N`, `+N`, with suffix), `--quiet` `--verbose`; `-N` is `--lines=N` |
//! | `wc` | `--lines` `--words` `--bytes` `--chars` `--max-line-length` |
//! | `zcat` | none |
//! | `ls` | `--all` `--almost-all` `-l` `-1` `--human-readable` `--si` `-t` `-S` `-U` `-X` `-v` `-c` `-u` `-g` `-o` `-p` `--no-group` `--reverse` `--recursive` `--directory` `--inode` `--size` `--numeric-uid-gid` `--classify` `--file-type` `--full-time` `--time-style=full-iso\|long-iso\|iso` `--sort=none\|size\|time\|version\|extension` `--time=atime\|ctime\|mtime` `--group-directories-first` |
//! | `stat` | `--format=V` `--printf=V` `--terse` `--dereference` |
//! | `grep` as reader | those of the filter, and `--recursive` `--include=V` `--exclude=V` `--exclude-dir=V` |
//! | `grep` as filter | `--regexp=V` (each once more a pattern) `--extended-regexp` `--basic-regexp` `--fixed-strings` `--ignore-case` `--invert-match` `--word-regexp` `--line-regexp` `--count` `--line-number` `--byte-offset` `--only-matching` `--files-with-matches` `--files-without-match` `--quiet` `--no-messages` `--with-filename` `--no-filename` `--after-context=V` `--before-context=V` `--context=V` (`-NUM` too) `--max-count=V` `--text` `-I` |
//! | `find` | in order, as typed: `(` `)` `!` (also for `-not`) `-a` (also for `-and`) `-o` (also for `-or`) `,` is not known; `-maxdepth=V` `-mindepth=V` `-xdev` `-mount` `-name=V` `-iname=V` `-path=V` `-ipath=V` `-wholename=V` `-type=V` `-mtime=V` `-mmin=V` `-atime=V` `-amin=V` `-ctime=V` `-cmin=V` `-newer=V` (a path, judged as one) `-newermt=V` (`YYYY-MM-DD[ HH:MM[:SS]]` or `@SECONDS`) `-size=V` `-user=V` `-group=V` `-uid=V` `-gid=V` `-nouser` `-nogroup` `-perm=V` (octal, `-` or `/` before it) `-links=V` `-empty` `-true` `-false` `-prune` `-print` `-print0` `-printf=V` `-ls` `-quit` |
//! | `sort` | `--numeric-sort` `--human-numeric-sort` `--month-sort` `--version-sort` `--reverse` `--unique` `--key=V` (each once more) `--field-separator=V` `--ignore-case` `--dictionary-order` `--ignore-leading-blanks` `--stable` |
//! | `uniq` | `--count` `--repeated` `--all-repeated` `--unique` `--ignore-case` `--skip-fields=V` `--skip-chars=V` `--check-chars=V` |
//! | `cut` | `--bytes=V` `--characters=V` `--fields=V` `--delimiter=V` `--only-delimited` `--complement` `--output-delimiter=V` |
//! | `tr` | `--delete` `--squeeze-repeats` `--complement` `--truncate-set1`; one or two operands, the sets |
//! | `nl` | `--body-numbering=a\|t\|n` `--number-width=V` `--number-separator=V` `--number-format=ln\|rn\|rz` `--starting-line-number=V` `--line-increment=V` |
//! | `tac` | none |
//!
//! Operands: of `grep` without `--regexp` the first is the pattern; of `tr` the sets; of `find` the starting points; of
//! the other readers paths, absolute ones; of the other filters none. A filter never has a path.

mod amount;
mod calendar;
mod cat;
mod columns;
mod count;
mod ends;
mod facts;
mod files;
mod find;
mod glob;
mod grep;
mod gzip;
mod lines;
mod list;
mod order;
mod pattern;
mod repeat;
mod sets;
pub(crate) mod sink;
mod status;
mod text;
mod users;
mod version;

use super::places::Places;
use super::plan::Parsed;
use super::policy::DiagPolicy;
use breakglass_protocol::{Refusal, Rule};
use ends::Extent;
use files::Run;
use lines::Lines;
use sink::{Filter, Sink, Stage};

/// Carries out a reader: what it prints goes to `sink`, which is not ended, what it says to `errors`. The content of
/// each file is redacted before anything is done with it. The exit code is GNU's, or 77 where this door refused a file.
pub(crate) fn read(
    parsed: &Parsed,
    policy: &DiagPolicy,
    sink: &mut dyn Sink,
    errors: &mut dyn FnMut(&str),
) -> u8 {
    let mut run = Run::new(parsed, Places::new(policy), sink, errors);
    match parsed.command {
        "cat" => run.cat(),
        "head" => run.ends(ends::head, false),
        "tail" => run.ends(ends::tail, true),
        "wc" => run.wc(),
        "grep" => run.grep(),
        "zcat" => run.zcat(),
        "ls" => run.ls(),
        "stat" => run.stat(),
        "find" => run.find(),
        other => run.complain(&format!("{other} reads no files here"), 1),
    }
    run.code
}

/// Puts a filter before `next`.
///
/// # Errors
/// A refusal where its options or operands make no sense: before anything was started.
pub(crate) fn filter(parsed: &Parsed, next: Box<dyn Sink>) -> Result<Box<dyn Sink>, Refusal> {
    let by_line = |each: Option<Box<dyn lines::PerLine>>| each.map(Lines::boxed);
    let filter: Option<Box<dyn Filter>> = match parsed.command {
        "cat" => Some(cat::Cat::boxed(parsed)),
        "tac" => Some(Box::new(cat::Tac::default())),
        "head" => Extent::new(parsed).map(ends::head),
        "tail" => Extent::new(parsed).map(ends::tail),
        "wc" => {
            Some(Box::new(count::Wc { shown: count::Shown::new(parsed), counts: count::Counts::default() }))
        }
        "sort" => order::Sort::new(parsed).map(|it| Box::new(it) as Box<dyn Filter>),
        "tr" => sets::Tr::new(parsed).map(|it| Box::new(it) as Box<dyn Filter>),
        "uniq" => by_line(repeat::Uniq::new(parsed).map(|it| Box::new(it) as _)),
        "cut" => by_line(columns::Cut::new(parsed).map(|it| Box::new(it) as _)),
        "nl" => by_line(cat::Nl::new(parsed).map(|it| Box::new(it) as _)),
        "grep" => match grep::Grep::new(parsed) {
            Ok(grep) => by_line(Some(Box::new(grep))),
            Err(wrong) => return Err(refusal(format!("grep: {}", wrong.0))),
        },
        _ => None,
    };
    match filter {
        Some(filter) => Ok(Stage::boxed(filter, next)),
        None => Err(refusal(format!("{}: a value that makes no sense", parsed.command))),
    }
}

fn refusal(reason: String) -> Refusal {
    Refusal { rule: Rule::Option, reason, hint: "write it as GNU's manual has it".to_owned() }
}

#[cfg(test)]
pub(super) mod tests;

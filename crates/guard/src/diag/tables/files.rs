//! The set `files`: readers that the guard itself is, so that a file is judged by what was opened.

use super::filters::{CAT, CUTS, GREP, WC};
use crate::diag::denied::holds_denied;
use crate::diag::grammar::{Command, Draft, READER, Style};
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::{Refusal, Rule};

pub(crate) const COMMANDS: &[Command] = &[
    Command { names: "cat", rows: &[CAT], verbs: ": read+32", ..READER },
    Command { names: "head", rows: &[CUTS], verbs: ": read+32", ..READER },
    Command { names: "tail", rows: &[CUTS], verbs: ": read+32", ..READER },
    Command { names: "wc", rows: &[WC], verbs: ": read+32", ..READER },
    Command { names: "zcat", verbs: ": read+8", ..READER },
    Command {
        names: "grep",
        rows: &[
            GREP,
            "
            -r --recursive
            --include = pattern
            --exclude = pattern
            --exclude-dir = pattern
        ",
        ],
        verbs: ": pattern! read+32",
        last: Some(search),
        ..READER
    },
    Command {
        names: "ls",
        rows: &["
            -a --all
            -A --almost-all
            -l
            -1
            -c
            -d --directory
            -F --classify =? one(always|auto|never)
            --file-type
            --full-time
            -g
            -G --no-group
            --group-directories-first
            -h --human-readable
            -i --inode
            -n --numeric-uid-gid
            -o
            -p
            -r --reverse
            -R --recursive
            -s --size
            --si
            -S
            -t
            -u
            -U
            -v
            -X
            --color =? one(always|auto|never) %drop
            --sort = one(none|size|time|version|extension)
            --time = one(atime|access|use|ctime|status|mtime|modification)
            --time-style = one(full-iso|long-iso|iso)
        "],
        verbs: ": place+32",
        ..READER
    },
    Command {
        names: "stat",
        rows: &["
            -c --format = format
            --printf = format
            -t --terse
            -L --dereference
        "],
        verbs: ": place+32",
        ..READER
    },
    Command {
        names: "find",
        style: Style::Words,
        rows: &["
            -P %drop
            (
            )
            ! -not
            -a -and
            -o -or
            -maxdepth = count(64)
            -mindepth = count(64)
            -xdev
            -mount
            -name = pattern
            -iname = pattern
            -path = walked
            -ipath = walked
            -wholename = walked
            -type = list(f|d|l|s|p|b|c)
            -mtime = signed
            -mmin = signed
            -atime = signed
            -amin = signed
            -ctime = signed
            -cmin = signed
            -newer = place
            -newermt = time
            -size = signed
            -user = user
            -group = user
            -uid = signed
            -gid = signed
            -nouser
            -nogroup
            -perm = perm
            -links = signed
            -empty
            -true
            -false
            -prune
            -print
            -print0
            -printf = format
            -ls
            -quit
        "],
        verbs: ": place+16",
        ..READER
    },
];

/// A search through the content of a whole tree stays out of those in which secrets are named.
fn search(draft: &mut Draft, policy: &DiagPolicy) -> Result<(), Refusal> {
    if !draft.has("--recursive") {
        return Ok(());
    }
    let paths = draft.operands.iter().skip(usize::from(!draft.has("--regexp")));
    for path in paths.map(|operand| operand.text.as_str()) {
        if holds_denied(policy, path.as_bytes()) {
            return Err(Refusal {
                rule: Rule::DeniedPlace,
                reason: format!(
                    "`{}` holds places that nobody reads",
                    crate::diag::grammar::near::shown(path)
                ),
                hint: "search a narrower directory, such as /var/log or /etc/nginx".to_owned(),
            });
        }
    }
    Ok(())
}

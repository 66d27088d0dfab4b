//! The lines that let keys in: each must be root's, restricted, and forced to the guard; and the same key must not
//! open more elsewhere.

use super::Findings;
use crate::install::account::{self, Account};
use crate::install::keys::{KeyLine, lines};
use crate::install::{places, sshd};
use crate::policy::trusted_file;
use std::fs;
use std::path::Path;

/// Key files of other accounts are looked through up to this size.
const LARGEST: u64 = 1 << 20;

/// `held` is what sshd holds for the account; without it, the file that install writes is looked at.
pub(super) fn look(user: &str, config: &Path, held: Option<&str>, findings: &mut Findings) {
    let Some(account) = account::named(user) else { return };
    let configured = held.map(|held| sshd::values(held, "authorizedkeysfile").join(" "));
    let configured = configured.filter(|files| !files.is_empty()).unwrap_or_else(|| places::keys_of(user));
    let mut blobs: Vec<String> = Vec::new();
    for file in configured.split_whitespace().filter(|file| *file != "none") {
        let path = expand(file, &account);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if let Err(reason) = trusted_file(Path::new(&path)) {
            findings.wrong(
                format!("keys: {reason}"),
                "who can write to it adds a key of their own, without the guard",
            );
        }
        judge(&path, &text, config, &mut blobs, findings);
    }
    if blobs.is_empty() {
        findings.wrong(
            format!("{user} has no keys, so nobody can look"),
            "`breakglass-guard install diag --key FILE`",
        );
    }
    elsewhere(user, &blobs, findings);
}

/// The path that sshd makes of a pattern.
fn expand(file: &str, account: &Account) -> String {
    let path = file
        .replace("%h", &account.home)
        .replace("%u", &account.name)
        .replace("%U", &account.uid.to_string());
    if path.starts_with('/') { path } else { format!("{}/{path}", account.home) }
}

/// Judges the lines of one file.
pub(super) fn judge(path: &str, text: &str, config: &Path, blobs: &mut Vec<String>, findings: &mut Findings) {
    let before = findings.all.len();
    let mut count = 0;
    for (number, line) in lines(text).enumerate() {
        let Some(line) = line else {
            findings.weak(format!("{path}: has a line that is no key"), "take it out");
            continue;
        };
        count += 1;
        let named = if line.comment.is_empty() {
            format!("key {}", number + 1)
        } else {
            format!("key `{}`", line.comment.escape_debug())
        };
        let named = format!("{path}: {named}");
        options(&named, &line, config, findings);
        if blobs.iter().any(|have| have == line.blob) {
            findings.wrong(
                format!("{named} stands twice: of two commands for one key, sshd takes the first"),
                "leave one line for each key",
            );
        }
        blobs.push(line.blob.to_owned());
    }
    if findings.all.len() == before && count > 0 {
        findings.fine(format!("{path}: every key is restricted and forced to the guard"));
    }
}

fn options(named: &str, line: &KeyLine<'_>, config: &Path, findings: &mut Findings) {
    let options = split(line.options);
    let has = |name: &str| options.iter().any(|option| option.eq_ignore_ascii_case(name));
    let value = |name: &str| {
        let value = |option: &&str| {
            let (have, value) = option.split_once('=')?;
            have.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
        };
        options.iter().find_map(value)
    };
    match value("command") {
        None => findings.wrong(format!("{named} has no forced command: it opens a shell"), forced(config)),
        Some(command) => {
            let words: Vec<&str> = command.split_whitespace().collect();
            let program = words.first().copied().unwrap_or_default();
            if words.get(1) != Some(&"diag") || !program.ends_with("/breakglass-guard") {
                findings.wrong(
                    format!("{named} is forced to something else: {}", command.escape_debug()),
                    forced(config),
                );
            } else if let Err(reason) = trusted_file(Path::new(program)) {
                findings
                    .wrong(format!("{named}: {reason}"), "who can change the guard decides what it allows");
            }
            if !words.contains(&"--label") {
                findings.weak(
                    format!("{named} has no --label, so the record cannot tell whose look it was"),
                    forced(config),
                );
            }
        }
    }
    if !has("restrict") {
        findings.wrong(
            format!("{named} is not restricted: it may forward ports, agents and terminals"),
            forced(config),
        );
    }
    for loosened in
        ["pty", "port-forwarding", "agent-forwarding", "X11-forwarding", "user-rc", "cert-authority"]
    {
        if has(loosened) {
            findings.wrong(
                format!("{named} has `{loosened}`, which takes its restriction back"),
                format!("take `{loosened}` out of the line"),
            );
        }
    }
    if value("environment").is_some() {
        findings.weak(format!("{named} sets variables"), "take `environment=` out of the line");
    }
}

fn forced(config: &Path) -> String {
    format!(
        "let the line begin with `restrict,command=\"{} diag --config {} --label NAME\"`",
        places::GUARD,
        config.display()
    )
}

/// Options, split at commas outside of quotes.
fn split(options: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    let parts = options.split(move |c: char| {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        c == ',' && !quoted
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The same key at another account of this host, where nothing forces it to the guard.
fn elsewhere(user: &str, blobs: &[String], findings: &mut Findings) {
    for account in account::all().iter().filter(|account| account.name != user) {
        for file in [".ssh/authorized_keys", ".ssh/authorized_keys2"] {
            let path = Path::new(&account.home).join(file);
            let small =
                fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
            let text = if small { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
            let open = lines(&text)
                .flatten()
                .any(|line| !line.options.contains("command=") && blobs.iter().any(|blob| blob == line.blob));
            if open {
                findings.wrong(
                    format!(
                        "a key of this door opens {} too, with a shell ({})",
                        account.name,
                        path.display()
                    ),
                    "give the door a key of its own, and take this line out",
                );
            }
        }
    }
}

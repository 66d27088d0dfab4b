//! Paths as typed: absolute, not climbing, not denied, and with globs only where the reader matches them itself.

use super::{Bad, Checked};
use crate::diag::denied::{denied, no_unit_of_store, opened, pseudo_allowed};
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::Rule;
use breakglass_protocol::words::Word;

const STORE: &str = "/nix/store/";

/// `path` is handed to a program, `place` is looked at by a reader (names, sizes), `read` has its content read.
pub(super) fn check(name: &str, word: &Word, policy: &DiagPolicy) -> Result<Checked, Bad> {
    let text = word.text.as_str();
    if name == "walked" {
        return walked(text, policy);
    }
    if !text.starts_with('/') {
        return Err(Bad::hinting(
            "is no absolute path",
            "name files by their absolute paths; this door has no directory of its own",
        ));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(Bad::hinting("climbs with `..`", "write the path without `..`"));
    }
    if text.ends_with(' ') {
        return Err(Bad::new("ends with a blank"));
    }
    let glob = globs(name, word)?;
    // Of a glob what stands before it is judged here, and each match by the reader.
    let matched_last = word.globs.iter().any(|at| text.rfind('/').is_some_and(|slash| *at > slash));
    let fixed = if matched_last { text.rsplit_once('/').map_or("/", |(above, _)| above) } else { text };
    if let Some(why) = denied(policy, fixed.as_bytes()) {
        return Err(refused(why, "nobody reads it through this door"));
    }
    if no_unit_of_store(policy, fixed.as_bytes()) {
        return Err(refused(
            "of the store only units are shown",
            "below /nix/store/*-unit-*, or by its path in /etc",
        ));
    }
    let pseudo =
        ["proc", "sys"].iter().any(|root| fixed.split('/').find(|part| !part.is_empty()) == Some(root));
    if name == "read"
        && pseudo
        && !glob
        && !pseudo_allowed(fixed.as_bytes())
        && !opened(policy, fixed.as_bytes())
    {
        return Err(refused(
            "it is not among the kernel's files that are listed",
            "/proc/meminfo, /proc/PID/status, /proc/net/*, /proc/pressure/*, /sys/class/net/*/operstate and others are",
        ));
    }
    Ok(Checked { text: text.to_owned(), glob, note: None })
}

/// A pattern over whole paths (`find -path`): what is fixed about it must not be denied.
fn walked(text: &str, policy: &DiagPolicy) -> Result<Checked, Bad> {
    let fixed = text.split(['*', '?', '[']).next().unwrap_or_default();
    if fixed.starts_with('/')
        && let Some(why) = denied(policy, fixed.as_bytes())
    {
        return Err(refused(why, "nobody looks there through this door"));
    }
    if text.len() > 1024 {
        return Err(Bad::new("is too long"));
    }
    Ok(Checked { text: text.to_owned(), glob: false, note: None })
}

/// Whether the reader has something to match: in the last component, or in the name of an object of Nix's store, which
/// nobody can type.
fn globs(name: &str, word: &Word) -> Result<bool, Bad> {
    let Some(first) = word.globs.first() else { return Ok(false) };
    if name == "path" {
        return Err(Bad::hinting("has a glob, which this command does not expand", "name each path"));
    }
    let last = word.text.rfind('/').map_or(0, |at| at + 1);
    if *first < last {
        let in_store = word.text.starts_with(STORE)
            && word
                .globs
                .iter()
                .all(|at| word.text.get(STORE.len()..*at).is_some_and(|it| !it.contains('/')));
        if in_store && !word.has_quoted_glob() {
            return Ok(true);
        }
        return Err(Bad::hinting(
            "has a glob above its last component",
            "globs stand in the last component; `find` walks deeper",
        ));
    }
    if word.has_quoted_glob() {
        return Err(Bad::hinting("has quoted and unquoted globs", "quote all of them or none"));
    }
    Ok(true)
}

fn refused(why: &str, hint: &str) -> Bad {
    Bad { rule: Some(Rule::DeniedPlace), ..Bad::hinting(&format!("is denied: {why}"), hint) }
}

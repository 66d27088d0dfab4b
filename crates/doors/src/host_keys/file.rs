//! The text of the host key file: OpenSSH's `known_hosts`, one line per component name.
//!
//! `ssh -o UserKnownHostsFile=FILE -o HostKeyAlias=NAME` reads it too. Lines of other kinds (comments, hashed names,
//! `@cert-authority`) are kept as they stand and trusted for nothing.

use super::judge::Pin;
use russh::keys::PublicKey;
use std::collections::HashMap;

const ACCEPTED: &str = "accepted-by-a-person";
const FIRST_CONTACT: &str = "first-contact";

/// Reads all pins. A line for a name whose key can't be read gives a pin without key, which keeps that door closed.
pub(crate) fn parse(text: &str) -> HashMap<String, Pin> {
    let mut pins = HashMap::new();
    for line in text.lines() {
        let Some((names, key, comment)) = split(line) else { continue };
        let key = PublicKey::from_openssh(key).ok();
        let accepted = key.is_some() && comment == ACCEPTED;
        for name in names.split(',') {
            pins.insert(name.to_owned(), Pin { key: key.clone(), accepted });
        }
    }
    pins
}

/// `text` with the line of `component` replaced, or added at its end.
pub(crate) fn replace(text: &str, component: &str, pin: &Pin) -> String {
    let mut kept: String = text
        .lines()
        .filter(|line| split(line).is_none_or(|(names, ..)| names != component))
        .flat_map(|line| [line, "\n"])
        .collect();
    if let Some(key) = &pin.key {
        let mut bare = key.clone();
        bare.set_comment(if pin.accepted { ACCEPTED } else { FIRST_CONTACT });
        if let Ok(line) = bare.to_openssh() {
            kept.push_str(&format!("{component} {line}\n"));
        }
    }
    kept
}

/// Names, key and comment of a line that is a pin.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', '@', '|']) {
        return None;
    }
    let (names, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let comment = rest.split_whitespace().nth(2).unwrap_or_default();
    Some((names, rest, comment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn reads_what_it_writes_and_leaves_the_rest_alone() {
        let text = format!("# by hand\n@cert-authority * {KEY}\n|1|aa|bb {KEY}\nold {KEY} first-contact\n");
        assert_eq!(parse(&text).len(), 1);
        let key = PublicKey::from_openssh(KEY).ok();
        let pin = Pin { key, accepted: true };
        let replaced = replace(&replace(&text, "old", &pin), "pve", &pin);
        assert!(replaced.starts_with("# by hand\n@cert-authority"), "{replaced}");
        assert_eq!(replaced.matches("old ").count(), 1);
        assert!(parse(&replaced)["old"].accepted);
        assert!(parse(&replaced)["pve"].accepted);
    }

    #[test]
    fn a_line_that_cannot_be_read_trusts_nothing() {
        for line in ["pve", "pve ssh-ed25519", "pve ssh-ed25519 AAAA!! accepted-by-a-person"] {
            let pins = parse(line);
            assert_eq!(pins["pve"], Pin { key: None, accepted: false }, "{line}");
        }
    }
}

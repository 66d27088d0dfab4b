//! Public keys: the file that install is given, and the lines of `authorized_keys` that sshd reads.

use super::places::{CONFIG, GUARD};

/// Kinds of keys that may open the door. Certificates are not among them: they carry options of their own.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
];

/// A line of an `authorized_keys` file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyLine<'text> {
    /// What stands before the kind.
    pub(crate) options: &'text str,
    pub(crate) kind: &'text str,
    /// The key in base64.
    pub(crate) blob: &'text str,
    pub(crate) comment: &'text str,
}

/// The lines of a file that are keys; `None` stands for a line that is neither a key nor a comment.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Option<KeyLine<'_>>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(key_line)
}

/// Options may hold spaces within quotes; the kind is the first word outside of them that names one.
fn key_line(line: &str) -> Option<KeyLine<'_>> {
    let mut quoted = false;
    let mut escaped = false;
    let mut begins = 0;
    for (at, byte) in line.bytes().chain([b' ']).enumerate() {
        let ends = (byte == b' ' || byte == b'\t') && !quoted;
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = byte == b'\\' && !escaped;
        if !ends {
            continue;
        }
        let word = line.get(begins..at)?;
        let known = KINDS.contains(&word) || word.starts_with("ssh-") || word.contains("-cert-v0");
        if known {
            let mut rest = line.get(at..)?.trim_start().splitn(2, [' ', '\t']);
            let options = line.get(..begins)?.trim_end();
            let blob = rest.next().filter(|blob| !blob.is_empty())?;
            return Some(KeyLine {
                options,
                kind: word,
                blob,
                comment: rest.next().unwrap_or_default().trim(),
            });
        }
        begins = at + 1;
    }
    None
}

/// A key that may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) blob: String,
    /// Names the key in the record; of letters that mean nothing to a shell.
    pub(crate) label: String,
}

/// The keys of the file that install was given.
///
/// # Errors
/// A sentence: what is wrong with the file, and what to give instead.
pub(crate) fn read(text: &str, name: &str, label: Option<&str>) -> Result<Vec<Key>, String> {
    if text.contains("PRIVATE KEY") {
        return Err(format!(
            "{name} is a private key, which nobody may be given: name the public one, {name}.pub"
        ));
    }
    let mut keys: Vec<Key> = Vec::new();
    for line in lines(text) {
        let Some(line) = line else {
            return Err(format!(
                "{name}: has a line that is no public key (as in `ssh-ed25519 AAAA… comment`)"
            ));
        };
        if !line.options.is_empty() {
            return Err(format!(
                "{name}: has options before a key; install writes its own, so leave them out"
            ));
        }
        if !KINDS.contains(&line.kind) {
            return Err(format!("{name}: keys of the kind `{}` are not taken; use ssh-ed25519", line.kind));
        }
        if !is_whole(&line) {
            return Err(format!("{name}: the key is cut off or garbled; copy the file again"));
        }
        let label = match (label, keys.len()) {
            (Some(label), 0) => label.to_owned(),
            (Some(label), more) => format!("{label}-{}", more + 1),
            (None, _) => plain(line.comment),
        };
        if keys.iter().any(|have| have.blob == line.blob) {
            return Err(format!("{name}: has the same key twice"));
        }
        keys.push(Key { kind: line.kind.to_owned(), blob: line.blob.to_owned(), label });
    }
    if keys.is_empty() {
        return Err(format!("{name}: has no key"));
    }
    Ok(keys)
}

/// Whether the key is what its kind says: the blob begins with the kind's name, and goes on.
fn is_whole(line: &KeyLine<'_>) -> bool {
    let Some(bytes) = unbase64(line.blob) else { return false };
    // Each field stands behind its length; they fill the blob exactly.
    let mut rest = bytes.as_slice();
    let mut fields = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((field, after)) = after.split_at_checked(length) else { return false };
        fields.push(field);
        rest = after;
    }
    let least = if line.kind == "ssh-rsa" { 256 } else { 32 };
    let long = fields.iter().skip(1).map(|field| field.len()).max().unwrap_or(0) >= least;
    rest.is_empty() && fields.first() == Some(&line.kind.as_bytes()) && long
}

/// The bytes behind base64 (RFC 4648, standard alphabet), where it is whole.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - letters.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in letters.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from(bits >> held & 0xff));
        }
    }
    Some(bytes)
}

/// Whether a label means nothing to a shell, to sshd or to a reader of the record.
pub(crate) fn is_label(label: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
    (1..=60).contains(&label.len()) && !label.starts_with('-') && label.bytes().all(plain)
}

/// A label out of a key's comment.
fn plain(comment: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._@-".contains(c) { c } else { '-' };
    let label: String = comment.chars().map(kept).take(60).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "unnamed".to_owned() } else { label.to_owned() }
}

/// The file of the door's keys: those that it has keep their lines, and the given ones are added or renewed.
pub(crate) fn merge(have: &str, keys: &[Key], from: Option<&str>) -> String {
    let mut text = String::from(HEAD);
    let renewed = |line: &str| {
        lines(line).flatten().any(|line| keys.iter().any(|key| key.blob == line.blob))
            || line.starts_with('#')
    };
    for line in have.lines().filter(|line| !line.trim().is_empty() && !renewed(line)) {
        text.push_str(line);
        text.push('\n');
    }
    for Key { kind, blob, label } in keys {
        let from = from.map(|from| format!(",from=\"{from}\"")).unwrap_or_default();
        text.push_str(&format!(
            "restrict,command=\"{GUARD} diag --config {CONFIG} --label {label}\"{from} {kind} {blob} {label}\n"
        ));
    }
    text
}

const HEAD: &str =
    "# The keys of the read-only door, one a line; take a line out and its key opens nothing any more.\n";

/// `from=` of the key lines: addresses and networks, joined by commas.
///
/// # Errors
/// A sentence that names the one that is none.
pub(crate) fn sources(text: &str) -> Result<(), String> {
    for source in text.split(',') {
        let (address, bits) = match source.split_once('/') {
            Some((address, bits)) => (address, bits.parse::<u8>().ok()),
            None => (source, Some(0)),
        };
        let most = match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => 32,
            Ok(std::net::IpAddr::V6(_)) => 128,
            Err(_) => {
                return Err(format!("--from: `{}` is no address and no network", source.escape_debug()));
            }
        };
        if bits.is_none_or(|bits| bits > most) {
            return Err(format!("--from: `{}` has no such network", source.escape_debug()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICCCwJ6UdfKBKbH5MT8YSvQWbvEa9N1vLzR4zyGZgNtF an agent";

    #[test]
    fn reads_a_public_key_and_makes_its_line() {
        let keys = read(&format!("# mine\n\n{ED}\n"), "k.pub", None).unwrap();
        assert_eq!(keys.first().unwrap().label, "an-agent");
        let text = merge("", &keys, Some("192.0.2.0/24,2001:db8::1"));
        let all: Vec<_> = lines(&text).collect::<Option<_>>().unwrap();
        let line: &KeyLine<'_> = all.first().unwrap();
        assert_eq!(
            line.options,
            "restrict,command=\"/usr/local/lib/breakglass/breakglass-guard diag --config \
             /etc/breakglass/guard.toml --label an-agent\",from=\"192.0.2.0/24,2001:db8::1\""
        );
        assert_eq!(merge(&text, &keys, Some("192.0.2.0/24,2001:db8::1")), text);
        let renewed = merge(&text, &read(ED, "k.pub", Some("laptop")).unwrap(), None);
        assert_eq!(lines(&renewed).count(), 1);
        assert!(renewed.contains("--label laptop\" ssh-ed25519"), "{renewed}");
    }

    #[test]
    fn keeps_the_keys_that_are_there() {
        let other = ED.replace("ICCC", "IDDD");
        let text = merge("", &read(&other, "k", Some("first")).unwrap(), None);
        let both = merge(&text, &read(ED, "k", Some("second")).unwrap(), None);
        let labels: Vec<_> = lines(&both).flatten().map(|line| line.comment).collect();
        assert_eq!(labels, ["first", "second"]);
    }

    #[test]
    fn every_bad_file_is_told_what_it_is() {
        for (text, named) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "private key"),
            ("", "no key"),
            ("hello\n", "no public key"),
            ("ssh-ed25519\n", "no public key"),
            ("ssh-ed25519 AAAA x\n", "cut off"),
            (&ED.replace("ICCC", "IC"), "cut off"),
            (&ED.replace("NtF", "Nt*"), "cut off"),
            (&ED.replace("ssh-ed25519 ", "ssh-rsa "), "cut off"),
            (&ED.replace("ssh-ed25519 ", "ssh-dss "), "ssh-dss"),
            (&ED.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com "), "not taken"),
            (&format!("command=\"sh\" {ED}"), "options"),
            (&format!("{ED}\n{ED}"), "twice"),
        ] {
            let error = read(text, "k", None).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn takes_lines_apart() {
        for (line, options, kind, comment) in [
            (
                "command=\"a b \\\" ssh-rsa x\",restrict ssh-rsa QUJD me too",
                "command=\"a b \\\" ssh-rsa x\",restrict",
                "ssh-rsa",
                "me too",
            ),
            ("ssh-rsa QUJD", "", "ssh-rsa", ""),
            ("restrict\tssh-ed25519\tQUJD\tx", "restrict", "ssh-ed25519", "x"),
        ] {
            let have = lines(line).next().unwrap().unwrap();
            assert_eq!((have.options, have.kind, have.blob, have.comment), (options, kind, "QUJD", comment));
        }
        assert_eq!(lines("# x\n\n  \n").count(), 0);
        assert_eq!(lines("garbage line").next(), Some(None));
    }

    #[test]
    fn sources_are_addresses_and_networks() {
        for good in ["192.0.2.1", "192.0.2.0/24,2001:db8::/32", "::1"] {
            assert!(sources(good).is_ok(), "{good}");
        }
        for bad in ["", "host", "192.0.2.1/33", "192.0.2.1,", "!192.0.2.1", "*", "10.0.0.0/x", "1.2.3.4\" x"]
        {
            assert!(sources(bad).is_err(), "{bad}");
        }
    }
}

//! Which paths nobody reads through this door: patterns as data, and the one function that judges a path by them.
//!
//! It is lexical and knows no file system: the grammar asks it of what was typed, the readers ask it again of what was
//! opened. Nothing in a host's configuration takes a built-in denial back.

mod patterns;

use super::policy::DiagPolicy;
use patterns::{
    COPIES, DENIED, DEVICE_ATTRIBUTES, KEPT, KEPT_OPEN, KEPT_ROOTS, PEM, PSEUDO, PUBLIC_PEM, SERVICES, STATE,
    STATE_PARENTS,
};

/// Why this normalised absolute path is denied, if it is. A path that climbs (`..`) is denied, since it is not normalised.
pub(crate) fn denied(policy: &DiagPolicy, path: &[u8]) -> Option<&'static str> {
    let Some(parts) = components(path) else { return Some("it climbs with `..`") };
    let parts = parts.as_slice();
    if policy.denied.iter().any(|pattern| covers(pattern, parts, false)) {
        return Some("this host's configuration denies it");
    }
    built_in(parts)
}

/// Whether the host's configuration opens this path where a built-in default leaves it out (never where one denies it).
pub(crate) fn opened(policy: &DiagPolicy, path: &[u8]) -> bool {
    components(path).is_some_and(|parts| policy.allowed.iter().any(|pattern| covers(pattern, &parts, false)))
}

/// Whether this entry of procfs or sysfs is one of those that are read. The path is the resolved one or as typed.
pub(crate) fn pseudo_allowed(path: &[u8]) -> bool {
    let Some(parts) = components(path) else { return false };
    let parts = parts.as_slice();
    if built_in(parts).is_some() {
        return false;
    }
    if PSEUDO.split_ascii_whitespace().any(|pattern| covers(pattern, parts, true)) {
        return true;
    }
    // A device: `/sys/class/CLASS/NAME/ATTRIBUTE`, or `/sys/devices/…/CLASS/NAME/ATTRIBUTE`.
    let Some((b"sys", rest)) = parts.split_first().map(|(first, rest)| (*first, rest)) else { return false };
    (0..rest.len()).any(|at| {
        let Some((class, below)) = rest.get(at..).and_then(|tail| tail.split_first()) else { return false };
        let Some((_, attribute)) = below.split_first() else { return false };
        DEVICE_ATTRIBUTES.iter().any(|(name, attributes)| {
            name.as_bytes() == *class
                && attributes.split_ascii_whitespace().any(|pattern| matches_at(pattern, attribute, true))
        })
    })
}

/// Whether a denied place is named below this one, so that a search through the whole of it would meet what nobody reads.
/// `/var/log` counts as free of them: two of its files are denied, and the walk leaves them out.
pub(crate) fn holds_denied(policy: &DiagPolicy, path: &[u8]) -> bool {
    let Some(parts) = components(path) else { return true };
    let configured = policy.denied.iter().map(String::as_str);
    let built_in = DENIED
        .iter()
        .flat_map(|(_, patterns)| patterns.split_ascii_whitespace())
        .filter(|pattern| !pattern.starts_with("var/log/"));
    configured.chain(built_in).any(|pattern| {
        let mut pattern = pattern.trim_start_matches('/').split('/');
        let below = parts.iter().all(|part| pattern.next().is_some_and(|it| it.as_bytes() == *part));
        below && pattern.next().is_some()
    })
}

/// Whether this lies in an object of Nix's store that is no unit's, which is not shown by its path there.
pub(crate) fn no_unit_of_store(policy: &DiagPolicy, path: &[u8]) -> bool {
    let Some(parts) = components(path) else { return true };
    let [b"nix", b"store", object, ..] = parts.as_slice() else { return false };
    !object.windows(6).any(|part| part == b"-unit-") && !opened(policy, path)
}

/// Whether a pattern of a host's configuration can be one: it names something, and does not climb.
pub(crate) fn pattern_is_sound(pattern: &str) -> bool {
    !pattern.trim_matches(['/', '*']).is_empty() && !pattern.split('/').any(|part| part == "..")
}

fn built_in(parts: &[&[u8]]) -> Option<&'static str> {
    let found = DENIED
        .iter()
        .find(|(_, patterns)| patterns.split_ascii_whitespace().any(|pattern| covers(pattern, parts, false)))
        .map(|(why, _)| *why);
    found.or_else(|| kept(parts)).or_else(|| state(parts)).or_else(|| pem(parts)).or_else(|| store(parts))
}

/// A tree of kept state, at whatever depth it is mounted.
fn kept(parts: &[&[u8]]) -> Option<&'static str> {
    let at = parts.iter().position(|part| KEPT_ROOTS.split(' ').any(|root| root.as_bytes() == *part))?;
    let below = parts.get(at + 1..).unwrap_or_default();
    let open = KEPT_OPEN.split(' ').any(|pattern| matches_at(pattern, below, false));
    (!open).then_some(KEPT)
}

/// `/var/lib/n8n`, `/srv/n8n`, …: one of the services in one of the places.
fn state(parts: &[&[u8]]) -> Option<&'static str> {
    let is_state = (1..parts.len()).any(|at| {
        let Some(name) = parts.get(at) else { return false };
        let place = parts.get(..at).unwrap_or_default();
        any(SERVICES, name) && STATE_PARENTS.split(' ').any(|parent| ends_with(place, parent))
    });
    is_state.then_some(STATE)
}

fn pem(parts: &[&[u8]]) -> Option<&'static str> {
    let is_pem = parts.iter().any(|part| same(b"*.pem", part));
    (is_pem && !PUBLIC_PEM.split_ascii_whitespace().any(|pattern| covers(pattern, parts, false)))
        .then_some(PEM)
}

/// The store of Nix is readable by everyone, and generated configurations in it sometimes hold what they must not.
fn store(parts: &[&[u8]]) -> Option<&'static str> {
    let [b"nix", b"store", name, ..] = parts else { return None };
    any("*secret* *passw* *token* *credential* *private*", name)
        .then_some("its name says that it holds a secret")
}

fn any(patterns: &str, part: &[u8]) -> bool {
    patterns.split_ascii_whitespace().any(|pattern| same(pattern.as_bytes(), part))
}

fn ends_with(place: &[&[u8]], parent: &str) -> bool {
    let mut place = place.iter().rev();
    parent.rsplit('/').all(|part| place.next().is_some_and(|it| *it == part.as_bytes()))
}

/// The components of an absolute path; nothing where it climbs. `/etc/static` is `/etc` by another name (NixOS), and
/// `/var/run` is `/run`.
fn components(path: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        match (parts.last().copied(), part) {
            (_, b"..") => return None,
            (Some(b"etc"), b"static") => {}
            (Some(b"var"), b"run") => {
                parts.pop();
                parts.push(part);
            }
            _ => parts.push(part),
        }
    }
    Some(parts)
}

/// Whether a pattern covers the path: at the root where it begins with `/`, else at any depth.
fn covers(pattern: &str, parts: &[&[u8]], whole: bool) -> bool {
    match pattern.strip_prefix('/') {
        Some(rooted) => matches_at(rooted, parts, whole),
        None => {
            let pattern = pattern.strip_prefix("**/").unwrap_or(pattern);
            (0..parts.len()).any(|at| matches_at(pattern, parts.get(at..).unwrap_or_default(), whole))
        }
    }
}

/// Whether a pattern stands at the beginning of these components; `whole`: and nothing after it, but after `**`.
fn matches_at(pattern: &str, parts: &[&[u8]], whole: bool) -> bool {
    let mut parts = parts.iter();
    for expected in pattern.split('/') {
        match (expected, parts.next()) {
            ("**", Some(_)) => return true,
            (expected, Some(part)) if same(expected.as_bytes(), part) => {}
            _ => return false,
        }
    }
    !whole || parts.next().is_none()
}

/// Whether a component is what the pattern names, or a copy of it.
fn same(pattern: &[u8], part: &[u8]) -> bool {
    if wildcard(pattern, part) {
        return true;
    }
    let mut name = part;
    while let Some(shorter) = without_copy_ending(name) {
        name = shorter;
        if wildcard(pattern, name) || name.strip_prefix(b".").is_some_and(|hidden| wildcard(pattern, hidden))
        {
            return true;
        }
    }
    false
}

fn without_copy_ending(name: &[u8]) -> Option<&[u8]> {
    let known = COPIES.iter().find_map(|ending| name.strip_suffix(ending.as_bytes()));
    let shorter = known.or_else(|| {
        let number = name.iter().rposition(|byte| !byte.is_ascii_digit())?;
        // `.1`, `-20261121`, `.2026-11-21`
        let is_numbered = number + 1 < name.len() && matches!(name.get(number), Some(b'.' | b'-' | b'_'));
        is_numbered.then(|| name.get(..number)).flatten()
    });
    shorter.filter(|name| !name.is_empty())
}

/// `*` any bytes, `?` one byte, `#` one digit.
pub(crate) fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') => {}
            Some(b'#') if byte.is_ascii_digit() => {}
            Some(expected) if expected == byte && *expected != b'#' => {}
            _ => {
                let Some((star, taken)) = back else { return false };
                back = Some((star, taken + 1));
                (p, t) = (star, taken + 1);
                continue;
            }
        }
        (p, t) = (p + 1, t + 1);
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;

//! What is masked in documents about containers and Kubernetes objects, by where it stands: environments and data whole,
//! arguments by the rules of arguments, everything else by its name and as text.

use crate::bytes::{at, part, run};
use crate::json::{Member, Policy};
use crate::keys::{self, Weight};
use crate::line;
use crate::looks;
use crate::marker::{self, DATA, ENVIRONMENT};
use crate::scan::Setting;

/// The masks of one document.
#[derive(Debug)]
pub(crate) struct Masks {
    kubernetes: bool,
    /// The `name` of each object on the way.
    names: Vec<Option<Vec<u8>>>,
}

impl Masks {
    /// For Kubernetes objects, or else for what container engines describe.
    pub(crate) fn new(kubernetes: bool) -> Self {
        Self { kubernetes, names: Vec::new() }
    }

    /// The kind of marker that must stand for every string here, if so.
    fn whole(&self, path: &[Vec<u8>]) -> Option<&'static str> {
        let last = path.last()?.as_slice();
        let above =
            path.len().checked_sub(2).and_then(|above| path.get(above)).map_or(&b""[..], Vec::as_slice);
        if !self.kubernetes {
            let environment = path.iter().any(|name| is_environment(name));
            return if environment { Some(ENVIRONMENT) } else { (last == b"Data").then_some(DATA) };
        }
        if is_environment(last) || is_environment(above) && last != b"name" {
            return Some(ENVIRONMENT);
        }
        let data = path.iter().enumerate().any(|(index, name)| {
            let top = index == 0 || index == 1 && path.first().is_some_and(|first| first == b"items");
            name == b"stringData" || name == b"binaryData" || name == b"data" && top
        });
        data.then_some(DATA)
    }

    /// The kind of secret that a string is by its name, or by the `name` beside it.
    fn named(&self, path: &[Vec<u8>], value: &[u8]) -> Option<&'static str> {
        let last = path.last()?;
        let beside = || {
            let name = self.names.last()?.as_deref()?;
            (last == b"value" || last == b"Value").then(|| by_name(name, value)).flatten()
        };
        by_name(last, value).or_else(beside)
    }
}

impl Policy for Masks {
    fn member(&mut self, path: &[Vec<u8>]) -> Member {
        let Some(last) = path.last() else { return Member::Keep };
        let dropped =
            self.kubernetes && (last == b"managedFields" || last.ends_with(b"last-applied-configuration"));
        if dropped { Member::Drop } else { Member::Keep }
    }

    fn string(&mut self, path: &[Vec<u8>], value: &[u8]) -> Option<Vec<u8>> {
        if let Some(kind) = self.whole(path) {
            return (!value.is_empty()).then(|| masked(value, kind));
        }
        if let Some(kind) = self.named(path, value) {
            return Some(masked(b"", kind));
        }
        changed(value, crate::text(value))
    }

    fn list(&mut self, path: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        if let Some(kind) = self.whole(path) {
            return values.iter().map(|value| changed(value, masked(value, kind))).collect();
        }
        if let Some(kind) = path.last().and_then(|last| strong(last)) {
            return values
                .iter()
                .map(|value| (!looks::is_placeholder(value)).then(|| masked(b"", kind)))
                .collect();
        }
        let shown = arguments(values);
        values.iter().zip(shown).map(|(value, shown)| changed(value, shown)).collect()
    }

    fn enter(&mut self, name: Option<Vec<u8>>) {
        self.names.push(name);
    }

    fn leave(&mut self) {
        self.names.pop();
    }

    fn has_bytes(&self) -> bool {
        false
    }
}

fn is_environment(name: &[u8]) -> bool {
    [&b"env"[..], b"environment", b"envs", b"extraenv"].iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
}

fn changed(value: &[u8], shown: Vec<u8>) -> Option<Vec<u8>> {
    (shown != value).then_some(shown)
}

/// A marker, after the name of `NAME=value` where there is one.
fn masked(value: &[u8], kind: &str) -> Vec<u8> {
    let name = run(value, 0, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    let mut out = Vec::new();
    if name > 0 && at(value, name) == b'=' && kind == ENVIRONMENT {
        out.extend_from_slice(part(value, 0, name.saturating_add(1)));
    }
    marker::write(kind, &mut out);
    out
}

fn strong(name: &[u8]) -> Option<&'static str> {
    keys::classify(name).filter(|key| key.weight == Weight::Strong).map(|key| key.kind)
}

/// The kind of secret that a value is beside its name.
pub(crate) fn by_name(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let key = keys::classify(name)?;
    let digits = value.iter().all(u8::is_ascii_digit);
    let secret = match key.weight {
        Weight::Strong => !digits || value.len() > 3,
        Weight::Medium => {
            looks::is_secretish(value)
                && !looks::is_uuid(value)
                && (key.kind != marker::KEY || looks::is_random(value, 16))
        }
        Weight::Authorization => value.len() > 5,
        Weight::Cookie => value.contains(&b'='),
        Weight::Query => false,
    };
    (secret && !looks::is_placeholder(value)).then_some(key.kind)
}

/// A list of arguments by the rules of arguments; what `-e` and `--env` bring goes whatever it is.
pub(crate) fn arguments(values: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let line = values.join(&0);
    let mut read = Vec::new();
    line::redact(&line, Setting { arguments: true, ..Setting::default() }, &mut read);
    let mut shown: Vec<Vec<u8>> = read.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    if shown.len() != values.len() {
        return values.iter().map(|_| masked(b"", marker::SECRET)).collect();
    }
    let mut environment = false;
    for value in &mut shown {
        let given = value
            .strip_prefix(b"--env=")
            .map(|given| (6, given))
            .or(environment.then_some((0, value.as_slice())));
        if let Some((length, given)) = given
            && given.contains(&b'=')
        {
            let head = part(value, 0, length).to_vec();
            *value = [head, masked(given, ENVIRONMENT)].concat();
        }
        environment = matches!(value.as_slice(), b"-e" | b"--env");
        *value = crate::text(value);
    }
    shown
}

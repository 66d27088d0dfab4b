//! The kinds that are no path: names, times, filters, templates.

use super::{Bad, is_digits};
use crate::diag::policy::DiagPolicy;
use std::net::IpAddr;

/// Letters, digits and these, not a dash first, and not too long.
pub(super) fn of(text: &str, most: usize, more: &str) -> bool {
    !text.is_empty()
        && text.len() <= most
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte))
        && !text.contains("..")
}

/// A list whose elements are all named; where `marked`, each may have `+` or `-` before it (an order) or `=` after it (no header).
pub(super) fn all_of(text: &str, separators: &[char], known: &str, marked: bool) -> bool {
    let mut count = 0;
    text.split(separators).all(|element| {
        count += 1;
        let element = if marked { unmarked(element) } else { element };
        count <= 64 && known.split('|').any(|it| it == element)
    })
}

/// A field without the marks of its order (`-rss`), its width (`wchan:30`) and its empty header (`pid=`).
fn unmarked(field: &str) -> &str {
    let field = field.strip_prefix(['+', '-']).unwrap_or(field);
    let field = field.strip_suffix('=').unwrap_or(field);
    match field.split_once(':') {
        Some((name, width)) if width.len() <= 3 && is_digits(width) => name,
        _ => field,
    }
}

pub(super) fn unit(text: &str, globs: bool) -> bool {
    let more = if globs { ":_.@\\-*?[]!" } else { ":_.@\\-" };
    of(&text.replace("..", "."), 255, more) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// `-24h`, `2 hours ago`, `2026-11-21 10:00:00`, `@1700000000`, `yesterday`, `30m`.
pub(super) fn time(text: &str) -> bool {
    let first = text.strip_prefix(['-', '+', '@']).unwrap_or(text);
    let signed = first.len() != text.len();
    first.len() <= 48
        && first.starts_with(|c: char| c.is_ascii_digit() || !signed && c.is_ascii_alphabetic())
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" :.,+-/_".contains(&byte))
}

/// `5`, `+5`, `-5`, `+100M`.
pub(super) fn signed(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = digits.strip_suffix(|c: char| "bcwkMGTP".contains(c)).unwrap_or(digits);
    is_digits(digits) && digits.len() <= 15
}

pub(super) fn boot(text: &str) -> bool {
    let offset = text.strip_prefix(['-', '+']).unwrap_or(text);
    is_digits(offset) && offset.len() <= 5
        || text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A journal's field that is shown: core dumps keep memory and environments in theirs.
pub(super) fn journal_field(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        && !["COREDUMP", "ENVIRON", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

pub(super) fn journal_match(text: &str) -> bool {
    text == "+" || text.split_once('=').is_some_and(|(name, value)| journal_field(name) && value.len() <= 256)
}

/// Properties of units, without those that are environments or credentials.
pub(super) fn properties(text: &str) -> bool {
    text.split(',').count() <= 64
        && text.split(',').all(|name| {
            let lower = name.to_ascii_lowercase();
            of(name, 64, "") && !["environment", "credential"].iter().any(|word| lower.contains(word))
        })
}

pub(super) fn host(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = text.split_once('%').map_or(text, |(address, _)| address);
    if name.len() != text.len() {
        return name.parse::<IpAddr>().is_ok() && of(text, 64, ":.%");
    }
    text.len() <= 253
        && text.split('.').all(|label| label.len() <= 63 && of(label, 63, "-_"))
        && !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// `@ADDRESS` of a name server that may be asked: those of the configuration, else whatever is near. A look-up at any server
/// would be a way out for what was read.
pub(super) fn server(text: &str, policy: &DiagPolicy) -> Result<String, Bad> {
    let Some(Ok(address)) = text.strip_prefix('@').map(str::parse::<IpAddr>) else {
        return Err(Bad::new("is no name server's address"));
    };
    let near = match address {
        IpAddr::V4(it) => it.is_loopback() || it.is_private(),
        IpAddr::V6(it) => it.is_loopback() || it.is_unique_local(),
    };
    if policy.resolvers.contains(&address) || policy.resolvers.is_empty() && near {
        return Ok(text.to_owned());
    }
    Err(Bad::hinting(
        "is no name server that this door asks",
        "leave it out: the host's own resolvers are asked",
    ))
}

pub(super) fn device(text: &str) -> bool {
    text.strip_prefix("/dev/")
        .is_some_and(|rest| of(rest, 80, "._/-:") && !rest.split('/').any(str::is_empty))
}

/// The sets of `tr`: escapes that name printable characters only.
pub(super) fn translatable(text: &str) -> bool {
    let mut escaped = false;
    text.len() <= 256
        && text.chars().all(|c| {
            let fits = !escaped || "nt\\-[]'\"/".contains(c);
            escaped = c == '\\' && !escaped;
            fits
        })
        && !text.contains("[:cntrl:]")
}

/// The formats of `find -printf` and `stat`: the escapes `\n \t \\ \0`, and directives without a width.
pub(super) fn printable_format(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        if c == '\\' {
            if !next.is_some_and(|it| "nt\\0\"'".contains(it)) {
                return false;
            }
            chars.next();
            if next == Some('0') && chars.peek().is_some_and(char::is_ascii_digit) {
                return false;
            }
        }
    }
    text.len() <= 512 && !widths(text)
}

/// A width of a directive that would fill memory.
fn widths(text: &str) -> bool {
    text.split('%').skip(1).any(|directive| {
        let digits = directive.trim_start_matches(['-', '+', '#', ' ', '0']);
        digits.bytes().take_while(u8::is_ascii_digit).count() > 3
    })
}

/// A Go template of nothing but text and listed fields: `table {{.Names}}\t{{.Status}}`.
pub(super) fn template(text: &str, known: &str) -> bool {
    if matches!(text, "json" | "{{json .}}") {
        return known.split('|').any(|it| it == "json");
    }
    if matches!(text, "table") {
        return true;
    }
    let mut rest = text;
    let mut fields = 0;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, after)) = after.split_once("}}") else { return false };
        let inside = inside.trim();
        let inside = inside.strip_prefix("json ").unwrap_or(inside).trim();
        let listed = inside.strip_prefix('.').is_some_and(|field| known.split('|').any(|it| it == field));
        if !listed || before.contains("}}") {
            return false;
        }
        fields += 1;
        rest = after;
    }
    text.len() <= 512 && fields > 0 && fields <= 32 && !rest.contains("}}")
}

/// `status=exited`, `name=web`.
pub(super) fn filter(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, value)| {
        [
            "id",
            "name",
            "status",
            "health",
            "label",
            "network",
            "ancestor",
            "exited",
            "is-task",
            "expose",
            "publish",
            "volume",
            "dangling",
            "before",
            "since",
            "reference",
            "driver",
            "scope",
            "type",
        ]
        .contains(&name)
            && of(value, 200, "._:/=@-")
    })
}

/// The words of a filter of `ss`, which has no way to a file.
pub(super) fn socket_filter(text: &str) -> bool {
    let words = text.split_ascii_whitespace();
    text.len() <= 300
        && words.clone().count() > 0
        && words.into_iter().all(|word| {
            let bare = word.trim_matches(['(', ')', '!']);
            [
                "",
                "state",
                "exclude",
                "all",
                "connected",
                "synchronized",
                "bucket",
                "big",
                "established",
                "syn-sent",
                "syn-recv",
                "fin-wait-1",
                "fin-wait-2",
                "time-wait",
                "closed",
                "close-wait",
                "last-ack",
                "listening",
                "listen",
                "closing",
                "unconnected",
                "dport",
                "sport",
                "dst",
                "src",
                "and",
                "or",
                "not",
                "=",
                "==",
                "!=",
                "=>",
                ">=",
                "<=",
                "<",
                ">",
                "eq",
                "ne",
                "gt",
                "lt",
                "ge",
                "le",
                "neq",
                "|",
                "||",
                "&",
                "&&",
                ":ssh",
                ":http",
                ":https",
                ":domain",
            ]
            .contains(&bare)
                || !bare.starts_with('-')
                    && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/*[]%".contains(&byte))
        })
}

/// A label or field selector of Kubernetes.
pub(super) fn selector(text: &str) -> bool {
    of(text, 400, "._-/=!,() ") && !text.to_ascii_lowercase().contains("secret")
}

/// Kinds of Kubernetes, `a,b`, or `kind/name`: those that are listed, by exactly these spellings.
pub(super) fn resource(text: &str) -> bool {
    let (kinds, name) = match text.split_once('/') {
        Some((kind, name)) => (kind, Some(name)),
        None => (text, None),
    };
    name.is_none_or(|name| of(name, 253, "._-"))
        && kinds.split(',').count() <= 16
        && (name.is_none() || !kinds.contains(','))
        && kinds
            .split(',')
            .all(|kind| crate::diag::tables::kubernetes::KINDS.split_ascii_whitespace().any(|it| it == kind))
}

/// How a disk is spoken to, as `smartctl -d` has it.
pub(super) fn disk_type(text: &str) -> bool {
    const KINDS: &str = "auto ata sat scsi nvme sat,auto sat,12 sat,16 usbjmicron usbsunplus usbcypress usbprolific sntjmicron \
                         sntasmedia sntrealtek";
    const NUMBERED: &str = "megaraid cciss areca aacraid 3ware hpt sssraid jmb39x nvme";
    let inner = text.strip_prefix("sat+").or_else(|| text.strip_prefix("auto+")).unwrap_or(text);
    KINDS.split_ascii_whitespace().any(|it| it == inner)
        || inner.split_once(',').is_some_and(|(kind, number)| {
            NUMBERED.split(' ').any(|it| it == kind)
                && number.len() <= 12
                && number.split([',', '/']).all(is_digits)
        })
}

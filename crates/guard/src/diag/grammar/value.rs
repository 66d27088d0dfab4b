//! The kinds of values and operands: what a word must be to stand where a line of a table puts it.

mod places;
mod words;

use crate::diag::policy::DiagPolicy;
use breakglass_protocol::Rule;
use breakglass_protocol::words::Word;

/// A word that was found good, as it is handed on.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) text: String,
    /// Its last component has an unquoted glob.
    pub(crate) glob: bool,
    /// What was changed about it.
    pub(crate) note: Option<String>,
}

/// Why a word is not what it must be.
#[derive(Debug)]
pub(crate) struct Bad {
    /// Where it is neither the option's nor the operand's own.
    pub(crate) rule: Option<Rule>,
    pub(crate) reason: String,
    pub(crate) hint: String,
}

impl Bad {
    pub(crate) fn new(reason: &str) -> Self {
        Self { rule: None, reason: reason.to_owned(), hint: String::new() }
    }

    fn hinting(reason: &str, hint: &str) -> Self {
        Self { hint: hint.to_owned(), ..Self::new(reason) }
    }
}

/// Whether a word is of this kind, written `NAME` or `NAME(ARGUMENT)`.
///
/// # Errors
/// What it should have been.
pub(crate) fn check(kind: &'static str, word: &Word, policy: &DiagPolicy) -> Result<Checked, Bad> {
    let (name, argument) = match kind.split_once('(') {
        Some((name, rest)) => (name, rest.trim_end_matches(')')),
        None => (kind, ""),
    };
    let text = word.text.as_str();
    match name {
        "path" | "place" | "read" | "walked" => return places::check(name, word, policy),
        "lines" => return lines(text, argument),
        "server" => return words::server(text, policy).map(plain),
        _ => {}
    }
    let fits = match name {
        "count" => number(text, argument),
        "tailcount" => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let digits = digits.trim_end_matches(|c: char| "kKMGTBb".contains(c));
            text.len() - digits.len() <= 3 && !digits.is_empty() && digits.len() <= 15 && is_digits(digits)
        }
        "decimal" => decimal(text, argument),
        "signed" => words::signed(text),
        "one" => argument.split('|').any(|it| it == text),
        "list" => words::all_of(text, &[','], argument, false),
        "fields" => words::all_of(text, &[',', ' '], argument, true),
        "pattern" | "text" => text.len() <= 1024,
        "word" => words::of(text, 200, "._:@%+,=/-"),
        "name" => words::of(text, 253, "._-"),
        "user" => words::of(text, 64, "._-$"),
        "interface" => words::of(text, 15, "._-:@"),
        "address" => words::of(text, 64, ".:/-%"),
        "unit" => words::unit(text, true),
        "unitname" => words::unit(text, false),
        "pid" => is_digits(text) && text.len() <= 7,
        "pids" => {
            text.split([',', ' ']).count() <= 32
                && text.split([',', ' ']).all(|pid| is_digits(pid) && pid.len() <= 7)
        }
        "ident" => is_digits(text) && text.len() <= 9,
        "time" => words::time(text),
        "boot" => words::boot(text),
        "cursor" => words::of(text, 400, "=;-_"),
        "match" => words::journal_match(text),
        "fieldname" => text.split(',').count() <= 32 && text.split(',').all(words::journal_field),
        "prop" => words::properties(text),
        "host" => words::host(text),
        "query" => words::host(text.strip_suffix('.').unwrap_or(text)) || text == ".",
        "device" => words::device(text),
        "bsd" => {
            !text.is_empty() && text.len() <= 8 && text.bytes().all(|byte| b"auxfwjlvrTh".contains(&byte))
        }
        "sets" => words::translatable(text),
        "format" => words::printable_format(text),
        "key" => words::of(text, 40, ".,"),
        "ranges" => {
            words::of(text, 200, ",-")
                || text.starts_with('-') && words::of(text.get(1..).unwrap_or_default(), 200, ",-")
        }
        "template" => words::template(text, argument),
        "filter" => words::filter(text),
        "image" => words::of(text, 253, "._-/:@"),
        "socket" => words::socket_filter(text),
        "dataset" => words::of(text, 253, "._-/:@%"),
        "resource" => words::resource(text),
        "slashed" => text.contains('/') && words::resource(text),
        "logged" => words::of(text, 253, "._-") || text.contains('/') && words::resource(text),
        "columns" => words::of(text.trim_start_matches('+'), 400, ",:_-%"),
        "disk" | "pool" | "package" | "chip" => {
            let more = match name {
                "disk" => "/_-",
                "package" => "._+:~*?[]-",
                _ => "._-:*/@%",
            };
            text.starts_with(|c: char| {
                c.is_ascii_alphabetic() || c == '/' && text.starts_with("/dev/") || c == '*'
            }) && words::of(text, 200, more)
        }
        "priority" => {
            text.split("..").count() <= 2
                && text.split("..").all(|level| LEVELS.split('|').any(|it| it == level))
        }
        "duration" => words::of(text, 20, ".") && text.starts_with(|c: char| c.is_ascii_digit()),
        "sortby" => {
            text.starts_with(['.', '{']) && words::of(text, 120, "._-{}[]'") && !text.contains("data")
        }
        "symbol" => text.chars().count() == 1 || text == "\\t",
        "disktype" => words::disk_type(text),
        "perm" => {
            let octal = text.strip_prefix(['-', '/']).unwrap_or(text);
            is_digits(octal) && octal.len() <= 5
        }
        "plusformat" => text.starts_with('+') && words::printable_format(text),
        "slot" => words::of(text, 20, ":.*") || text.starts_with(':') && words::of(text, 20, ":.*"),
        "selector" => words::selector(text),
        _ => false,
    };
    if fits { Ok(plain(text.to_owned())) } else { Err(expected(name, argument)) }
}

const LEVELS: &str = "0|1|2|3|4|5|6|7|emerg|alert|crit|err|error|warning|warn|notice|info|debug";

fn plain(text: String) -> Checked {
    Checked { text, glob: false, note: None }
}

fn expected(name: &str, argument: &str) -> Bad {
    let what = match name {
        "count" => {
            return Bad::new(&format!(
                "is no number up to {}",
                argument.rsplit('-').next().unwrap_or(argument)
            ));
        }
        "decimal" => return Bad::new(&format!("is no number of seconds up to {argument}")),
        "one" | "list" | "fields" => {
            return Bad::hinting(
                "is not on this door's list",
                &format!("one of {}", argument.replace('|', " ")),
            );
        }
        "unit" | "unitname" => "is no unit's name",
        "time" => "is no time",
        "host" | "query" => "is neither a host's name nor an address",
        "device" => "is no device below /dev",
        "pid" | "pids" => "is no process id",
        "prop" => "is no property that is shown",
        "fieldname" | "match" => "is no field that is shown",
        "template" => {
            return Bad::hinting(
                "is no template of listed fields",
                "write {{.FIELD}} with fields that hold no secrets",
            );
        }
        "resource" => {
            return Bad::hinting(
                "is no kind that is shown",
                "secrets are never shown; pods, deployments, nodes, events and others are",
            );
        }
        "sets" | "format" => "would print control characters",
        _ => return Bad::new(&format!("is no {name}")),
    };
    Bad::new(what)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `MAX` or `MIN-MAX`.
fn number(text: &str, argument: &str) -> bool {
    let (least, most) = argument.split_once('-').unwrap_or(("0", argument));
    let (Ok(least), Ok(most)) = (least.parse::<u64>(), most.parse::<u64>()) else { return false };
    is_digits(text) && text.len() <= 12 && text.parse().is_ok_and(|it: u64| it >= least && it <= most)
}

fn decimal(text: &str, most: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let tenth = part.len() <= 3 && is_digits(part) && (whole != "0" || !part.starts_with('0'));
    number(whole, most) && tenth
}

/// A number of lines, bounded rather than refused.
fn lines(text: &str, most: &str) -> Result<Checked, Bad> {
    if text != "all" && !is_digits(text) {
        return Err(Bad::new("is no number of lines"));
    }
    if number(text, most) {
        return Ok(plain(text.to_owned()));
    }
    Ok(Checked { text: most.to_owned(), glob: false, note: Some(format!("is bounded to {most}")) })
}

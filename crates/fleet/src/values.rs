//! The small forms that a text in the file may have: names, addresses, durations, times of day, host keys.
//!
//! Each function takes the text and gives the value, or says in a sentence what is wrong with it. None of them knows
//! where in the file the text stands.

use crate::HostKeyPolicy;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a parser of this module gives: the value, or what is wrong in a sentence fragment.
pub(crate) type Parsed<T> = Result<T, String>;

/// Host and port of an address from the file; the port is `default_port` where the address has none. The host comes
/// without brackets: `[2001:db8::1]:2202` gives `("2001:db8::1", 2202)`. Nothing is resolved.
#[must_use]
pub fn split_address(address: &str, default_port: u16) -> (String, u16) {
    let (host, port) = host_and_port(address);
    (host.to_owned(), port.and_then(|port| port.parse().ok()).unwrap_or(default_port))
}

fn host_and_port(address: &str) -> (&str, Option<&str>) {
    if address.parse::<Ipv6Addr>().is_ok() {
        return (address, None);
    }
    if let Some((host, after)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    match address.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    }
}

/// Any text that is not empty and has no control characters.
pub(crate) fn line(text: &str) -> Parsed<String> {
    if text.trim().is_empty() {
        Err("the text is empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err("the text has control characters".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// A name that stands in addresses of pages, in file names and in records.
pub(crate) fn name(text: &str) -> Parsed<String> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if first && rest && text.len() <= 63 {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a name: a letter or digit, then letters, digits, `.`, `_`, `-`; at most 63",
            text.escape_debug()
        ))
    }
}

/// A name by which a guard knows one of several VMs.
pub(crate) fn vm_name(text: &str) -> Parsed<String> {
    match name(text) {
        Ok(name) if !name.bytes().any(|b| b.is_ascii_uppercase()) => Ok(name),
        _ => Err(format!(
            "`{}` is not the name of a VM: lower-case letters, digits, `.`, `_`, `-`; at most 63",
            text.escape_debug()
        )),
    }
}

/// An account: it becomes an argument of `ssh`, so it must never look like an option.
pub(crate) fn user(text: &str) -> Parsed<String> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if first && rest && text.len() <= 32 {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is not the name of an account", text.escape_debug()))
    }
}

/// An address with or without a port, or a name.
pub(crate) fn address(text: &str) -> Parsed<String> {
    let (host, port) = host_and_port(text);
    let form = "an address is like 192.0.2.10, 192.0.2.10:2202, [2001:db8::1]:2202 or a host name";
    let bracketed_name = text.starts_with('[') && host.parse::<Ipv6Addr>().is_err();
    if !is_host(host) || bracketed_name {
        return Err(format!("`{}` is no address; {form}", text.escape_debug()));
    }
    match port {
        Some(port) if !is_port(port) => {
            Err(format!("`{}` is no port from 1 to 65535; {form}", port.escape_debug()))
        }
        _ if text.starts_with('[') && port.is_none() => Err(format!("no port after the brackets; {form}")),
        _ => Ok(text.to_owned()),
    }
}

/// A host name or an address, without a port.
pub(crate) fn host(text: &str) -> Parsed<String> {
    if is_host(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is neither a host name nor an address; it stands without a port",
            text.escape_debug()
        ))
    }
}

/// A name that somebody logs in with, or that a token has.
pub(crate) fn visitor(text: &str) -> Parsed<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(fine) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is no name to log in with: 1 to 64 letters, digits and `._@-`",
            text.escape_debug()
        ))
    }
}

/// An address that must have a port.
pub(crate) fn address_with_port(text: &str) -> Parsed<String> {
    let text = address(text)?;
    if host_and_port(&text).1.is_some() {
        Ok(text)
    } else {
        Err(format!("`{text}` has no port; write it like 192.0.2.20:9"))
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host(text: &str) -> bool {
    // Digits and dots alone are a mistyped address, never a name: 192.0.2.300 must not be looked up.
    let looks_numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_name = !looks_numeric
        && text.len() <= 253
        && text.split('.').all(|label| {
            let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            !label.is_empty()
                && label.len() <= 63
                && inner
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    text.parse::<IpAddr>().is_ok() || is_name
}

/// An address to listen on.
pub(crate) fn listen(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        format!("`{}` is no address with a port to listen on, like 127.0.0.1:8080", text.escape_debug())
    })
}

/// One address.
pub(crate) fn ip(text: &str) -> Parsed<IpAddr> {
    text.parse().map_err(|_| format!("`{}` is no address like 192.0.2.2", text.escape_debug()))
}

/// An address or a network, as `from=` in `authorized_keys` takes it.
pub(crate) fn source(text: &str) -> Parsed<String> {
    let (host, bits) = text.split_once('/').map_or((text, None), |(host, bits)| (host, Some(bits)));
    let widest = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => {
            return Err(format!(
                "`{}` is no address like 192.0.2.2 and no network like 192.0.2.0/24",
                text.escape_debug()
            ));
        }
    };
    match bits.map(str::parse::<u8>) {
        None => Ok(text.to_owned()),
        Some(Ok(bits)) if bits <= widest => Ok(text.to_owned()),
        Some(_) => Err(format!("after the `/` stands the length of the network, from 0 to {widest}")),
    }
}

/// An address on the web to which more may be added: no account, no question, no fragment, no slash at its end.
pub(crate) fn url(text: &str) -> Parsed<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split('/').next());
    let plain = text.chars().all(|c| c.is_ascii_graphic() && !"?#\"\\<>`{}".contains(c));
    match authority {
        Some(authority) if authority.contains('@') => {
            Err("a name or password has no place in an address".to_owned())
        }
        Some(authority) if plain && (address(authority).is_ok() || bare_v6(authority)) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!(
            "`{}` is no address on the web; write it like https://breakglass.example.org or http://192.0.2.2:8080",
            text.escape_debug()
        )),
    }
}

/// `[2001:db8::1]`, which needs no port in an address on the web.
fn bare_v6(authority: &str) -> bool {
    let inner = authority.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Somebody's mail address, without a name around it.
pub(crate) fn mail_address(text: &str) -> Parsed<String> {
    let local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    match text.rsplit_once('@') {
        Some((name, domain)) if !name.is_empty() && name.bytes().all(local) && is_host(domain) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{}` is no mail address like oncall@example.org", text.escape_debug())),
    }
}

/// A path that means the same wherever the program was started.
pub(crate) fn path(text: &str) -> Parsed<PathBuf> {
    if text.starts_with('/') && !text.chars().any(char::is_control) {
        Ok(PathBuf::from(text))
    } else {
        Err(format!("`{}` is no absolute path; `~` and relative paths are not expanded", text.escape_debug()))
    }
}

/// A duration: a whole number, one space, a unit.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    let wrong = || {
        format!(
            "`{}` is no duration; write it like \"500 ms\", \"5 s\", \"2 min\" or \"8 h\"",
            text.escape_debug()
        )
    };
    let (number, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = if digits { number.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// A duration as the file writes it, in the largest unit that divides it.
pub(crate) fn render_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let fitting = units.into_iter().find(|(size, _)| millis >= *size && millis.is_multiple_of(*size));
    fitting.map_or_else(|| format!("{millis} ms"), |(size, unit)| format!("{} {unit}", millis / size))
}

/// A time of day in UTC as minutes after midnight.
pub(crate) fn minute_of_day(text: &str) -> Parsed<u32> {
    let wrong = || format!("`{}` is no time of day (UTC) like \"02:30\"", text.escape_debug());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let two_digits = |part: &str, below: u32| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten().filter(|number: &u32| *number < below)
    };
    match (two_digits(hour, 24), two_digits(minute, 60)) {
        (Some(hour), Some(minute)) => Ok(hour * 60 + minute),
        _ => Err(wrong()),
    }
}

/// How a host key is judged.
pub(crate) fn host_key(text: &str) -> Parsed<HostKeyPolicy> {
    let base64 = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    if text == "tofu-alarm" {
        return Ok(HostKeyPolicy::TofuAlarm);
    }
    if let Some(digest) = text.strip_prefix("SHA256:") {
        // 32 bytes in base64 without padding, as `ssh-keygen -l` prints them.
        return if digest.len() == 43 && base64(digest) {
            Ok(HostKeyPolicy::Fingerprint(text.to_owned()))
        } else {
            Err("a fingerprint is `SHA256:` and 43 characters, as `ssh-keygen -l` prints it".to_owned())
        };
    }
    let key = text.strip_prefix("ca ").unwrap_or(text);
    let mut words = key.split(' ');
    let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_key =
        (kind.starts_with("ssh-") || kind.starts_with("ecdsa-")) && blob.starts_with("AAAA") && base64(blob);
    match (is_key, text.starts_with("ca ")) {
        (true, true) => Ok(HostKeyPolicy::Ca(format!("{kind} {blob}"))),
        (true, false) => {
            Err("a bare public key does not say whether it is the host's or its authority's; write \
                              `ca ` before an authority's, or the fingerprint `SHA256:…` of the host's"
                .to_owned())
        }
        _ => Err(format!(
            "`{}` is no host key policy; write \"SHA256:…\", \"ca ssh-ed25519 AAAA…\" or \"tofu-alarm\"",
            text.escape_debug()
        )),
    }
}

/// The name of an HTTP header, in lower case.
pub(crate) fn header(text: &str) -> Parsed<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("`{}` is no name of a header", text.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_mistyped_ones_refused() {
        for (text, host, port) in [
            ("192.0.2.10", "192.0.2.10", 22),
            ("192.0.2.10:2202", "192.0.2.10", 2202),
            ("2001:db8::1", "2001:db8::1", 22),
            ("[2001:db8::1]:2202", "2001:db8::1", 2202),
            ("pve.example.org", "pve.example.org", 22),
            ("pve:99", "pve", 99),
        ] {
            assert_eq!(address(text).as_deref(), Ok(text));
            assert_eq!(split_address(text, 22), (host.to_owned(), port));
        }
        for text in [
            "",
            "192.0.2.300",
            "192.0.2.10:",
            "192.0.2.10:0",
            "pve:65536",
            "-oProxy",
            "a b",
            "[2001:db8::1]",
            "[x]:1",
            "a..b",
            "pve:+1",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
        assert!(address_with_port("192.0.2.10").is_err());
        assert!(address_with_port("192.0.2.10:9").is_ok());
    }

    #[test]
    fn durations_have_one_form() {
        for (text, millis) in [("500 ms", 500), ("5 s", 5000), ("2 min", 120_000), ("8 h", 28_800_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
            assert_eq!(render_duration(Duration::from_millis(millis)), text);
        }
        for text in [
            "5s",
            "5",
            "5  s",
            "-5 s",
            "+5 s",
            "5.5 s",
            "5 sec",
            "",
            " s",
            "99999999999999999999 s",
            "9999999999999999999 h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn host_keys_have_three_forms_and_a_bare_key_is_none() {
        let digest = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDYjlzhBVHPTq1VU3s";
        assert_eq!(host_key(digest), Ok(HostKeyPolicy::Fingerprint(digest.to_owned())));
        assert_eq!(host_key("tofu-alarm"), Ok(HostKeyPolicy::TofuAlarm));
        assert_eq!(
            host_key("ca ssh-ed25519 AAAAC3Nza me@here"),
            Ok(HostKeyPolicy::Ca("ssh-ed25519 AAAAC3Nza".to_owned()))
        );
        for text in ["ssh-ed25519 AAAAC3Nza", "SHA256:short", "yes", "", "ca ", "ca tofu-alarm"] {
            assert!(host_key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_sources_times_and_headers() {
        assert!(["devvm", "a.b-c_d", "9"].into_iter().all(|text| name(text).is_ok()));
        assert!(
            ["", "-x", "a b", "a/b", "é", "..", &"x".repeat(64)].into_iter().all(|text| name(text).is_err())
        );
        assert!(["192.0.2.2", "192.0.2.0/24", "2001:db8::/32"].into_iter().all(|text| source(text).is_ok()));
        assert!(["192.0.2.0/33", "router", "*", "192.0.2.0/"].into_iter().all(|text| source(text).is_err()));
        assert_eq!(minute_of_day("02:30"), Ok(150));
        assert!(["2:30", "24:00", "12:60", "noon"].into_iter().all(|text| minute_of_day(text).is_err()));
        assert_eq!(header("X-Forwarded-User"), Ok("x-forwarded-user".to_owned()));
        assert!(user("-l").is_err() && user("root").is_ok());
        assert!(path("~/key").is_err() && path("/etc/key").is_ok());
    }
}

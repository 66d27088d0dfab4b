//! The request grammar of a power door.
//!
//! There is no tokenising and no trimming: a request is compared whole. With one VM the language has twelve
//! sentences (six verbs, each with and without [`JSON_PREFIX`]); with several, twelve for each VM.

use crate::{Refusal, Rule, Verb, VmName};

/// Selects machine output: one JSON object a line.
pub const JSON_PREFIX: &str = "--json ";

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerRequest {
    /// What to do.
    pub verb: Verb,
    /// To which VM.
    pub vm: VmName,
    /// Whether the answer is JSON lines.
    pub json: bool,
}

impl PowerRequest {
    /// The request as it is sent; `several` says whether the door has more than one VM, so that a name is needed.
    #[must_use]
    pub fn render(&self, several: bool) -> String {
        let prefix = if self.json { JSON_PREFIX } else { "" };
        if several { format!("{prefix}{} {}", self.verb, self.vm) } else { format!("{prefix}{}", self.verb) }
    }
}

/// No sentence of the language is longer than this many bytes.
const LONGEST: usize = JSON_PREFIX.len() + 9 + 1 + 63;

/// Reads a request for a door with these VMs (never empty; the configuration sees to that).
///
/// # Errors
/// A [`Refusal`] that names the rule and the nearest allowed thing; a denial is a value that the caller records.
pub fn parse_power(raw: &[u8], vms: &[VmName]) -> Result<PowerRequest, Refusal> {
    let hint = || format!("allowed: {}", sentence(vms));
    let refuse = |rule, reason: String| Err(Refusal { rule, reason, hint: hint() });
    if raw.is_empty() {
        return refuse(Rule::NoRequest, "no request was given and this key opens no shell".to_owned());
    }
    if raw.len() > LONGEST {
        return refuse(Rule::Length, format!("the request has {} bytes", raw.len()));
    }
    if raw.iter().any(|b| b.is_ascii_control()) || std::str::from_utf8(raw).is_err() {
        let reason = if raw.ends_with(b"\n") {
            "the request ends with a line break"
        } else {
            "the request has control or invalid bytes"
        };
        return refuse(Rule::Bytes, reason.to_owned());
    }
    let (json, words) = match raw.strip_prefix(JSON_PREFIX.as_bytes()) {
        Some(rest) => (true, rest),
        None => (false, raw),
    };
    match (Verb::from_bytes(words), vms) {
        (Some(verb), [only]) => return Ok(PowerRequest { verb, vm: only.clone(), json }),
        (Some(_), _) => return refuse(Rule::VmMissing, "this door leads to several VMs".to_owned()),
        (None, _) => {}
    }
    let Some((verb, name)) = split_verb(words) else {
        return refuse(Rule::UnknownVerb, "the request is none of the six verbs".to_owned());
    };
    if let [_] = vms {
        return refuse(Rule::Arguments, format!("`{verb}` takes nothing after it"));
    }
    match vms.iter().find(|vm| vm.as_str().as_bytes() == name) {
        Some(vm) => Ok(PowerRequest { verb, vm: vm.clone(), json }),
        None => refuse(Rule::UnknownVm, format!("`{verb}` is for one of this door's VMs")),
    }
}

fn split_verb(words: &[u8]) -> Option<(Verb, &[u8])> {
    Verb::ALL.into_iter().find_map(|verb| {
        let rest = words.strip_prefix(verb.as_str().as_bytes())?.strip_prefix(b" ")?;
        Some((verb, rest))
    })
}

fn sentence(vms: &[VmName]) -> String {
    let verbs = "status forensics reset stop start cycle";
    match vms {
        [_] => format!("one of {verbs}"),
        _ => {
            let names: Vec<&str> = vms.iter().map(VmName::as_str).collect();
            format!("one of {verbs}, then one of {}", names.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<VmName> {
        texts.iter().filter_map(|text| VmName::new(text).ok()).collect()
    }

    #[test]
    fn accepts_exactly_the_language() {
        let one = names(&["devvm"]);
        let two = names(&["devvm", "gitvm"]);
        for verb in Verb::ALL {
            for json in [false, true] {
                for vms in [&one, &two] {
                    for vm in vms {
                        let request = PowerRequest { verb, vm: vm.clone(), json };
                        let text = request.render(vms.len() > 1);
                        assert_eq!(parse_power(text.as_bytes(), vms), Ok(request), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_the_rule_of_each_refusal() {
        let one = names(&["devvm"]);
        let two = names(&["devvm", "gitvm"]);
        for (raw, vms, rule) in [
            (&b""[..], &one, Rule::NoRequest),
            (b"reset\n", &one, Rule::Bytes),
            (b"reset\xff", &one, Rule::Bytes),
            (b"reset ", &one, Rule::Arguments),
            (b"status 103", &one, Rule::Arguments),
            (b"--json  status", &one, Rule::UnknownVerb),
            (b"Reset", &one, Rule::UnknownVerb),
            (b"status", &two, Rule::VmMissing),
            (b"status mailvm", &two, Rule::UnknownVm),
            (b"status devvm ", &two, Rule::UnknownVm),
            (&[b'A'; 131_000], &one, Rule::Length),
        ] {
            assert_eq!(
                parse_power(raw, vms).map_err(|refusal| refusal.rule),
                Err(rule),
                "{}",
                raw.escape_ascii()
            );
        }
    }
}

//! `[diag]` of the file: the policy of the read-only door, every value with a safe default.

use super::document::{Fault, Value};
use super::section::Section;
use crate::diag::denied::pattern_is_sound;
use crate::diag::policy::{DiagPolicy, ExtraCommand, Limits};
use crate::diag::tables::is_set;
use std::net::IpAddr;
use std::time::Duration;

const DIAG: &[&str] = &[
    "sets",
    "command",
    "deny",
    "allow",
    "resolvers",
    "kubeconfig",
    "broker",
    "limits",
    "redact",
    "without_landlock",
];
const COMMAND: &[&str] = &["name", "path", "flags", "options", "operands", "unix_sockets"];
const LIMITS: &[&str] = &["deadline_seconds", "output_bytes", "memory_bytes", "per_minute", "at_a_time"];

/// Programs that would run anything: no grammar makes them harmless.
const RUN_ANYTHING: &str = "ash awk bash busybox dash env find fish gawk ksh lua mawk nice \
    node nohup perl php python python3 ruby sed setsid sh ssh su sudo timeout vi vim xargs zsh";

/// The read-only door, where the file has one.
pub(super) fn read(file: Section<'_>) -> Result<Option<DiagPolicy>, Fault> {
    let Some(section) = file.section("diag", "diag", DIAG)? else {
        return Ok(None);
    };
    let mut policy = DiagPolicy {
        denied: patterns(&section, "deny")?,
        allowed: patterns(&section, "allow")?,
        kubeconfig: section.path("kubeconfig")?,
        broker: section.path("broker")?,
        redaction_off: !section.switch("redact", true)?,
        without_landlock: section.switch("without_landlock", false)?,
        limits: limits(&section)?,
        ..DiagPolicy::default()
    };
    if let Some(sets) = section.open_section("sets")? {
        for entry in sets.entries() {
            if !is_set(&entry.key) {
                let reason = format!("there is no set of commands `{}`", entry.key.escape_debug());
                return Err(sets.fault(&entry.key, reason));
            }
            match entry.value {
                Value::Switch(true) => {}
                Value::Switch(false) => {
                    policy.sets_off.insert(entry.key.clone());
                }
                _ => return Err(sets.fault(&entry.key, "a set of commands is true (on) or false (off)")),
            }
        }
    }
    for text in section.texts("resolvers")? {
        let reason = || format!("`resolvers` are addresses, not `{}`", text.escape_debug());
        let address: IpAddr = text.parse().map_err(|_| section.fault("resolvers", reason()))?;
        policy.resolvers.push(address);
    }
    for section in section.sections("command", "diag.command", COMMAND)? {
        let command = command(&section)?;
        if policy.extra.iter().any(|have| have.name == command.name) {
            return Err(section.fault("name", format!("the command `{}` stands twice", command.name)));
        }
        policy.extra.push(command);
    }
    Ok(Some(policy))
}

/// Path patterns: absolute, and none that goes up.
fn patterns(section: &Section<'_>, key: &'static str) -> Result<Vec<String>, Fault> {
    let patterns = section.texts(key)?;
    for pattern in &patterns {
        let sound =
            pattern.starts_with('/') && !pattern.chars().any(char::is_control) && pattern_is_sound(pattern);
        if !sound {
            let shown = pattern.escape_debug();
            let reason = format!("`{key}` has absolute paths without `..` only, not `{shown}`");
            return Err(section.fault(key, reason));
        }
    }
    Ok(patterns)
}

fn limits(diag: &Section<'_>) -> Result<Limits, Fault> {
    let mut limits = Limits::default();
    let Some(section) = diag.section("limits", "diag.limits", LIMITS)? else {
        return Ok(limits);
    };
    if let Some(seconds) = section.number("deadline_seconds", 1, 3600)? {
        limits.deadline = Duration::from_secs(seconds);
    }
    limits.output = section.number("output_bytes", 4096, 1 << 30)?.unwrap_or(limits.output);
    limits.memory = section.number("memory_bytes", 32 << 20, 1 << 40)?.unwrap_or(limits.memory);
    let small = |key: &str, otherwise: u32| {
        let given = section.number(key, 1, 100_000)?;
        Ok(given.and_then(|given| u32::try_from(given).ok()).unwrap_or(otherwise))
    };
    limits.per_minute = small("per_minute", limits.per_minute)?;
    limits.at_a_time = small("at_a_time", limits.at_a_time)?;
    Ok(limits)
}

fn command(section: &Section<'_>) -> Result<ExtraCommand, Fault> {
    let named = section.text("name")?.unwrap_or_default();
    if !is_word(named) {
        return Err(section.fault("name", "`name` must be letters, digits and `._-`, as it is to be typed"));
    }
    let Some(path) = section.path("path")? else {
        return Err(section.fault("path", format!("the command `{named}` has no `path`")));
    };
    let program = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // `python3.12` and the like, too.
    let stem = program.split('.').next().unwrap_or_default();
    if program.is_empty() || RUN_ANYTHING.split(' ').any(|runs| runs == program || runs == stem) {
        let shown = path.display();
        let reason =
            format!("{shown} runs whatever it is told to: name the program that looks, not this one");
        return Err(section.fault("path", reason));
    }
    let options = |key: &'static str| {
        let options = section.texts(key)?;
        match options.iter().find(|option| !is_option(option)) {
            None => Ok(options),
            Some(wrong) => {
                let shown = wrong.escape_debug();
                Err(section.fault(key, format!("`{key}` has options such as -v or --verbose, not `{shown}`")))
            }
        }
    };
    let operands = section.texts("operands")?;
    let sound = |operand: &String| {
        !operand.is_empty() && !operand.starts_with('-') && !operand.chars().any(char::is_control)
    };
    if !operands.iter().all(sound) {
        return Err(section.fault("operands", "`operands` are words that do not begin with `-`"));
    }
    Ok(ExtraCommand {
        name: named.to_owned(),
        path,
        flags: options("flags")?,
        options: options("options")?,
        operands,
        unix_sockets: section.switch("unix_sockets", false)?,
    })
}

fn is_word(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !text.starts_with(['-', '.']) && (1..=64).contains(&text.len()) && text.bytes().all(inside)
}

fn is_option(text: &str) -> bool {
    let name = text.strip_prefix("--").filter(|name| name.len() > 1);
    let name = name.or_else(|| text.strip_prefix('-').filter(|name| name.len() == 1));
    name.is_some_and(is_word)
}

#[cfg(test)]
mod tests {
    use super::super::sections::resolve;
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<DiagPolicy, String> {
        resolve(text, Path::new("guard.toml")).map(|policy| policy.diag.unwrap())
    }

    #[test]
    fn the_header_alone_is_complete() {
        let policy = read("[diag]\n").unwrap();
        assert_eq!(policy.limits, Limits::default());
        assert!(!policy.redaction_off && !policy.without_landlock && policy.sets_off.is_empty());
        assert!(policy.extra.is_empty() && policy.broker.is_none() && policy.resolvers.is_empty());
    }

    #[test]
    fn says_everything_that_it_can() {
        let policy = read(
            "[diag]\ndeny = [\"/srv/secret/**\"]\nallow = ['/srv/app/logs']\nredact = false\n\
             resolvers = [\"192.0.2.53\", \"2001:db8::53\"]\nkubeconfig = \"/etc/breakglass/kubeconfig\"\n\
             broker = \"/run/breakglass/broker.sock\"\nwithout_landlock = true\n\
             sets = { containers = false, network = true }\n\
             [diag.limits]\ndeadline_seconds = 5\noutput_bytes = 1_000_000\nmemory_bytes = 268435456\n\
             per_minute = 60\nat_a_time = 2\n\
             [[diag.command]]\nname = \"raid\"\npath = \"/usr/sbin/raidctl\"\nflags = [\"-v\", \"--all\"]\n\
             options = [\"--unit\"]\noperands = [\"show\"]\nunix_sockets = true\n\
             [[diag.command]]\nname = \"ups\"\npath = \"/usr/bin/upsc\"\n",
        )
        .unwrap();
        assert_eq!(policy.denied, ["/srv/secret/**"]);
        assert_eq!(policy.allowed, ["/srv/app/logs"]);
        assert_eq!(policy.sets_off.iter().collect::<Vec<_>>(), ["containers"]);
        assert_eq!(policy.resolvers.len(), 2);
        assert_eq!(policy.kubeconfig.as_deref(), Some(Path::new("/etc/breakglass/kubeconfig")));
        assert_eq!(policy.broker.as_deref(), Some(Path::new("/run/breakglass/broker.sock")));
        assert!(policy.redaction_off && policy.without_landlock);
        let limits = Limits {
            deadline: Duration::from_secs(5),
            output: 1_000_000,
            memory: 256 << 20,
            per_minute: 60,
            at_a_time: 2,
        };
        assert_eq!(policy.limits, limits);
        let raid = ExtraCommand {
            name: "raid".to_owned(),
            path: "/usr/sbin/raidctl".into(),
            flags: vec!["-v".to_owned(), "--all".to_owned()],
            options: vec!["--unit".to_owned()],
            operands: vec!["show".to_owned()],
            unix_sockets: true,
        };
        assert_eq!(policy.extra.first(), Some(&raid));
        assert_eq!(policy.extra.len(), 2);
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let command = |rest: &str| format!("[diag]\n[[diag.command]]\nname = \"x\"\n{rest}\n");
        for (text, line, named) in [
            ("".to_owned(), 1, "neither [power], [diag] nor [repair]"),
            ("[diag]\nredacted = true".to_owned(), 2, "nearest that is known is `redact`"),
            ("[diags]".to_owned(), 1, "nearest that is known is `diag`"),
            ("[diag]\nredact = \"no\"".to_owned(), 2, "true or false"),
            ("[diag]\ndeny = [\n  \"/a\",\n  7,\n]".to_owned(), 4, "texts in quotes"),
            ("[diag]\n\ndeny = [\"srv\"]".to_owned(), 3, "absolute"),
            ("[diag]\ndeny = [\"/srv/../etc\"]".to_owned(), 2, "`..`"),
            ("[diag]\nresolvers = [\"dns.example\"]".to_owned(), 2, "dns.example"),
            ("[diag]\nbroker = \"run/x\"".to_owned(), 2, "absolute"),
            ("[diag]\n[diag.limits]\nper_minute = 0".to_owned(), 3, "from 1 to"),
            ("[diag]\n[diag.limits]\nper_second = 1".to_owned(), 3, "per_minute"),
            ("[diag]\n[diag.sets]\ncontainers = \"off\"".to_owned(), 3, "true (on) or false (off)"),
            ("[diag]\n[diag]".to_owned(), 2, "stands twice"),
            ("[diag]\nredact = true\nredact = true".to_owned(), 3, "first in line 2"),
            (command("path = \"/bin/sh\""), 4, "runs whatever"),
            (command("path = \"/usr/bin/python3.11\""), 4, "runs whatever"),
            (command("path = \"bin/x\""), 4, "absolute"),
            (command("flags = [\"-v\"]"), 2, "no `path`"),
            (command("path = \"/x\"\nflags = [\"v\"]"), 5, "`v`"),
            (command("path = \"/x\"\nflags = [\"--\"]"), 5, "`--`"),
            (command("path = \"/x\"\noptions = [\"--a=b\"]"), 5, "--a=b"),
            (command("path = \"/x\"\noperands = [\"-x\"]"), 5, "do not begin"),
            (command("path = \"/x\"\n[[diag.command]]\nname = \"x\"\npath = \"/y\""), 6, "stands twice"),
            ("[diag]\n[[diag.command]]\nname = \"a b\"".to_owned(), 3, "`name`"),
            ("[[diag]]".to_owned(), 1, "must be a table"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.starts_with(&format!("guard.toml line {line}: ")), "{text:?}: {error}");
            assert!(error.contains(named), "{text:?}: {error}");
        }
    }
}

//! sshd's side of the door: one block for the account, checked by sshd itself before it is put in place.

use super::files::{self, ROOT, said};
use super::places::{DROP_IN, SSHD_CONFIG, STEPS, keys_of};
use super::programs;
use super::steps::{Step, Steps};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What sshd must hold for the account, as in the file and as `sshd -T` prints it. `{keys}` is the file of its keys.
///
/// `AcceptEnv` knows no word for nothing, so it names a variable that nobody has. `ForceCommand none` leaves the
/// decision to the key's own line, which names the key for the record.
pub(crate) const SETTINGS: [(&str, &str); 23] = [
    ("AuthenticationMethods", "publickey"),
    ("PubkeyAuthentication", "yes"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("HostbasedAuthentication", "no"),
    ("AuthorizedKeysFile", "{keys}"),
    ("AuthorizedKeysCommand", "none"),
    ("TrustedUserCAKeys", "none"),
    ("ForceCommand", "none"),
    ("ChrootDirectory", "none"),
    ("AcceptEnv", "BREAKGLASS_TAKES_NO_VARIABLE"),
    ("PermitTTY", "no"),
    ("PermitUserRC", "no"),
    ("DisableForwarding", "yes"),
    ("AllowTcpForwarding", "no"),
    ("AllowStreamLocalForwarding", "no"),
    ("AllowAgentForwarding", "no"),
    ("X11Forwarding", "no"),
    ("PermitTunnel", "no"),
    ("GatewayPorts", "no"),
    ("PermitOpen", "none"),
    ("PermitListen", "none"),
    ("Banner", "none"),
];

/// Variables that neither the quiet shell nor the guard reads anything into. What the main file accepts behind its
/// include is added to what a block accepts, since the closing `Match all` matches, so these cannot be kept out.
const HARMLESS: [&str; 5] = ["BREAKGLASS_TAKES_NO_VARIABLE", "LANG", "LC_*", "COLORTERM", "NO_COLOR"];

/// The drop-in. Without the closing `Match all` a setting that follows the include would hold for the account alone.
pub(super) fn drop_in(user: &str) -> String {
    let mut text = format!(
        "# The read-only door of breakglass. Written by `breakglass-guard install diag`; `uninstall diag` removes it.\n\
         Match User {user}\n"
    );
    for (name, value) in SETTINGS {
        text.push_str(&format!("    {name} {}\n", value.replace("{keys}", &keys_of(user))));
    }
    text.push_str("Match all\n");
    text
}

/// Whether sshd is here, sound, and takes parts from our directory.
///
/// # Errors
/// A sentence: what is missing and what to do.
pub(super) fn is_ready() -> Result<(), String> {
    if programs::find("sshd").is_none() {
        return Err("this host has no sshd: install an OpenSSH server first".to_owned());
    }
    let text = fs::read_to_string(SSHD_CONFIG).map_err(|error| said(Path::new(SSHD_CONFIG), error))?;
    if !takes_parts(&text) {
        return Err(format!(
            "{SSHD_CONFIG} does not take parts from /etc/ssh/sshd_config.d for every user: put the line \
             `Include /etc/ssh/sshd_config.d/*.conf` at its top, or use the plain recipe in deploy/"
        ));
    }
    test(None).map_err(|error| {
        format!("sshd's configuration is not sound as it stands, so nothing was changed: {error}")
    })
}

/// Whether the include stands before any `Match`, where it holds for everybody.
fn takes_parts(text: &str) -> bool {
    text.lines()
        .map(|line| line.trim_start().to_ascii_lowercase())
        .take_while(|line| !line.starts_with("match"))
        .filter_map(|line| line.strip_prefix("include").map(|rest| rest.replace('=', " ")))
        .any(|rest| {
            rest.split_whitespace().any(|part| part.trim_matches('"').ends_with("sshd_config.d/*.conf"))
        })
}

/// Lets sshd check a configuration, or its own. It wants its empty directory for that, which lies on a tmpfs and is
/// missing where sshd does not run.
fn test(config: Option<&Path>) -> Result<(), String> {
    with_empty_directory(|| {
        let mut words = vec!["-t"];
        words.extend(config.and_then(Path::to_str).into_iter().flat_map(|config| ["-f", config]));
        programs::run("sshd", &words).map(|_| ())
    })
}

/// What sshd holds for the account in a configuration, or in its own: `keyword value` lines.
///
/// # Errors
/// A sentence: what sshd said.
pub(crate) fn effective(user: &str, config: Option<&Path>) -> Result<String, String> {
    with_empty_directory(|| {
        let connection = format!("user={user},host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22");
        let mut words = vec!["-T", "-C", &connection];
        words.extend(config.and_then(Path::to_str).into_iter().flat_map(|config| ["-f", config]));
        programs::run("sshd", &words)
    })
}

fn with_empty_directory<T>(check: impl FnOnce() -> T) -> T {
    let place = Path::new("/run/sshd");
    let made = fs::DirBuilder::new().mode(0o755).create(place).is_ok();
    let checked = check();
    if made {
        let _ = fs::remove_dir(place);
    }
    checked
}

/// Values of a keyword in what `sshd -T` printed.
pub(crate) fn values<'text>(effective: &'text str, keyword: &str) -> Vec<&'text str> {
    let value = |line: &'text str| {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        name.eq_ignore_ascii_case(keyword).then_some(value)
    };
    effective.lines().filter_map(value).collect()
}

/// The settings of the door that do not hold, each with what holds instead.
pub(crate) fn differing(user: &str, effective: &str) -> Vec<(&'static str, String, String)> {
    let differs = |(name, wanted): (&'static str, &'static str)| {
        let wanted = wanted.replace("{keys}", &keys_of(user));
        let have = values(effective, name).join(" ");
        // What is none is not printed by every version.
        let same = have.eq_ignore_ascii_case(&wanted)
            || (have.is_empty() && wanted == "none")
            || (name == "AcceptEnv" && have.split(' ').all(|variable| HARMLESS.contains(&variable)));
        (!same).then_some((name, wanted, have))
    };
    SETTINGS.into_iter().filter_map(differs).collect()
}

/// Puts the drop-in in place, after sshd has checked the whole configuration with it and says that it will hold.
///
/// # Errors
/// A sentence; the configuration is as it was.
pub(super) fn put_in_place(user: &str, steps: &mut Steps) -> Result<(), String> {
    let text = drop_in(user);
    let staged = staged_beside_steps();
    // The drop-in sorts first in its directory, so standing before all the rest is where it will stand.
    let main = fs::read_to_string(SSHD_CONFIG).map_err(|error| said(Path::new(SSHD_CONFIG), error))?;
    steps.note(Step::File(staged.display().to_string()))?;
    files::replace(&staged, format!("{text}{main}").as_bytes(), 0o600, ROOT)?;
    let checked = test(Some(&staged)).and_then(|()| effective(user, Some(&staged)));
    let _ = fs::remove_file(&staged);
    holds(user, &checked?)?;
    files::file(steps, DROP_IN, text.as_bytes(), 0o644)?;
    // Now where it really stands: another part may sort before it.
    if let Err(error) = test(None).and_then(|()| effective(user, None)).and_then(|held| holds(user, &held)) {
        let _ = fs::remove_file(DROP_IN);
        return Err(format!("sshd's configuration was left as it is: {error}"));
    }
    Ok(())
}

/// Whether sshd would hold for the account what the door needs.
fn holds(user: &str, effective: &str) -> Result<(), String> {
    match differing(user, effective).into_iter().next() {
        None => Ok(()),
        Some((name, wanted, have)) => Err(format!(
            "sshd would hold `{name} {have}` for {user} where the door needs `{wanted}`: another `Match` block comes first"
        )),
    }
}

fn staged_beside_steps() -> PathBuf {
    Path::new(STEPS).with_file_name("sshd_config")
}

/// Makes a running sshd read its configuration anew.
///
/// # Errors
/// A sentence that says how to do it by hand.
pub(super) fn reload() -> Result<(), String> {
    if Path::new("/run/systemd/system").is_dir() {
        // Where sshd is started for each connection, neither runs and none has to.
        for unit in ["ssh.service", "sshd.service"] {
            if programs::run("systemctl", &["is-active", "--quiet", unit]).is_ok() {
                return programs::run("systemctl", &["reload", unit]).map(|_| ());
            }
        }
        return Ok(());
    }
    let pid = fs::read_to_string("/run/sshd.pid").ok().and_then(|text| text.trim().parse().ok());
    let Some((pid, number)) = pid.and_then(|pid: i32| Some((rustix::process::Pid::from_raw(pid)?, pid)))
    else {
        return Err(
            "no running sshd was found; where one runs, send it a hang-up: `kill -HUP PID`".to_owned()
        );
    };
    let executable = fs::read_link(format!("/proc/{number}/exe")).unwrap_or_default();
    if executable.file_name().is_none_or(|name| name != "sshd") {
        return Err(
            "/run/sshd.pid names no sshd; send the one that runs a hang-up: `kill -HUP PID`".to_owned()
        );
    }
    rustix::process::kill_process(pid, rustix::process::Signal::HUP)
        .map_err(|error| format!("sshd could not be told to read its configuration: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_an_include_that_holds_for_everybody() {
        for (text, takes) in [
            ("Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n", true),
            ("# x\n  include   sshd_config.d/*.conf\n", true),
            ("Include=\"/etc/ssh/sshd_config.d/*.conf\"", true),
            ("Include /a /etc/ssh/sshd_config.d/*.conf", true),
            ("#Include /etc/ssh/sshd_config.d/*.conf\n", false),
            ("Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n", false),
            ("Include /etc/ssh/other.d/*.conf\n", false),
            ("", false),
        ] {
            assert_eq!(takes_parts(text), takes, "{text}");
        }
    }

    #[test]
    fn the_block_is_closed() {
        let text = drop_in("breakglass-diag");
        assert!(text.ends_with("\nMatch all\n") && text.contains("\nMatch User breakglass-diag\n"), "{text}");
        assert!(text.contains("AuthorizedKeysFile /etc/ssh/breakglass/breakglass-diag.keys\n"), "{text}");
    }

    #[test]
    fn sees_what_does_not_hold() {
        let held: String = SETTINGS
            .iter()
            .map(|(name, value)| {
                format!("{} {}\n", name.to_lowercase(), value.replace("{keys}", &keys_of("x")))
            })
            .collect();
        assert!(differing("x", &held).is_empty());
        let other = held.replace("permittty no", "permittty yes");
        assert_eq!(differing("x", &other), [("PermitTTY", "no".to_owned(), "yes".to_owned())]);
    }
}

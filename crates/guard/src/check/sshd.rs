//! sshd's side: what it holds for the account, as it says itself.

use super::Findings;
use crate::install::{places, sshd};
use std::path::Path;

/// Settings that belong to the door, with what goes wrong otherwise; the values are those that install writes.
const REASONS: [(&str, &str, bool); 23] = [
    ("AuthenticationMethods", "more than a key may be enough, or needed", false),
    ("PubkeyAuthentication", "no key opens the door", true),
    ("PasswordAuthentication", "a password opens the account without the guard", true),
    ("KbdInteractiveAuthentication", "a password opens the account without the guard", true),
    ("HostbasedAuthentication", "another host may vouch for the account without the guard", true),
    ("AuthorizedKeysFile", "keys lie where the account, or who writes to its home, may add some", true),
    ("AuthorizedKeysCommand", "a program may hand out keys without the guard", true),
    ("TrustedUserCAKeys", "a certificate opens the account without the guard", true),
    ("ForceCommand", "it takes the place of the keys' own command, so that the record names no key", false),
    ("ChrootDirectory", "the guard would look at another root", false),
    ("AcceptEnv", "the client's variables reach the login shell before the guard forgets them", false),
    ("PermitTTY", "a terminal lets a client send signals and escapes", false),
    ("PermitUserRC", "~/.ssh/rc runs before the guard", true),
    ("DisableForwarding", "connections may go through the host", true),
    ("AllowTcpForwarding", "connections may go through the host", true),
    ("AllowStreamLocalForwarding", "sockets such as docker.sock may be reached through the host", true),
    ("AllowAgentForwarding", "an agent's keys may be used from the host", false),
    ("X11Forwarding", "xauth runs before the guard", false),
    ("PermitTunnel", "network packets may go through the host", true),
    ("GatewayPorts", "forwarded ports are open to others", false),
    ("PermitOpen", "connections may go through the host", false),
    ("PermitListen", "ports may be opened on the host", false),
    ("Banner", "every answer begins with a banner", false),
];

/// Looks; gives what sshd holds for the account, where it says so.
pub(super) fn look(user: &str, findings: &mut Findings) -> Option<String> {
    if Path::new("/etc/ssh/sshrc").exists() {
        findings.weak(
            "/etc/ssh/sshrc runs before the guard at every look",
            "move it away, or see that it is quick and root's",
        );
    }
    let held = match sshd::effective(user, None) {
        Ok(held) => held,
        Err(reason) => {
            findings.weak(
                format!("what sshd holds for {user} could not be seen: {reason}"),
                "run this as root, on a host whose `sshd -t` is silent",
            );
            return None;
        }
    };
    settings(user, &held, findings);
    Some(held)
}

/// Judges what `sshd -T` printed.
pub(super) fn settings(user: &str, held: &str, findings: &mut Findings) {
    // A key of one's own line may forbid what sshd would allow; that is seen where keys are.
    let differing = sshd::differing(user, held);
    let remedy = format!(
        "`breakglass-guard install diag` writes {}; another `Match` block may come first",
        places::DROP_IN
    );
    for (name, wanted, have) in &differing {
        let known = REASONS.iter().find(|(reason, ..)| reason == name);
        let (_, why, wrong) = known.copied().unwrap_or((name, "the door needs it", true));
        let what = format!("sshd holds `{name} {have}` for {user} instead of `{wanted}`: {why}");
        if wrong { findings.wrong(what, remedy.clone()) } else { findings.weak(what, remedy.clone()) }
    }
    if differing.is_empty() {
        findings.fine(format!("sshd lets {user} use its keys and nothing else"));
    }
    let environment = sshd::values(held, "permituserenvironment");
    if environment.iter().any(|value| *value != "no") {
        findings.weak(
            format!(
                "sshd holds `PermitUserEnvironment {}`: keys and homes may set variables",
                environment.join(" ")
            ),
            "set it to `no` in sshd_config, for everybody: it cannot be set for one account",
        );
    }
    for (keyword, lets) in
        [("allowusers", true), ("denyusers", false), ("allowgroups", true), ("denygroups", false)]
    {
        let names = sshd::values(held, keyword);
        let named = names.iter().any(|names| names.split(' ').any(|name| name == user));
        if !names.is_empty() && named != lets {
            findings.wrong(
                format!("sshd's `{keyword} {}` keeps {user} out", names.join(" ")),
                if lets { format!("add {user} to it") } else { format!("take {user} out of it") },
            );
        }
    }
}

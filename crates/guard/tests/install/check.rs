//! `check` finds each thing that makes the door weaker, names it and what to do, and says nothing on a sound host.

use super::host::{Host, USER};

/// (what is done to a sound host, grade and part of the finding, part of the remedy, how it is undone)
const ROWS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "chmod 666 /etc/breakglass/guard.toml",
        "wrong",
        "may be written to by others (mode 0666)",
        "every request is refused",
        "chmod 644 /etc/breakglass/guard.toml",
    ),
    (
        "chown 65534 /etc/breakglass/guard.toml",
        "wrong",
        "belongs to user 65534",
        "",
        "chown 0 /etc/breakglass/guard.toml",
    ),
    (
        "chown U /etc/breakglass/guard.toml",
        "wrong",
        "belongs to user",
        "",
        "chown 0 /etc/breakglass/guard.toml",
    ),
    (
        "chmod 600 /etc/breakglass/guard.toml",
        "wrong",
        "cannot read /etc/breakglass/guard.toml",
        "chmod go+rx",
        "chmod 644 /etc/breakglass/guard.toml",
    ),
    (
        "chmod 777 /etc/breakglass",
        "wrong",
        "/etc/breakglass may be written to by others",
        "",
        "chmod 711 /etc/breakglass",
    ),
    (
        "echo 'denny = []' >> /etc/breakglass/guard.toml",
        "wrong",
        "the nearest that is known is `deny`",
        "",
        "sed -i '/denny/d' /etc/breakglass/guard.toml",
    ),
    (
        "echo 'redact = false' >> /etc/breakglass/guard.toml",
        "weak",
        "redaction is switched off",
        "redact = false",
        "sed -i '/redact = false/d' /etc/breakglass/guard.toml",
    ),
    (
        "echo 'broker = \"/run/b.sock\"' >> /etc/breakglass/guard.toml",
        "weak",
        "/run/b.sock is not there",
        "systemctl enable",
        "sed -i '/^broker/d' /etc/breakglass/guard.toml",
    ),
    (
        "echo 'broker = \"/run/b.sock\"' >> /etc/breakglass/guard.toml; touch /run/b.sock",
        "wrong",
        "is no socket of root's",
        "remove it",
        "sed -i '/^broker/d' /etc/breakglass/guard.toml; rm /run/b.sock",
    ),
    (
        "chmod 777 /usr/local/lib/breakglass/breakglass-guard",
        "wrong",
        "breakglass-guard may be written to by others",
        "decides what it allows",
        "chmod 755 /usr/local/lib/breakglass/breakglass-guard",
    ),
    (
        "usermod -s /bin/bash U",
        "weak",
        "has the shell /bin/bash",
        "usermod -s /bin/sh",
        "usermod -s /bin/sh U",
    ),
    (
        "usermod -s /usr/sbin/nologin U",
        "wrong",
        "sshd cannot start the guard",
        "usermod -s /bin/sh",
        "usermod -s /bin/sh U",
    ),
    (
        "chown U /var/lib/breakglass/home",
        "wrong",
        "may write to its home",
        "chown root:root",
        "chown root /var/lib/breakglass/home",
    ),
    (
        "touch /var/lib/breakglass/home/.bashrc",
        "wrong",
        "start-up files: .bashrc",
        "move them away",
        "rm /var/lib/breakglass/home/.bashrc",
    ),
    (
        "mkdir /var/lib/breakglass/home/.ssh; touch /var/lib/breakglass/home/.ssh/rc",
        "wrong",
        ".ssh/rc",
        "move them away",
        "rm -r /var/lib/breakglass/home/.ssh",
    ),
    ("usermod -p '!' U", "weak", "is locked", "usermod -p", "usermod -p '*' U"),
    ("usermod -p '$6$x$y' U", "weak", "has a password", "usermod -p", "usermod -p '*' U"),
    (
        "getent group docker >/dev/null || groupadd docker; usermod -aG docker U",
        "wrong",
        "in the group `docker`",
        "gpasswd -d",
        "gpasswd -d U docker",
    ),
    ("usermod -aG disk U", "wrong", "in the group `disk`", "broker", "gpasswd -d U disk"),
    ("usermod -aG sudo U", "wrong", "in the group `sudo`", "", "gpasswd -d U sudo"),
    ("usermod -aG shadow U", "wrong", "in the group `shadow`", "", "gpasswd -d U shadow"),
    (
        "mkdir -p /etc/sudoers.d; echo 'U ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/x",
        "wrong",
        "by sudo",
        "take the line out",
        "rm /etc/sudoers.d/x",
    ),
    (
        "touch /etc/ssh/sshrc",
        "weak",
        "/etc/ssh/sshrc runs before the guard",
        "move it away",
        "rm /etc/ssh/sshrc",
    ),
    (
        "echo 'PermitUserEnvironment yes' > /etc/ssh/sshd_config.d/60-x.conf",
        "weak",
        "PermitUserEnvironment yes",
        "set it to `no`",
        "rm /etc/ssh/sshd_config.d/60-x.conf",
    ),
    (
        "echo 'AllowUsers root' > /etc/ssh/sshd_config.d/60-x.conf",
        "wrong",
        "allowusers root",
        "add breakglass-diag to it",
        "rm /etc/ssh/sshd_config.d/60-x.conf",
    ),
    (
        "sed -i 's/PermitTTY no/PermitTTY yes/' DROPIN",
        "weak",
        "PermitTTY yes",
        "install diag",
        "sed -i 's/PermitTTY yes/PermitTTY no/' DROPIN",
    ),
    (
        "sed -i 's/AcceptEnv .*/AcceptEnv BASH_ENV/' DROPIN",
        "weak",
        "AcceptEnv BASH_ENV",
        "install diag",
        "sed -i 's/AcceptEnv .*/AcceptEnv BREAKGLASS_TAKES_NO_VARIABLE/' DROPIN",
    ),
    (
        "sed -i 's/PasswordAuthentication no/PasswordAuthentication yes/' DROPIN",
        "wrong",
        "PasswordAuthentication yes",
        "install diag",
        "sed -i 's/PasswordAuthentication yes/PasswordAuthentication no/' DROPIN",
    ),
    ("mv DROPIN /root/d", "wrong", "AuthorizedKeysFile", "install diag", "mv /root/d DROPIN"),
    ("chown U KEYS", "wrong", "KEYS belongs to user", "adds a key", "chown root KEYS"),
    (
        "cp KEYS /root/k; sed -i 's/^restrict,command=\"[^\"]*\"/restrict/' KEYS",
        "wrong",
        "has no forced command",
        "restrict,command=",
        "cat /root/k > KEYS; rm /root/k",
    ),
    (
        "cp KEYS /root/k; sed -i 's/^restrict,//' KEYS",
        "wrong",
        "is not restricted",
        "restrict,command=",
        "cat /root/k > KEYS; rm /root/k",
    ),
    (
        "cp KEYS /root/k; sed -i 's/^restrict,/restrict,pty,/' KEYS",
        "wrong",
        "has `pty`",
        "take `pty` out",
        "cat /root/k > KEYS; rm /root/k",
    ),
    (
        "cp KEYS /root/k; sed -i 's/ diag --config/ power --config/' KEYS",
        "wrong",
        "is forced to something else",
        "restrict,command=",
        "cat /root/k > KEYS; rm /root/k",
    ),
    (
        "cp KEYS /root/k; grep ^restrict /root/k >> KEYS",
        "wrong",
        "stands twice",
        "one line for each key",
        "cat /root/k > KEYS; rm /root/k",
    ),
    (
        "cp KEYS /root/k; : > KEYS",
        "wrong",
        "has no keys",
        "install diag --key",
        "cat /root/k > KEYS; rm /root/k",
    ),
    (
        "mkdir -m 700 /root/.ssh; cut -d' ' -f7- KEYS | grep ssh-ed25519 > /root/.ssh/authorized_keys",
        "wrong",
        "opens root too",
        "a key of its own",
        "rm -r /root/.ssh",
    ),
    (
        "mv /var/log/breakglass/guard-U.jsonl /root/r",
        "wrong",
        "no request is recorded",
        "install -o",
        "mv /root/r /var/log/breakglass/guard-U.jsonl",
    ),
    (
        "chmod 700 /var/log/breakglass",
        "wrong",
        "cannot write its record",
        "chmod 711",
        "chmod 711 /var/log/breakglass",
    ),
    (
        "chown U /var/log/breakglass",
        "weak",
        "may rename and remove records",
        "chown root:root",
        "chown root /var/log/breakglass",
    ),
    (
        "rmdir /run/breakglass-guard/looks/U",
        "weak",
        "limits are not kept",
        "systemd-tmpfiles --create",
        "install -d -o U -g U -m 700 /run/breakglass-guard/looks/U",
    ),
];

#[test]
fn every_weakness_is_found_and_named_with_what_to_do() {
    let host = Host::new();
    host.installed(&[]);
    let keys = format!("/etc/ssh/breakglass/{USER}.keys");
    // `U` as a whole word is the account.
    let fill = |text: &str| {
        let text =
            text.replace("DROPIN", "/etc/ssh/sshd_config.d/00-breakglass-diag.conf").replace("KEYS", &keys);
        let mut filled = String::new();
        for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let end = word.get(bare.len()..).unwrap_or_default();
            filled.push_str(if bare == "U" { USER } else { bare });
            filled.push_str(end);
        }
        filled
    };
    let sound = host.ask(&[&host.guard(), "check"]);
    assert_eq!(sound.code, 0, "{}{}", sound.out, sound.err);
    assert!(!sound.out.contains("wrong ") && !sound.out.contains("weak "), "{}", sound.out);
    for (done, grade, named, remedy, undone) in ROWS {
        host.sh(&fill(done));
        let said = host.ask(&[&host.guard(), "check"]);
        let named = fill(named);
        let lines: Vec<&str> = said.out.lines().collect();
        let at = lines.iter().position(|line| line.starts_with(grade) && line.contains(&named));
        let Some(at) = at else { panic!("{done}: `{named}` is not found: {}", said.out) };
        let told = lines.get(at + 1).copied().unwrap_or_default();
        assert!(told.starts_with("       -> ") && told.contains(&fill(remedy)), "{done}: {told}");
        assert_eq!(said.code, if *grade == "wrong" { 78 } else { 0 }, "{done}: {}", said.out);
        host.sh(&fill(undone));
    }
    let again = host.ask(&[&host.guard(), "check"]);
    assert_eq!((again.code, again.out), (0, sound.out), "a row was not undone");
}

#[test]
fn a_program_gets_the_same_as_json() {
    let host = Host::new();
    host.installed(&[]);
    host.sh("chmod 666 /etc/breakglass/guard.toml");
    let said = host.ask(&[&host.guard(), "check", "--json"]);
    assert_eq!(said.code, 78);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json.pointer("/ok"), Some(&serde_json::Value::Bool(false)));
    let findings = json.pointer("/findings").and_then(serde_json::Value::as_array).unwrap();
    let wrong =
        findings.iter().find(|finding| finding.pointer("/grade").is_some_and(|grade| grade == "wrong"));
    assert!(
        wrong
            .and_then(|wrong| wrong.pointer("/what"))
            .is_some_and(|what| what.to_string().contains("guard.toml"))
    );
}

#[test]
fn a_host_with_a_power_door_alone_is_fine_and_one_without_anything_is_not() {
    let host = Host::new();
    assert_eq!(host.ask(&[&host.guard(), "check"]).code, 78);
    host.sh("mkdir /etc/breakglass; printf '[power]\\nbackend = \"qmp\"\\nvm = 1\\nqmp = { command = [\"/q\"] }\\n' > /etc/breakglass/guard.toml");
    let said = host.ask(&[&host.guard(), "check"]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("no read-only door"), "{}", said.out);
}

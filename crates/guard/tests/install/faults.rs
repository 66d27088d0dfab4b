//! What can be in the way is told in a sentence, and nothing is half done.

use super::host::{Host, USER, difference, said};
use std::os::unix::process::CommandExt;

#[test]
fn every_obstacle_is_named_and_changes_nothing() {
    let host = Host::new();
    let bad = host.scratch("bad.pub");
    let private = host.scratch("agent").display().to_string();
    std::fs::write(&bad, "ssh-ed25519 AAAA\n").unwrap();
    let bad = bad.display().to_string();
    let drop_in = "/etc/ssh/sshd_config.d/00-breakglass-diag.conf";
    let own = host.key();
    // (what is done to the host, words of install, what is said, how it is undone)
    let rows: Vec<(String, Vec<&str>, &str, String)> = vec![
        (String::new(), vec!["--key", &private], "is a private key", String::new()),
        (String::new(), vec!["--key", &bad], "cut off", String::new()),
        (String::new(), vec!["--key", "/nowhere/k.pub"], "No such file", String::new()),
        (String::new(), vec!["--key", &own, "--user", "root"], "no name for an account", String::new()),
        (
            String::new(),
            vec!["--key", &own, "--user", "nobody"],
            "is there already and has the home",
            String::new(),
        ),
        (String::new(), vec!["--key", &own, "--label", "a b"], "the label", String::new()),
        (
            "mount --bind /dev/null /usr/sbin/sshd".into(),
            vec![],
            "has no sshd",
            "umount /usr/sbin/sshd".into(),
        ),
        (
            "mount --bind /dev/null /usr/sbin/useradd".into(),
            vec![],
            "has no `useradd`",
            "umount /usr/sbin/useradd".into(),
        ),
        (
            "cp /etc/ssh/sshd_config /root/c; echo 'UsePAM no' > /etc/ssh/sshd_config".into(),
            vec![],
            "Include /etc/ssh/sshd_config.d/*.conf",
            "cat /root/c > /etc/ssh/sshd_config; rm /root/c".into(),
        ),
        (
            "echo 'NoSuchOption yes' > /etc/ssh/sshd_config.d/60-x.conf".into(),
            vec![],
            "is not sound as it stands",
            "rm /etc/ssh/sshd_config.d/60-x.conf".into(),
        ),
        (format!("echo '# mine' > {drop_in}"), vec![], "install did not make it", format!("rm {drop_in}")),
        ("touch /etc/NIXOS".into(), vec![], "breakglass-guard.nix", "rm /etc/NIXOS".into()),
        (
            "mount -o remount,bind,ro /usr/local/lib".into(),
            vec![],
            "/usr/local/lib is read-only",
            "mount -o remount,bind,rw /usr/local/lib".into(),
        ),
        (
            "chmod g+w /usr/local/lib".into(),
            vec![],
            "may be written to by others",
            "chmod g-w /usr/local/lib".into(),
        ),
        (
            "mkdir /etc/breakglass; echo '[diags]' > /etc/breakglass/guard.toml".into(),
            vec![],
            "line 1: unknown key `diags`",
            "rm -r /etc/breakglass".into(),
        ),
    ];
    for (done, words, named, undone) in rows {
        host.sh(if done.is_empty() { "true" } else { &done });
        let before = host.tree();
        let said = if words.is_empty() {
            host.install(&[])
        } else {
            host.ask(&[&[&host.guard(), "install", "diag"], &words[..]].concat())
        };
        assert_eq!(said.code, 78, "{named}: {}{}", said.out, said.err);
        assert!(said.err.contains(named) && said.err.lines().count() == 1, "{named}: {}", said.err);
        assert_eq!(difference(&before, &host.tree()), [""; 0], "{named}");
        host.sh(if undone.is_empty() { "true" } else { &undone });
    }
}

#[test]
fn only_root_installs() {
    let host = Host::new();
    let mut command = host.inside(&[
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        &host.guard(),
        "install",
        "diag",
        "--key",
        "/k",
    ]);
    command.process_group(0);
    let said = said(&mut command);
    // Where the tests are built in a directory of root's own, nobody cannot even start it.
    assert!(
        said.err.contains("only root can install") || said.err.contains("Permission denied"),
        "{}",
        said.err
    );
}

/// A `Match` block that comes first, and a drop-in that sshd refuses, are found before anything is switched.
#[test]
fn a_block_that_comes_first_is_found_before_sshd_is_touched() {
    let host = Host::new();
    let main = "/etc/ssh/sshd_config";
    // Ours is the first of the directory, but the main file may have a block before its include.
    host.sh(&format!(
        "cp {main} /root/c; {{ echo 'Include /etc/ssh/sshd_config.d/*.conf'; echo 'Match User {USER}'; \
         echo '    PermitTTY yes'; echo 'Match all'; cat /root/c; }} > {main}; \
         printf 'Match User {USER}\\n PermitTTY yes\\nMatch all\\n' > /etc/ssh/sshd_config.d/0-first.conf"
    ));
    let before = host.tree();
    let said = host.install(&[]);
    let check = host.ask(&[&host.guard(), "check"]);
    if said.code == 0 {
        // The first block won only after the switch; check says so.
        assert_eq!(check.code, 78, "{}", check.out);
        assert!(check.out.contains("PermitTTY yes"), "{}", check.out);
    } else {
        assert!(said.err.contains("another `Match` block comes first"), "{}", said.err);
    }
    host.sshd_is_sound().unwrap();
    host.uninstalled();
    assert_eq!(difference(&before, &host.tree()), [""; 0]);
}

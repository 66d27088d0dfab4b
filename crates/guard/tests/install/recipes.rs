//! What lies under deploy/ says the same as install does, and is read by the tools that it is for.

use super::host::Host;
use std::path::{Path, PathBuf};
use std::process::Command;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// Lines without comments and blanks.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// The recipe's files are those that install writes, so that a packager gets the same door.
#[test]
fn the_systemd_recipe_has_the_files_that_install_writes() {
    let host = Host::new();
    host.installed(&["--with-broker"]);
    for (recipe, written) in [
        ("systemd/00-breakglass-diag.conf", "/etc/ssh/sshd_config.d/00-breakglass-diag.conf"),
        ("systemd/breakglass-broker.socket", "/etc/systemd/system/breakglass-broker.socket"),
        ("systemd/breakglass-broker@.service", "/etc/systemd/system/breakglass-broker@.service"),
        ("systemd/tmpfiles.conf", "/etc/tmpfiles.d/breakglass-diag.conf"),
        ("systemd/limits.conf", "/etc/security/limits.d/breakglass-diag.conf"),
        ("systemd/guard.toml", "/etc/breakglass/guard.toml"),
    ] {
        let recipe_text = std::fs::read_to_string(deploy(recipe)).unwrap();
        let written_text = std::fs::read_to_string(host.outside(written)).unwrap();
        // A package adds the record to what is made at boot; install has made it.
        let recipe_lines: Vec<String> = lines(&recipe_text)
            .into_iter()
            .filter(|line| !(recipe.ends_with("tmpfiles.conf") && line.contains("/var/")))
            .collect();
        assert_eq!(recipe_lines, lines(&written_text), "{recipe} and {written}");
    }
}

/// The module sets the same in sshd as install does.
#[test]
fn the_nixos_module_sets_what_install_sets() {
    let module = std::fs::read_to_string(deploy("nixos/breakglass-guard.nix")).unwrap();
    let drop_in = std::fs::read_to_string(deploy("systemd/00-breakglass-diag.conf")).unwrap();
    for line in lines(&drop_in) {
        if line.starts_with("Match") || line.starts_with("AuthorizedKeysFile") {
            continue;
        }
        assert!(module.contains(&line), "the module does not set `{line}`");
    }
}

/// What the module says, evaluated by Nix itself; nothing where Nix is not here.
fn nixos(label: &str, broker: bool) -> Option<serde_json::Value> {
    let mut command = Command::new("nix-instantiate");
    // It builds nothing and keeps nothing, so it needs no store.
    command.args(["--eval", "--strict", "--json", "--store", "dummy://"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nixos.nix"));
    command
        .args(["--arg", "module"])
        .arg(std::fs::canonicalize(deploy("nixos/breakglass-guard.nix")).unwrap());
    command.args(["--argstr", "label", label, "--arg", "broker", if broker { "true" } else { "false" }]);
    let Ok(output) = command.output() else {
        eprintln!(
            "LEFT OUT: nix-instantiate is not here (`apt-get install nix-bin`), the module was not evaluated"
        );
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_nixos_module_evaluates_to_the_same_door() {
    let Some(with) = nixos("agent-1", true) else { return };
    let files = &with["environment"]["etc"];
    let key = "restrict,command=\"/nix/store/0-breakglass-guard/bin/breakglass-guard diag --config \
               /etc/breakglass/guard.toml --label agent-1\",from=\"192.0.2.0/24,2001:db8::/32\" ssh-ed25519 AAAA\n";
    assert_eq!(files["ssh/breakglass/breakglass-diag.keys"]["source"], key);
    let settings = &files["breakglass/guard.toml"]["source"];
    assert_eq!(
        settings,
        &serde_json::json!({"diag": {"broker": "/run/breakglass/broker.sock", "deny": ["/srv/secret"]}})
    );
    let sshd = with["services"]["openssh"]["extraConfig"].as_str().unwrap();
    assert!(sshd.starts_with("Match User breakglass-diag\n") && sshd.ends_with("Match all\n"), "{sshd}");
    let user = &with["users"]["users"]["breakglass-diag"];
    assert_eq!((&user["shell"], &user["hashedPassword"]), (&"/bin/sh".into(), &"*".into()));
    let tmpfiles: Vec<String> = std::fs::read_to_string(deploy("systemd/tmpfiles.conf"))
        .map(|text| lines(&text))
        .unwrap()
        .into_iter()
        .filter(|line| line.contains("/run/breakglass-guard"))
        .collect();
    let rules: Vec<&str> = with["systemd"]["tmpfiles"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it.as_str())
        .collect();
    assert!(!tmpfiles.is_empty());
    for line in tmpfiles {
        assert!(rules.contains(&line.as_str()), "the module does not make `{line}`: {rules:?}");
    }
    assert_eq!(with["systemd"]["sockets"]["breakglass-broker"]["socketConfig"]["SocketMode"], "0660");
    assert_eq!(with["assertions"][0]["assertion"], true);
    // A label is part of a command line, and its quote would end that.
    let odd = nixos("a\" b", false).unwrap();
    assert_eq!(odd["assertions"][0]["assertion"], false);
    assert_eq!(odd["systemd"]["sockets"]["breakglass-broker"], serde_json::json!({}));
}

#[test]
fn the_units_are_understood_by_systemd() {
    let scratch = tempfile::tempdir().unwrap();
    for unit in ["breakglass-broker.socket", "breakglass-broker@.service"] {
        let text = std::fs::read_to_string(deploy("systemd").join(unit)).unwrap();
        // Its program is not on this host.
        let text = text
            .replace("/usr/local/lib/breakglass/breakglass-guard", env!("CARGO_BIN_EXE_breakglass-guard"));
        std::fs::write(scratch.path().join(unit), text).unwrap();
    }
    let units =
        [scratch.path().join("breakglass-broker.socket"), scratch.path().join("breakglass-broker@.service")];
    match Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("breakglass-broker"), "{said}");
        }
        Err(_) => eprintln!("LEFT OUT: systemd-analyze is not here, the units were not verified"),
    }
}

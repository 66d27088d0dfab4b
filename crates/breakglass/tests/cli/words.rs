//! What needs no network: help, init, check, completions, passwords, tokens, and how errors are told.

use crate::site::{Out, breakglass, breakglass_in, with_input};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

#[test]
fn what_init_writes_check_accepts() {
    let dir = TempDir::new().unwrap();
    assert_eq!(breakglass_in(dir.path(), &["init"]).code, 0);
    let written = std::fs::read_to_string(dir.path().join("fleet.toml")).unwrap();
    assert_eq!(breakglass(&["init", "-"]).out, written);
    let checked = breakglass_in(dir.path(), &["--fleet", "fleet.toml", "check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.out.contains("It can be used."), "{}", checked.out);

    let again = breakglass_in(dir.path(), &["init"]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("left as it is") && again.err.contains("--force"), "{}", again.err);
    assert_eq!(breakglass_in(dir.path(), &["init", "--force"]).code, 0);
}

#[test]
fn check_names_the_sections_that_nothing_uses_yet() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("fleet.toml");
    let text = breakglass(&["init", "-"]).out + "\n[kit]\n";
    std::fs::write(&file, text).unwrap();
    let checked = breakglass(&["check", "--fleet", &file.display().to_string()]);
    assert!(checked.code == 0 && checked.out.contains("[kit]"), "{checked:?}");
}

#[test]
fn an_error_in_the_fleet_file_is_told_once_with_its_place_and_what_was_meant() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("fleet.toml");
    let text = breakglass(&["init", "-"]).out.replacen("kind = \"hypervisor\"", "knid = \"hypervisor\"", 1);
    let line = text.lines().position(|line| line.starts_with("knid")).unwrap() + 1;
    std::fs::write(&file, text).unwrap();
    let Out { code, err, out } = breakglass(&["--fleet", &file.display().to_string(), "check"]);
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    assert!(err.contains(&format!("fleet.toml:{line}:1")), "{err}");
    assert!(err.contains("`knid`") && err.contains("`kind`"), "{err}");
    assert_eq!(err.matches("cannot be used").count(), 1, "{err}");

    let missing = breakglass(&["--fleet", "/nowhere/fleet.toml", "status"]);
    assert_eq!(missing.code, 78);
    assert!(missing.err.contains("because:") && missing.err.contains("breakglass init"), "{}", missing.err);
}

#[test]
fn every_subcommand_explains_itself() {
    let top = breakglass(&["--help"]);
    assert_eq!(top.code, 0);
    let commands = [
        "serve",
        "status",
        "power",
        "run",
        "triage",
        "incident",
        "journal",
        "init",
        "check",
        "accept-host-key",
        "password",
        "token",
        "sessions",
        "keyholder",
        "completions",
        "man",
    ];
    for command in commands {
        assert!(top.out.contains(command), "{command} is in the list");
        let help = breakglass(&[command, "--help"]);
        assert_eq!(help.code, 0, "{command}: {}", help.err);
        assert!(help.out.contains("Usage: breakglass"), "{command}: {}", help.out);
        assert!(!help.out.contains('\u{1b}'), "{command}: no colours where nobody looks");
    }
    assert_eq!(breakglass(&[]).code, 2);
    assert_eq!(breakglass(&["pwoer", "devvm", "cycle"]).code, 2);
    assert_eq!(breakglass(&["power", "devvm", "explode"]).code, 2);
}

#[test]
fn completions_know_the_subcommands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = breakglass(&["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.err);
        assert!(script.out.contains("accept-host-key") && script.out.contains("triage"), "{shell}");
    }
}

#[test]
fn every_subcommand_has_a_manual_page_and_what_is_hidden_has_none() {
    let dir = TempDir::new().unwrap();
    let pages = dir.path().join("new/man1");
    let made = breakglass(&["man", &pages.display().to_string()]);
    assert_eq!(made.code, 0, "{}", made.err);
    let first = std::fs::read_to_string(pages.join("breakglass.1")).unwrap();
    assert!(first.contains(".SH SUBCOMMANDS"), "{first}");
    let help = breakglass(&["--help"]).out;
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(listed.len() > 15, "{help}");
    for command in listed {
        let page = std::fs::read_to_string(pages.join(format!("breakglass-{command}.1")));
        let page = page.unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{command}: {page}");
    }
    let names: Vec<String> = std::fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| name.contains("probe")), "{names:?}");

    let mut guard = names.iter().filter(|name| name.ends_with(".8"));
    assert_eq!(guard.next().map(String::as_str), Some("breakglass-guard.8"));
    for name in &names {
        let mut lint = std::process::Command::new("mandoc");
        let said = lint.args(["-T", "lint", "-W", "error"]).arg(pages.join(name)).output().unwrap();
        assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stdout));
    }

    let nowhere = breakglass(&["man", "/proc/nowhere"]);
    assert!(nowhere.code != 0 && nowhere.err.contains("may be written"), "{nowhere:?}");
}

#[test]
fn a_password_becomes_a_line_and_a_short_one_none() {
    let made = with_input(&["password", "alice"], "correct horse battery\n");
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.out.starts_with("alice:$argon2id$") && made.out.lines().count() == 1, "{}", made.out);
    assert!(!made.out.contains("correct") && !made.err.contains("correct"));
    let again = with_input(&["password", "alice"], "correct horse battery\n");
    assert_ne!(made.out, again.out, "salted");
    assert_eq!(with_input(&["password", "alice"], "short\n").code, 2);
    assert_eq!(with_input(&["password", "al:ice"], "correct horse battery\n").code, 2);
}

#[test]
fn a_token_is_shown_once_and_its_line_holds_only_a_hash() {
    let made = breakglass(&["token", "deploy"]);
    assert_eq!(made.code, 0);
    let token = made.err.lines().last().unwrap();
    let hash: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(made.out, format!("deploy:{hash}\n"));
    assert!(token.len() > 40 && !made.out.contains(token));
}

//! The denied places, really there and readable for everybody, behind the walls.

use super::support::{Tried, attack_program};
use crate::stage::Stage;
use std::fs;
use std::process::Command;

/// Denied by the kernel's own rules, not by trees; no place on a file system of ours; or a tree that every program of a
/// host comes from, in which the first wall alone denies by name.
const ELSEWHERE: &[&str] = &["/dev", "/proc", "/sys", "/nix"];

fn places() -> Vec<String> {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/denied-paths.txt")).unwrap();
    let places: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('/') && !line.ends_with('/') && !line.contains("/../"))
        .filter(|line| !ELSEWHERE.iter().any(|root| line.split('/').nth(1) == root.split('/').nth(1)))
        .map(str::to_owned)
        .collect();
    assert!(places.len() > 100, "the list is not whole");
    places
}

/// Puts a secret into every denied place that fits; those.
pub(super) fn built(stage: &Stage) -> Vec<String> {
    let mut places = places();
    places.retain(|place| {
        let at = stage.at(place);
        // Of two names in the list of which one is the other's directory, one is made.
        let fits = !at.is_dir() && !at.ancestors().skip(1).any(|above| above.is_file());
        if fits {
            stage.write(place, b"BGCANARY");
        }
        fits
    });
    places
}

#[test]
fn every_denied_place_is_hidden_from_every_command() {
    let Some(stage) = Stage::new() else { return };
    stage.program("/usr/local/bin/attack", attack_program());
    stage.program("/usr/local/bin/guard", &fs::read(env!("CARGO_BIN_EXE_breakglass-guard")).unwrap());
    let places = built(&stage);
    assert!(places.len() > 100);
    let run = |nobody: bool, words: &[&str]| {
        let mut command: Command = stage.command(nobody, "/usr/local/bin/guard");
        Tried::from(command.arg("behind-walls").args(words).output().unwrap())
    };
    for nobody in [true, false] {
        for place in &places {
            let free = stage.command(nobody, "/usr/local/bin/attack").args(["read", place]).output().unwrap();
            let free = String::from_utf8_lossy(&free.stderr).into_owned();
            assert!(free.contains("BGCANARY"), "{place} is not readable by itself");
            // Named among the arguments, and by a name that no rule sees.
            for (name, place) in
                [("attack", place.as_str()), ("systemctl", &place[1..]), ("kubectl", &place[1..])]
            {
                // The journal is what these two are there to read.
                if name == "systemctl" && place.contains("/log/journal/") {
                    continue;
                }
                let tried = run(nobody, &[name, "/usr/local/bin/attack", "read", place]);
                assert_eq!(tried.code, 13, "nobody: {nobody} {name} {place}: {tried:?}");
            }
        }
    }
    for (privilege, open) in
        [("net-admin", &[][..]), ("disks", &["/dev"]), ("hypervisor", &["/run/qemu-server"])]
    {
        for place in places.iter().filter(|place| !open.iter().any(|root| place.starts_with(root))) {
            let tried =
                run(false, &["--privilege", privilege, "attack", "/usr/local/bin/attack", "read", place]);
            assert_eq!(tried.code, 13, "{privilege} {place}: {tried:?}");
        }
    }
}

#[test]
fn what_the_configuration_denies_is_hidden_too() {
    let Some(stage) = Stage::new() else { return };
    stage.program("/usr/local/bin/attack", attack_program());
    stage.program("/usr/local/bin/guard", &fs::read(env!("CARGO_BIN_EXE_breakglass-guard")).unwrap());
    for place in ["/var/log/journal/private/x", "/var/log/journal/open/x", "/etc/hosts"] {
        stage.write(place, b"BGCANARY");
    }
    let read = |deny: &str, place: &str| {
        let mut command = stage.command(true, "/usr/local/bin/guard");
        let words = ["behind-walls", "--deny", deny, "journalctl", "/usr/local/bin/attack", "read", place];
        Tried::from(command.args(words).output().unwrap()).code
    };
    assert_eq!(read("/var/log/journal/private", "/var/log/journal/private/x"), 13);
    assert_eq!(read("/var/log/journal/private", "/var/log/journal/open/x"), 0);
    assert_eq!(read("/var/log", "/var/log/journal/open/x"), 13);
    assert_eq!(read("/etc/hosts", "/etc/hosts"), 13);
    assert_eq!(read("/etc/nothing", "/etc/hosts"), 0);
}

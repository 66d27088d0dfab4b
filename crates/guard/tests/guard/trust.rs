//! A configuration that others may change is no configuration.

use crate::support::Door;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

#[test]
fn a_file_or_directory_that_others_may_write_to_refuses_everything() {
    let door = Door::new();
    let set =
        |path: &std::path::Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let (file, directory) = (door.config(), door.path().to_owned());
    for (path, mode, good) in [
        (&file, 0o666, 0o644),
        (&file, 0o620, 0o644),
        (&file, 0o602, 0o644),
        (&directory, 0o777, 0o700),
        (&directory, 0o770, 0o700),
    ] {
        set(path, mode);
        for request in ["status", "cycle", "--json status", "nonsense"] {
            let answer = door.ask(request);
            assert_eq!(answer.code, 78, "{mode:o} {request}");
            assert!(
                answer.stderr.starts_with("breakglass-guard: refused (configuration): "),
                "{}",
                answer.stderr
            );
            assert!(answer.stderr.contains("go-w"), "{}", answer.stderr);
        }
        set(path, good);
        assert_eq!(door.ask("status").code, 0, "{mode:o}");
    }
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(65534), None).unwrap();
        assert_eq!(door.ask("status").code, 78);
    }
    assert!(door.record_lines().iter().all(|line| line["decision"] == "allow"));
}

#[test]
fn a_configuration_with_a_mistake_names_it_and_refuses_everything() {
    let door = Door::new();
    let sound = fs::read_to_string(door.config()).unwrap();
    for (from, to, named) in [
        ("vm = 102", "vm = 0", "from 1"),
        ("vm = 102", "vm = \"\"", "line"),
        ("vm = 102", "vm = \"102 103\"", "line"),
        ("vm = 102", "vm = \"../1\"", "line"),
        ("[power]", "[power]\ngrace = 1", "grace"),
    ] {
        fs::write(door.config(), sound.replacen(from, to, 1)).unwrap();
        for request in ["status", "start", "cycle"] {
            let answer = door.ask(request);
            assert_eq!(answer.code, 78, "{to}");
            assert!(answer.stderr.contains(named) && answer.stderr.lines().count() == 1, "{}", answer.stderr);
        }
    }
    fs::remove_file(door.config()).unwrap();
    assert_eq!(door.ask("status").code, 78);
    assert!(door.qemus(102).is_empty());
}

#[test]
fn a_state_directory_of_somebody_else_is_not_used() {
    let door = Door::new();
    fs::create_dir(door.path().join("state")).unwrap();
    fs::set_permissions(door.path().join("state"), Permissions::from_mode(0o777)).unwrap();
    let answer = door.ask("start");
    assert_eq!(answer.code, 70, "{}", answer.stderr);
    assert!(door.qemus(102).is_empty());
    assert_eq!(door.ask("status").code, 0, "looking still works");
}

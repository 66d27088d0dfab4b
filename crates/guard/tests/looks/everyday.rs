//! What agents and people ask every day.

use super::support::Door;
use breakglass_protocol::{EndedBy, Line, Outcome, Rule, parse_line};
use std::fs;

#[test]
fn a_look_runs_and_its_code_passes_through() {
    let Some(door) = Door::new() else { return };
    assert_eq!(door.ask("cat /etc/hostname").stdout, fs::read_to_string("/etc/hostname").unwrap());
    assert_eq!((door.ask("uptime").code, door.ask("df -h | grep nothing-like-this").code), (0, 1));
    assert!(door.ask("ps aux | head -2").stdout.starts_with("USER"));
    assert_eq!(door.ask("ip addr | grep -c inet").code, 0);
    let missing = door.ask("zpool status");
    assert_eq!(missing.code, 127);
    assert!(missing.stderr.contains("`zpool` is not on this host"), "{}", missing.stderr);
    let file = door.ask("cat /var/log/not-there");
    assert_eq!((file.code, file.stdout.as_str()), (1, ""));
    assert!(file.stderr.contains("No such file"), "{}", file.stderr);
    assert_eq!(door.ask("cat /var/log/not-there 2>/dev/null").stderr, "");
    assert!(door.ask("cat /var/log/not-there 2>&1").stdout.contains("No such file"));
}

#[test]
fn a_program_gets_a_rebuilt_argv_and_a_fixed_environment() {
    let Some(door) = Door::new() else { return };
    door.stand_in("systemctl", b"");
    let mut command = door.guard(Some(b"systemctl  'status' \"nginx\" -n5"));
    let answer = command
        .env("LD_PRELOAD", "/tmp/x.so")
        .env("PAGER", "vi")
        .env("SYSTEMD_PAGER", "less")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(text.starts_with("called: systemctl "), "{text}");
    assert!(text.contains("env: SYSTEMD_PAGER=cat") && text.contains("env: LC_ALL=C.UTF-8"), "{text}");
    for name in ["LD_PRELOAD", "SSH_", "vi", "less"] {
        assert!(!text.lines().any(|line| line.starts_with("env: ") && line.contains(name)), "{text}");
    }
}

#[test]
fn machine_output_says_who_ended_it() {
    let Some(door) = Door::new() else { return };
    door.stand_in("systemctl", b"caf\xc3\xa9\n");
    let lines = |request: &str| -> Vec<Line> {
        door.ask(request).stdout.lines().map(|line| parse_line(line).unwrap()).collect()
    };
    let all = lines("--json systemctl status nginx | tail -n 1");
    assert!(matches!(&all[0], Line::Started { command: Some(name), .. } if name == "systemctl"), "{all:?}");
    assert!(
        all.iter().any(|line| matches!(line, Line::Output { text, .. } if text == "caf\u{e9}\n")),
        "{all:?}"
    );
    let Some(Line::Finished { by: EndedBy::Command, exit: 0, outcome: Outcome::Done, .. }) = all.last()
    else {
        panic!("{all:?}");
    };
    let all = lines("--json cat /etc/shadow");
    let [Line::Finished { by: EndedBy::Guard, exit: 77, refusal: Some(refusal), .. }] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(refusal.rule, Rule::DeniedPlace);
}

#[test]
fn what_a_link_leads_to_is_refused_and_recorded_as_that() {
    let Some(door) = Door::new() else { return };
    door.stage.write("/etc/shadow", b"BGCANARY");
    std::os::unix::fs::symlink("/etc/shadow", door.stage.at("/var/log/link")).unwrap();
    let answer = door.ask("cat /var/log/link");
    assert_eq!((answer.code, answer.stdout.as_str()), (77, ""));
    assert!(answer.stderr.contains("refused (denied-place)"), "{}", answer.stderr);
    let last = door.record().pop().unwrap();
    assert_eq!((last["decision"].as_str(), last["rule"].as_str()), (Some("deny"), Some("denied-place")));
}

#[test]
fn a_unit_of_the_store_is_found_by_its_name_and_nothing_else_is() {
    let Some(door) = Door::new() else { return };
    let store = |path: &str, text: &str| door.stage.write(&format!("/nix/store/{path}"), text.as_bytes());
    store("aaaa-unit-n8n.service/n8n.service", "first\n");
    store("bbbb-unit-n8n.service/n8n.service", "second\n");
    store("cccc-unit-n8n.service/other", "third\n");
    store("dddd-settings/n8n.service", "BGCANARY");
    store("eeee-plain", "BGCANARY");
    let answer = door.ask("cat /nix/store/*-unit-n8n.service/n8n.service");
    assert_eq!((answer.code, answer.stdout.as_str()), (0, "first\nsecond\n"), "{}", answer.stderr);
    // What is opened is judged, not what was typed.
    std::os::unix::fs::symlink("/etc/shadow", door.stage.at("/nix/store/cccc-unit-n8n.service/link"))
        .unwrap();
    door.stage.write("/etc/shadow", b"BGCANARY");
    let refused = [
        "cat /nix/store/*-unit-n8n.service/link",
        "cat /nix/store/*[-unit-]*/n8n.service",
        "cat /nix/store/*-plain",
        "cat /nix/store/*-unit-n8n.service/*/x",
    ];
    for request in refused {
        let answer = door.ask(request);
        assert!(answer.code != 0 && !answer.stdout.contains("BGCANARY"), "{request}: {}", answer.stdout);
        assert!(answer.stderr.contains("refused ("), "{request}: {}", answer.stderr);
    }
    let missing = door.ask("cat /nix/store/*-unit-none.service/n8n.service");
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("No such file"), "{}", missing.stderr);
}

#[test]
fn a_look_that_no_record_takes_is_refused_and_a_lost_file_alone_is_not() {
    let Some(door) = Door::new() else { return };
    // The file alone: the ring keeps the line, and it comes back.
    let log = door.stage.at("/var/log/breakglass");
    fs::remove_dir(&log).unwrap();
    fs::write(&log, "a file").unwrap();
    let answer = door.ask("uptime");
    assert_eq!(answer.code, 0);
    assert!(answer.stderr.contains("it is in the ring"), "{}", answer.stderr);
    // Neither file nor ring nor syslog.
    fs::remove_dir_all(door.stage.at("/run/state")).unwrap();
    fs::write(door.stage.at("/run/state"), "a file").unwrap();
    let answer = door.ask("uptime");
    assert_eq!((answer.code, answer.stdout.as_str()), (77, ""));
    assert!(answer.stderr.contains("refused (record)"), "{}", answer.stderr);
}

#[test]
fn a_kernel_without_landlock_is_refused_unless_configured() {
    let Some(door) = Door::new() else { return };
    let hidden = |door: &Door| {
        let mut command = door.stage.command(true, super::support::GUARD);
        command.args(["without-landlock", "diag", "--config", "/etc/breakglass/guard.toml"]);
        super::support::Answer::from(command.env("SSH_ORIGINAL_COMMAND", "uptime").output().unwrap())
    };
    let answer = hidden(&door);
    assert_eq!((answer.code, answer.stdout.as_str()), (77, ""));
    assert!(answer.stderr.contains("refused (walls)"), "{}", answer.stderr);
    assert_eq!(door.record().pop().unwrap()["rule"], "walls");
    door.configure("[diag]\nwithout_landlock = true\n");
    assert_eq!(hidden(&door).code, 0);
}

#[test]
fn explaining_runs_and_records_nothing() {
    let Some(door) = Door::new() else { return };
    let mut command = door.stage.command(true, super::support::GUARD);
    command.args(["diag", "--config", "/etc/breakglass/guard.toml", "--explain", "cat /etc/shadow | wc -l"]);
    let answer = super::support::Answer::from(command.output().unwrap());
    assert_eq!(answer.code, 0);
    assert!(answer.stdout.contains("refused (denied-place)"), "{}", answer.stdout);
    assert!(door.record().is_empty());
}

#[test]
fn a_refusal_without_policy_says_so() {
    let Some(door) = Door::new() else { return };
    door.configure("[diagg]\n");
    assert_eq!(door.ask("uptime").code, 78);
}

/// What `breakglass verify` sends: the look is answered, and the guard says itself that it refuses the others.
#[test]
fn what_a_canary_asks_is_answered_and_refused_as_it_expects() {
    let Some(door) = Door::new() else { return };
    let look = door.ask("uptime");
    assert!(look.code == 0 && !look.stdout.is_empty(), "{}", look.stderr);
    for request in ["/bin/echo breakglass-canary", "uptime >/dev/null"] {
        let answer = door.ask(request);
        assert_eq!((answer.code, answer.stdout.as_str()), (77, ""), "{request}: {}", answer.stderr);
    }
}

//! What a good file becomes.

use super::{GOOD, good, parse};
use breakglass_fleet::{Backend, DoorKind, Fleet, HostKeyPolicy, LoadError, Weekday};
use std::time::Duration;

#[test]
fn names_lead_to_what_they_name() {
    let fleet = good(GOOD);
    assert_eq!(fleet.targets().map(|target| target.name.as_str()).collect::<Vec<_>>(), ["devvm"]);
    assert_eq!(fleet.power_door("devvm").map(|door| door.name.as_str()), Some("devvm-power"));
    assert_eq!(fleet.repair_door("devvm").map(|door| door.name.as_str()), Some("devvm-repair"));
    assert_eq!(fleet.hypervisor_of("devvm").map(|host| host.name.as_str()), Some("pve"));
    assert!(fleet.power_door("pve").is_none() && fleet.component("nas").is_none());
    assert!(fleet.secret("power-key").is_some() && fleet.door("devvm-power").is_some());

    let power = fleet.door("devvm-power").expect("declared");
    assert_eq!((power.kind, power.backend, power.vm), (DoorKind::Power, Some(Backend::Qmp), Some(102)));
    assert_eq!((power.port, power.deadline), (22, Duration::from_secs(60)));
    assert_eq!(power.become_root, "");
    assert_eq!(fleet.door("devvm-repair").map(|door| door.become_root.as_str()), Some("sudo -n "));
    assert_eq!(fleet.component("pve").map(|pve| &pve.host_key), Some(&HostKeyPolicy::TofuAlarm));
}

#[test]
fn a_hypervisor_is_found_without_a_power_door() {
    let without = GOOD.replace(
        "kind = \"power\"\nto = \"pve\"\ncontrols = \"devvm\"\nbackend = \"qmp\"\nvm = 102",
        "kind = \"diag\"\nto = \"pve\"",
    );
    let fleet = good(&without);
    assert!(fleet.power_door("devvm").is_none());
    assert_eq!(fleet.hypervisor_of("devvm").map(|host| host.name.as_str()), Some("pve"));
    assert!(fleet.hypervisor_of("pve").is_none());
}

#[test]
fn unused_sections_are_named_and_may_hold_anything() {
    let text =
        format!("{GOOD}[kit]\nanything = [1, 2]\n[[scenario]]\nname = \"all of it\"\ndown = [\"pve\"]\n");
    assert_eq!(good(&text).unused_sections, ["kit", "scenario"]);
    assert!(good(GOOD).unused_sections.is_empty());
}

#[test]
fn the_canary_has_a_period_or_is_off_and_nothing_else() {
    let every = |text: &str| good(&format!("{GOOD}[verify]\nevery = {text}\n")).verify.every;
    assert_eq!(good(GOOD).verify.every, Some(Duration::from_secs(6 * 3600)));
    assert_eq!(every("\"30 min\""), Some(Duration::from_secs(1800)));
    assert_eq!(every("\"off\""), None);
    for (text, wanted) in [
        ("every = \"1 s\"", "out of range"),
        ("every = \"never\"", "no duration"),
        ("every = 6", "needs its unit"),
        ("often = \"6 h\"", "often"),
    ] {
        let error = parse(&format!("{GOOD}[verify]\n{text}\n")).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn the_page_and_the_watch_take_what_the_file_says() {
    let text = format!(
        "{GOOD}listen = [\"192.0.2.5:443\", \"[::1]:8080\"]\nsecure_cookies = false\nsession_hours = 0x8\n\
         trusted_header = {{ name = \"X-User\", proxies = [\"192.0.2.3\"] }}\n\
         [watch]\ninterval = \"500 ms\"\nconfirm = 3\nlearn = \"2 h\"\nsync_probe = false\n"
    );
    let fleet = good(&text);
    assert_eq!(fleet.web.listen.len(), 2);
    assert_eq!((fleet.web.secure_cookies, fleet.web.session_hours), (false, 8));
    assert_eq!(fleet.web.trusted_header.as_ref().map(|header| header.name.as_str()), Some("x-user"));
    assert_eq!((fleet.watch.interval, fleet.watch.confirm), (Duration::from_millis(500), 3));
    assert_eq!((fleet.watch.learn, fleet.watch.sync_probe), (Duration::from_secs(7200), false));
}

#[test]
fn maintenance_is_open_on_its_days_and_past_midnight() {
    let text = format!(
        "{GOOD}[[watch.maintenance]]\ntargets = [\"devvm\"]\ndays = [\"sun\"]\nfrom = \"23:30\"\nlasts = \"1 h\"\n"
    );
    let fleet = good(&text);
    let window = fleet.watch.maintenance.first().expect("declared");
    assert_eq!(window.days, [Weekday::Sunday]);
    // 2026-11-22 is a Sunday; its midnight is 1795305600 seconds after the epoch.
    let sunday = 1_795_305_600_000_i64;
    let minutes = |minutes: i64| sunday + minutes * 60_000;
    for (at, open) in [
        (minutes(23 * 60 + 29), false),
        (minutes(23 * 60 + 30), true),
        (minutes(24 * 60 + 29), true),
        (minutes(24 * 60 + 30), false),
        (minutes(30), false),
        (minutes(47 * 60 + 45), false),
    ] {
        assert_eq!(window.covers("devvm", at), open, "{at}");
    }
    assert!(!window.covers("pve", minutes(23 * 60 + 30)));
}

#[test]
fn a_file_is_loaded_and_a_missing_one_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fleet.toml");
    std::fs::write(&path, GOOD).expect("written");
    assert_eq!(Fleet::load(&path).expect("good").name, "home");
    let missing = Fleet::load(&dir.path().join("none.toml")).expect_err("not there");
    assert!(matches!(missing, LoadError::Unreadable { .. }));
    assert!(missing.to_string().contains("breakglass init"));
    std::fs::write(&path, "x = 1").expect("written");
    assert!(Fleet::load(&path).expect_err("broken").to_string().contains("unknown section `x`"));
}

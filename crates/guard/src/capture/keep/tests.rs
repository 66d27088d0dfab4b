//! What comes through the pipe, whole, cut short and with names that would be paths.

use super::*;
use crate::forensics::Limits;
use breakglass_protocol::{Timestamp, VmName};
use std::time::Duration;

fn plan(dir: &Path) -> Plan {
    Plan {
        vm_name: VmName::new("devvm").unwrap(),
        vm_id: 102,
        operation: None,
        taken: Timestamp::default(),
        qmp_socket: None,
        monitor_tool: None,
        asks: Vec::new(),
        process: None,
        guest_agent: None,
        console: None,
        dir: dir.to_owned(),
        limits: Limits { free_floor_bytes: 0, ..Limits::default() },
        deadline: Duration::from_secs(1),
        ends_process: false,
        config_text: String::new(),
        status_json: None,
    }
}

fn part(name: &str, media: &str, bytes: &[u8]) -> Captured {
    Captured {
        part: name.to_owned(),
        outcome: PartOutcome::Captured,
        millis: 1,
        media: media.to_owned(),
        bytes: bytes.to_vec(),
    }
}

#[test]
fn a_part_holds_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"{\"part\":\"x\"}\n\n\x00\xff\n";
    let input = [
        opening(&plan(dir.path())),
        frame(&part("qmp", "application/json", bytes)),
        frame(&part("a", "", b"")),
    ];
    let kept = keep(&mut &input.concat()[..]).unwrap();
    assert_eq!(std::fs::read(kept.join("qmp.json")).unwrap(), bytes);
    assert_eq!(std::fs::read_to_string(kept.join("parts.jsonl")).unwrap().lines().count(), 2);
    let again = keep(&mut &opening(&plan(dir.path()))[..]).unwrap();
    assert_ne!(kept, again, "a second capture under the same name overwrites nothing");
}

#[test]
fn a_name_never_leaves_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let input = [opening(&plan(dir.path())), frame(&part("../../x", "text/plain", b"y"))].concat();
    let kept = keep(&mut &input[..]).unwrap();
    assert!(kept.join("______x.txt").exists());
}

#[test]
fn half_a_part_is_not_taken_for_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut input = [opening(&plan(dir.path())), frame(&part("host", "text/plain", b"0123456789"))].concat();
    input.truncate(input.len() - 3);
    assert_eq!(keep(&mut &input[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(keep(&mut &b""[..]).is_err());
}

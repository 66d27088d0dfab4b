//! What must not get through: the corpus through a real sshd, another VM's process, the keys in the server's memory,
//! history that was edited.

use breakglass_e2e::night::{BOOT, Night, brisk, lab};
use breakglass_lab::{Options, VmOptions, Wedge};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn of_vm_102_and_vm_1020_only_the_one_that_was_meant_is_ever_signalled() {
    let named = |number, name: &str| VmOptions { number, name: name.to_owned(), ..VmOptions::default() };
    let options = Options { vms: vec![named(102, "devvm"), named(1020, "gitvm")], ..brisk() };
    let lab = lab(&options).unwrap();
    let [devvm, gitvm] = lab.vms() else { panic!("two VMs") };
    gitvm.start().unwrap();
    gitvm.await_banner(BOOT).unwrap();
    let before = gitvm.process().unwrap();
    devvm.wedge(Wedge::Panic).unwrap();
    let cycled = lab.power("cycle devvm", BOOT).unwrap();
    assert_eq!(cycled.code, Some(0), "{cycled:?}");
    devvm.await_banner(BOOT).unwrap();
    assert_eq!(gitvm.process(), Some(before), "1020 is untouched");
    assert_eq!(gitvm.starts().len(), 1);
    assert_eq!(devvm.starts().len(), 2);
    let refused = lab.power("cycle", SOON).unwrap();
    assert_eq!(refused.code, Some(77), "several VMs and none named: {refused:?}");
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn the_corpus_does_nothing_through_a_real_sshd() {
    let lab = lab(&brisk()).unwrap();
    let vm = lab.vm().unwrap();
    let process = vm.process();
    let corpus = include_str!("../../../crates/guard/tests/data/power-deny.tsv");
    let rows = corpus.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let mut sent = 0;
    for row in rows {
        let [id, _, command, environment, _, _, expect, ..] = row.as_slice() else { continue };
        let Some(request) = decoded(command) else { continue };
        if *expect != "refuse" || !environment.is_empty() || request.len() > 100_000 || request.is_empty() {
            continue;
        }
        let answer = lab.power(&request, SOON).unwrap();
        assert_eq!(answer.code, Some(77), "{id} {command}: {answer:?}");
        assert!(answer.stderr.contains("refused ("), "{id}: {answer:?}");
        sent += 1;
    }
    println!("{sent} requests refused through sshd");
    assert!(sent > 40, "only {sent} rows were sent");
    assert_eq!(vm.process(), process, "nothing happened to the VM");
    let status = lab.power("--json status", SOON).unwrap();
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.contains("\"last_operation\":") && status.stdout.contains("running"), "{status:?}");
    assert_eq!(vm.starts().len(), 1);
}

/// The request of a corpus cell, where it is text that a client's argument can carry.
fn decoded(cell: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = cell.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match rest.next()? {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            '\\' => text.push('\\'),
            _ => return None,
        }
    }
    (!text.contains("@REPEAT")).then_some(text)
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn the_servers_memory_holds_no_private_key_while_it_works() {
    let night = Night::begin(&brisk()).unwrap();
    let ran = night
        .server
        .send("/api/v1/targets/devvm/commands", &serde_json::json!({ "command": "true" }))
        .unwrap();
    assert!(ran.status < 300, "{}", ran.body);
    let pid = night.server.pid().unwrap();
    let memory = memory(pid);
    assert!(
        find(&memory, night.server.token.as_bytes()).is_some() || find(&memory, b"devvm").is_some(),
        "the search finds what is there"
    );
    for key in [night.lab.power_key(), night.lab.repair_key()] {
        let text = std::fs::read_to_string(key).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        // The middle of the file is the private part; its text and its bytes.
        let private = &body.as_bytes()[body.len() / 2..body.len() / 2 + 40];
        assert_eq!(find(&memory, private), None, "the text of {} is in the server's memory", key.display());
    }
}

/// All readable memory of a process.
fn memory(pid: u32) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_whitespace().next().and_then(|range| range.split_once('-')).unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut chunk = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut chunk, from).is_ok() {
            all.extend(chunk);
        }
    }
    all
}

fn find(memory: &[u8], needle: &[u8]) -> Option<usize> {
    memory.windows(needle.len()).position(|window| window == needle)
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn edited_history_is_noticed() {
    let mut night = Night::begin(&brisk()).unwrap();
    let (_, head, _) = night.server.cli(&["journal", "head"]).unwrap();
    let noted = night
        .server
        .send("/api/v1/incidents", &serde_json::json!({ "target": "devvm", "reason": "a test" }))
        .unwrap();
    assert!(noted.status < 300, "{}", noted.body);
    night.server.kill();
    assert_eq!(night.server.cli(&["journal", "verify", "--head", head.trim()]).unwrap().0, Some(0));
    let database = night.server.state.join("journal.db");
    let edited = std::process::Command::new("python3").arg("-c").arg(
        "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(\"update events set body=replace(body,'a test','a lie')\"); c.commit()",
    ).arg(&database).status().unwrap();
    assert!(edited.success());
    let (code, _, error) = night.server.cli(&["journal", "verify"]).unwrap();
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("does not hold"), "{error}");

    let record = night.lab.directory().join("record");
    let file = std::fs::read_dir(&record)
        .unwrap()
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|it| it == "jsonl"))
        .unwrap()
        .path();
    let verify = || {
        std::process::Command::new(night.lab.guard()).args(["record", "verify"]).arg(&file).output().unwrap()
    };
    assert!(verify().status.success(), "{:?}", verify());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"allow\"", "\"deny\"", 1)).unwrap();
    assert!(!verify().status.success(), "an edited record is noticed");
}

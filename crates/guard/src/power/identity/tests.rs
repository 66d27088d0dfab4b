//! The weighing of witnesses, case by case: who may be signalled and when nothing may be.

use super::*;

const QEMU_102: u32 = 500;
const QEMU_1020: u32 = 501;
const EDITOR: u32 = 600;
const ENDING: u32 = 650;
const DEAD: u32 = 700;

fn world(pid: u32) -> Option<Look> {
    let look = |program| Some(Look { start_ticks: u64::from(pid) * 10, program });
    match pid {
        QEMU_102 | QEMU_1020 => look(Program::Configured),
        EDITOR => look(Program::Another),
        ENDING => look(Program::Ending),
        _ => None,
    }
}

const fn belongs(pid: u32) -> bool {
    pid == QEMU_102
}

fn process(pid: u32) -> ProcessIdentity {
    ProcessIdentity { pid, start_ticks: u64::from(pid) * 10 }
}

const fn filed(pid: u32) -> Filed {
    Filed::Pid(pid)
}

#[test]
fn only_agreement_names_a_process() {
    use Listener::{Nobody, Pid, Unnamed};
    const ONE: Result<Option<u32>, ()> = Ok(Some(QEMU_102));
    const NONE: Result<Option<u32>, ()> = Ok(None);
    const DOUBT: Result<Option<u32>, ()> = Err(());
    let reused = Some(ProcessIdentity { pid: EDITOR, start_ticks: 1 });
    for (why, listener, file, remembered, expected) in [
        ("all three agree", Pid(QEMU_102), filed(QEMU_102), Some(process(QEMU_102)), ONE),
        ("the socket alone", Pid(QEMU_102), Filed::Absent, None, ONE),
        ("a stale pid file beside a living listener", Pid(QEMU_102), filed(DEAD), None, ONE),
        ("the file alone: the socket is dead", Nobody, filed(QEMU_102), None, ONE),
        ("the file, and a socket whose queue is full", Unnamed, filed(QEMU_102), None, ONE),
        ("our memory alone", Nobody, Filed::Absent, Some(process(QEMU_102)), ONE),
        ("nothing anywhere", Nobody, Filed::Absent, None, NONE),
        ("left behind by a killed QEMU", Nobody, filed(DEAD), Some(process(DEAD)), NONE),
        ("a reused number, and we know that ours ended", Nobody, filed(EDITOR), reused, NONE),
        ("a reused number, and we know nothing", Nobody, filed(EDITOR), None, DOUBT),
        ("the neighbour's number, and ours is off", Nobody, filed(QEMU_1020), None, DOUBT),
        ("the neighbour's number, and ours is known to have ended", Nobody, filed(QEMU_1020), reused, DOUBT),
        ("1", Nobody, filed(1), None, DOUBT),
        ("1 although the socket is fine", Pid(QEMU_102), filed(1), None, DOUBT),
        ("0", Nobody, filed(0), None, DOUBT),
        ("the neighbour's number in our file", Pid(QEMU_102), filed(QEMU_1020), None, DOUBT),
        ("the neighbour on our socket", Pid(QEMU_1020), filed(QEMU_102), None, DOUBT),
        ("an old one of ours still runs", Pid(QEMU_1020), Filed::Absent, Some(process(QEMU_102)), DOUBT),
        ("a file that names another than ours", Nobody, filed(QEMU_1020), Some(process(QEMU_102)), DOUBT),
        ("a stranger on our socket", Pid(EDITOR), Filed::Absent, None, DOUBT),
        ("a socket held by nobody known", Unnamed, Filed::Absent, None, DOUBT),
        ("a socket whose maker died", Pid(DEAD), Filed::Absent, None, DOUBT),
        ("one that is ending, and was not ours to our knowledge", Pid(ENDING), Filed::Absent, None, DOUBT),
        ("one that is ending, named by the file alone", Nobody, filed(ENDING), None, DOUBT),
        ("a file of garbage", Pid(QEMU_102), Filed::Unreadable("x".to_owned()), None, DOUBT),
    ] {
        let witnesses = Witnesses { listener, filed: file, remembered };
        let judged = judge(&witnesses, "its socket", world, belongs);
        assert_eq!(
            judged.clone().map(|found| found.map(|it| it.pid)).map_err(|_| ()),
            expected,
            "{why}: {judged:?}"
        );
    }
}

/// A thread that cannot die keeps the process from ending, which is then still the one that the guard started.
#[test]
fn one_of_ours_that_cannot_end_stays_ours() {
    for listener in [Listener::Pid(ENDING), Listener::Nobody, Listener::Unnamed] {
        for file in [filed(ENDING), Filed::Absent] {
            let witnesses = Witnesses { listener, filed: file, remembered: Some(process(ENDING)) };
            assert_eq!(
                judge(&witnesses, "its socket", world, belongs),
                Ok(Some(process(ENDING))),
                "{witnesses:?}"
            );
        }
    }
}

#[test]
fn reads_pid_files_as_strictly_as_it_should() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("pid");
    assert_eq!(super::filed(&path), Filed::Absent);
    for (text, pid) in
        [("12\n", Some(12)), ("1", Some(1)), ("", None), ("12 13", None), ("-4", None), ("\u{663}", None)]
    {
        std::fs::write(&path, text).unwrap();
        let read = match super::filed(&path) {
            Filed::Pid(pid) => Some(pid),
            _ => None,
        };
        assert_eq!(read, pid, "{text:?}");
    }
}

#[test]
fn a_held_process_is_the_one_that_was_meant() {
    let own = proc_file::own().unwrap();
    assert!(Process::hold(own).is_some());
    assert!(Process::hold(ProcessIdentity { start_ticks: own.start_ticks + 1, ..own }).is_none());
    assert!(Process::hold(ProcessIdentity { pid: 0, start_ticks: 0 }).is_none());
}

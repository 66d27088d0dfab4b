//! One request: what arrives, what comes back, and how it ends.

use crate::sshd::{KEY, RESCUER};
use crate::sshd::{Sshd, ask, is_alive, keygen, keyholder, output_of, signal, wait_for};
use breakglass_doors::{Ask, Chunk, End, Stage, Stopped};
use breakglass_fleet::HostKeyPolicy;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_command_gets_the_request_and_its_answer_comes_back() {
    let sshd = Sshd::with(r#"command="printf '<%s>' \"$SSH_ORIGINAL_COMMAND\"""#, "");
    let doors = sshd.doors();
    assert_eq!(output_of(&doors, "--json status devvm").await, "<--json status devvm>");
    assert_eq!(output_of(&doors, "cycle 'a b'").await, "<cycle 'a b'>");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_signals_and_both_outputs_come_through() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    for code in [0, 3, 77, 255] {
        let (end, captured) = ask(&doors, &format!("echo out; echo err >&2; exit {code}"), LONG).await;
        assert!(
            matches!(&end, End::Finished { exit: Some(exit), signal: None, .. } if *exit == code),
            "{end:?}"
        );
        assert_eq!((captured.stdout, captured.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        assert_eq!(end.succeeded(), code == 0);
    }
    let (end, _) = ask(&doors, "kill -9 $$", LONG).await;
    assert!(
        matches!(&end, End::Finished { exit: None, signal: Some(signal), .. } if signal == "KILL"),
        "{end:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_reads_its_input_sees_its_end() {
    let sshd = Sshd::start();
    assert_eq!(output_of(&sshd.doors(), "cat; echo over").await, "over\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_output_is_whole_when_streamed_and_cut_honestly_when_captured() {
    const WHOLE: usize = 10_000_000;
    let sshd = Sshd::start();
    let doors = sshd.doors();
    let command = format!("head -c {WHOLE} /dev/zero | tr '\\0' x");
    let ask = |limit| Ask { door: "door", command: command.clone(), deadline: LONG, stdout_limit: limit };

    let (end, captured) = doors.capture(ask(1_000_000)).await;
    assert!(end.succeeded(), "{end}");
    assert_eq!((captured.stdout.len(), captured.cut), (1_000_000, true));

    let (end, captured) = doors.capture(ask(WHOLE)).await;
    assert!(end.succeeded(), "{end}");
    assert_eq!((captured.stdout.len(), captured.cut), (WHOLE, false));

    let (chunks, mut taken) = mpsc::channel(1);
    let count = async {
        let mut count = 0;
        while let Some(chunk) = taken.recv().await {
            let Chunk::Stdout(bytes) = chunk else { panic!("nothing was written to standard error") };
            count += bytes.len();
        }
        count
    };
    let (end, count) = tokio::join!(doors.run(ask(0), chunks), count);
    assert!(end.succeeded(), "{end}");
    assert_eq!(count, WHOLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_up_neither_the_deadline_nor_the_door() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    output_of(&doors, "true").await;
    let (chunks, taken) = mpsc::channel(1);
    let began = Instant::now();
    let ask = Ask {
        door: "door",
        command: "exec yes".to_owned(),
        deadline: Duration::from_millis(1500),
        stdout_limit: 0,
    };
    let end = doors.run(ask, chunks).await;
    assert!(matches!(end, End::TimedOut { stage: Stage::Run, .. }), "{end:?}");
    assert!(began.elapsed() < Duration::from_millis(3000), "{:?}", began.elapsed());
    assert_eq!(output_of(&doors, "echo next").await, "next\n");
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_went_away_does_not_end_the_command() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    let marker = sshd.path("done");
    let (chunks, taken) = mpsc::channel(1);
    drop(taken);
    let command = format!("echo one; sleep 0.3; echo two; touch {}", marker.display());
    let end = doors.run(Ask { door: "door", command, deadline: LONG, stdout_limit: 0 }, chunks).await;
    assert!(end.succeeded(), "{end}");
    assert!(marker.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_leaves_behind_does_not_hold_up_its_end() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    let began = Instant::now();
    let pid = output_of(&doors, "sleep 60 & echo $!").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    signal(pid.trim().parse().expect("a process id"), Signal::KILL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_says_that_nobody_saw_the_end_where_nobody_did() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    output_of(&doors, "true").await;
    let note = sshd.path("pid");
    let began = Instant::now();
    let (end, _) =
        ask(&doors, &format!("echo $$ > {}; exec sleep 60", note.display()), Duration::from_millis(3000))
            .await;
    assert_eq!(end, End::TimedOut { stage: Stage::Run, stopped: Stopped::NotConfirmed });
    assert!(end.was_sent());
    assert!(began.elapsed() < Duration::from_millis(4500), "{:?}", began.elapsed());
    // sshd signals no process of root, so the honest answer is also the true one here.
    let pid: i32 =
        std::fs::read_to_string(note).expect("the command ran").trim().parse().expect("a process id");
    assert!(is_alive(pid), "it was not known to be alive, but it is");
    signal(pid, Signal::KILL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_confirms_the_end_where_sshd_lets_us_kill() {
    // Only processes of ordinary users can be signalled through sshd.
    let sshd = Sshd::start();
    let mut fleet = sshd.fleet(HostKeyPolicy::TofuAlarm);
    for door in &mut fleet.doors {
        door.user = RESCUER.to_owned();
    }
    let doors = sshd.doors_of(fleet);
    assert_eq!(output_of(&doors, "id -un").await, "rescuer\n");
    let note = sshd.path("home/pid");
    let (end, _) =
        ask(&doors, &format!("echo $$ > {}; exec sleep 60", note.display()), Duration::from_millis(5000))
            .await;
    assert_eq!(end, End::TimedOut { stage: Stage::Run, stopped: Stopped::Confirmed });
    let pid: i32 =
        std::fs::read_to_string(note).expect("the command ran").trim().parse().expect("a process id");
    wait_for("the command to be gone", || !is_alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_wanted_is_refused_in_a_sentence() {
    let sshd = Sshd::start();
    let other = sshd.path("other");
    keygen(&other, "ed25519", "other");
    let doors = sshd.doors_with(sshd.fleet(HostKeyPolicy::TofuAlarm), keyholder(&[(KEY, &other)]));
    let (end, _) = ask(&doors, "touch /never", LONG).await;
    let End::Refused { reason } = &end else { panic!("{end:?}") };
    assert!(reason.contains("does not take key recovery-key (SHA256:"), "{reason}");
    assert!(reason.contains("authorized_keys"), "{reason}");
    assert!(!end.was_sent());
    assert!(doors.state("door").last_error.is_some_and(|error| error.contains("does not take key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_commands_arrive_and_impossible_ones_are_refused() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    let long = format!("echo {}", "x".repeat(100_000));
    assert_eq!(output_of(&doors, &long).await.len(), 100_001);
    for command in ["x".repeat(130_000), "echo a\0b".to_owned()] {
        let (end, _) = ask(&doors, &command, LONG).await;
        assert!(matches!(&end, End::Refused { .. }), "{end:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_door_and_a_host_without_address_are_refused() {
    let sshd = Sshd::start();
    let mut fleet = sshd.fleet(HostKeyPolicy::TofuAlarm);
    fleet.components.iter_mut().for_each(|component| component.addresses.clear());
    let doors = sshd.doors_of(fleet);
    let (end, _) = ask(&doors, "true", LONG).await;
    assert!(matches!(&end, End::Refused { reason } if reason.contains("no address")), "{end:?}");
    let ask = Ask { door: "nowhere", command: "true".to_owned(), deadline: LONG, stdout_limit: 0 };
    let (end, _) = doors.capture(ask).await;
    assert!(matches!(&end, End::Refused { reason } if reason.contains("no door `nowhere`")), "{end:?}");
}

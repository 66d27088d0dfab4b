//! Held connections: kept, silent, killed, shared, and dialled anew.

use crate::sshd::{Sshd, ask, children_of, output_of, signal, wait_for};
use breakglass_doors::{Ask, Captured, End, Limits};
use breakglass_fleet::HostKeyPolicy;
use rustix::process::Signal;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_held_and_its_round_trip_known() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    assert!(!doors.state("door").warm);
    doors.warm("door").await;
    let state = doors.state("door");
    assert!(state.warm && state.round_trip.is_some() && state.last_error.is_none(), "{state:?}");
    for _ in 0..5 {
        output_of(&doors, "true").await;
    }
    assert_eq!(sshd.connections().len(), 1);
    doors.hang_up("door");
    wait_for("the connection to end", || sshd.connections().is_empty());
    output_of(&doors, "true").await;
    assert_eq!(doors.state("door").connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_let_go_ends_with_the_last_command_on_it() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    doors.warm("door").await;
    let note = sshd.path("runs");
    let command = format!("touch {}; sleep 1; echo done", note.display());
    let running = tokio::spawn({
        let doors = doors.clone();
        async move { output_of(&doors, &command).await }
    });
    wait_for("the command to run", || note.exists());
    doors.hang_up("door");
    assert_eq!(running.await.expect("it ends"), "done\n");
    wait_for("the connection to end", || sshd.connections().is_empty());
}

/// How long something takes here and now; the machine that runs the tests may be busy with other things.
async fn time_of(work: impl Future<Output = String>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_is_dialled_beside_a_silent_one_and_the_command_runs_once() {
    let mut sshd = Sshd::start();
    let doors = sshd.doors();
    let fresh = time_of(output_of(&doors, "true")).await;
    let silent_after = Limits::default().silent_after;
    let note = sshd.path("ran");
    let frozen = sshd.freeze();
    let began = Instant::now();
    assert_eq!(output_of(&doors, &format!("echo ran >> {}; echo answer", note.display())).await, "answer\n");
    let took = began.elapsed();
    assert!(took < Duration::from_millis(2500).max(silent_after + fresh * 4), "{took:?}, fresh {fresh:?}");
    assert!(took >= silent_after, "the held connection was given no time: {took:?}");
    // From now on the one that answers is used, without any wait.
    let held = time_of(output_of(&doors, "true")).await;
    assert!(held < silent_after.max(fresh * 2), "{held:?}, fresh {fresh:?}");
    // The silent one was kept, and when it wakes, nothing is run a second time.
    assert_eq!(doors.state("door").connections, 2);
    assert_eq!(frozen.len(), 1);
    signal(frozen[0], Signal::CONT);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(std::fs::read_to_string(&note).expect("it ran"), "ran\n");
    assert_eq!(doors.state("door").connections, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_everywhere_ends_at_the_deadline_and_the_held_connection_serves_again() {
    let mut sshd = Sshd::start();
    let doors = sshd.doors();
    output_of(&doors, "true").await;
    let frozen = sshd.freeze();
    // Nor does anybody take new connections.
    sshd.freeze_listener();
    let began = Instant::now();
    let (end, _) = ask(&doors, "true", Duration::from_millis(1500)).await;
    assert!(matches!(end, End::TimedOut { .. }) && !end.was_sent(), "{end:?}");
    assert!(began.elapsed() < Duration::from_millis(3000), "{:?}", began.elapsed());
    assert!(!doors.state("door").warm);
    // It wakes, and is all that there is.
    signal(frozen[0], Signal::CONT);
    output_of(&doors, "true").await;
    assert!(doors.state("door").warm);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_the_command_runs_is_lost_not_finished() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    output_of(&doors, "true").await;
    let note = sshd.path("pid");
    let command = format!("echo $$ > {}; exec sleep 60", note.display());
    let running = ask(&doors, &command, LONG);
    let breaking = async {
        let pid = loop {
            match std::fs::read_to_string(&note).ok().and_then(|text| text.trim().parse::<i32>().ok()) {
                Some(pid) => break pid,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        sshd.connections().into_iter().for_each(|connection| signal(connection, Signal::KILL));
        pid
    };
    let ((end, _), pid) = tokio::join!(running, breaking);
    signal(pid, Signal::KILL);
    let End::LineLost { reason } = &end else { panic!("{end:?}") };
    assert!(!reason.is_empty() && end.was_sent());
    assert!(end.to_string().contains("look before you repeat it"), "{end}");
    // And the door opens again.
    output_of(&doors, "true").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_started_again_is_found_again() {
    let mut sshd = Sshd::start();
    let doors = sshd.doors();
    output_of(&doors, "true").await;
    sshd.down();
    let (end, _) = ask(&doors, "true", LONG).await;
    assert!(matches!(end, End::Unreachable { .. }), "{end:?}");
    sshd.up();
    output_of(&doors, "true").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_tried_in_order_and_beside_each_other() {
    let sshd = Sshd::start();
    // One that refuses, one that accepts and says nothing, the one that works, and a name that nobody resolves.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mute_port = mute.local_addr().expect("its address").port();
    let mut fleet = sshd.fleet(HostKeyPolicy::TofuAlarm);
    fleet.components[0].addresses = vec![
        "no-such-name.invalid".to_owned(),
        format!("127.0.0.1:{}", crate::sshd::free_port()),
        format!("127.0.0.1:{mute_port}"),
        format!("127.0.0.1:{}", sshd.port),
    ];
    let doors = sshd.doors_of(fleet);
    let began = Instant::now();
    output_of(&doors, "true").await;
    assert!(began.elapsed() < Duration::from_millis(3000), "{:?}", began.elapsed());
    drop(mute);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_goes_to_twenty_doors_and_answers_as_they_come() {
    let sshd = Sshd::start();
    let mut fleet = sshd.fleet(HostKeyPolicy::TofuAlarm);
    let names: Vec<String> = (0..20).map(|n| format!("door-{n}")).collect();
    for name in &names {
        sshd.add_door(&mut fleet, &format!("host-of-{name}"), name, HostKeyPolicy::TofuAlarm);
    }
    let doors = sshd.doors_of(fleet);
    for _ in 0..2 {
        let asks = names.iter().map(|name| Ask {
            door: name,
            command: format!("echo {name}"),
            deadline: LONG,
            stdout_limit: 100,
        });
        let (results, mut answers) = mpsc::channel::<(String, End, Captured)>(1);
        let collect = async {
            let mut seen = HashSet::new();
            while let Some((door, end, captured)) = answers.recv().await {
                assert!(end.succeeded(), "{door}: {end}");
                assert_eq!(captured.stdout, format!("{door}\n").into_bytes());
                assert!(seen.insert(door));
            }
            seen.len()
        };
        let ((), count) = tokio::join!(doors.fan_out(asks.collect(), 8, results), collect);
        assert_eq!(count, 20);
    }
    assert_eq!(sshd.connections().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_through_one_door_share_a_few_connections() {
    // Fewer sessions than we would use: the server's word counts.
    let sshd = Sshd::with("", "MaxSessions 3");
    let doors = sshd.doors();
    let asks: Vec<Ask<'_>> = (0..12)
        .map(|n| Ask {
            door: "door",
            command: format!("sleep 0.2; echo {n}"),
            deadline: LONG,
            stdout_limit: 100,
        })
        .collect();
    let (results, mut answers) = mpsc::channel(20);
    doors.fan_out(asks, 12, results).await;
    let mut seen = HashSet::new();
    while let Some((_, end, captured)) = answers.recv().await {
        assert!(end.succeeded(), "{end}");
        seen.insert(captured.stdout);
    }
    assert_eq!(seen.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_doors_are_kept_warm_and_a_broken_one_is_warmed_again() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    doors.warm_all();
    wait_for("the door to be warm", || doors.state("door").warm);
    let first = sshd.connections();
    assert_eq!(first.len(), 1);
    signal(first[0], Signal::KILL);
    wait_for("another connection", || doors.state("door").warm && sshd.connections() != first);
    drop(doors);
    wait_for("the connections to end with the doors", || sshd.connections().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_waiting_leaves_no_session_behind() {
    let mut sshd = Sshd::start();
    let doors = sshd.doors();
    output_of(&doors, "true").await;
    let frozen = sshd.freeze();
    sshd.freeze_listener();
    for _ in 0..3 {
        let (end, _) = ask(&doors, "touch /never", Duration::from_millis(200)).await;
        assert!(!end.was_sent(), "{end:?}");
    }
    signal(frozen[0], Signal::CONT);
    output_of(&doors, "true").await;
    wait_for("no command to run", || children_of(frozen[0]).is_empty());
}

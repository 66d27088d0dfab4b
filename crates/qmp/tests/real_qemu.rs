//! Against a real QEMU (machine `none`, so it starts in milliseconds), and against sockets that misbehave.
#![expect(clippy::unwrap_used, reason = "a failed test should stop loudly")]

use breakglass_qmp::{Client, Deadlined, QmpError};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Qemu {
    process: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Qemu {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp");
        let process = Command::new("/usr/bin/qemu-system-x86_64")
            .args(["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-drive", "if=none,id=nothing,file=null-co://,format=raw"])
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !socket.exists() {
            assert!(began.elapsed() < Duration::from_secs(8), "QEMU made no socket");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { process, socket, _dir: dir }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn within(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

fn open(path: &Path, millis: u64) -> Result<Client<Deadlined>, QmpError> {
    Client::open(path, within(millis))
}

#[test]
fn asks_a_real_qemu_and_ends_it() {
    let mut qemu = Qemu::start();
    let mut client = open(&qemu.socket, 5000).unwrap();
    assert!(client.greeting().major >= 4, "{:?}", client.greeting());
    assert_eq!(client.query_status().unwrap().status, "running");
    assert_eq!(client.query_jobs().unwrap(), []);
    assert_eq!(client.query_blockstats().unwrap()[0].name(), "nothing");
    assert_eq!(client.query_block().unwrap()[0].device, "nothing");
    client.stop().unwrap();
    assert_eq!(client.query_status().unwrap().status, "paused");
    client.cont().unwrap();
    let names: Vec<String> = client.take_events().into_iter().map(|event| event.name).collect();
    assert_eq!(names, ["STOP", "RESUME"]);
    assert!(client.human_monitor_command("info version").unwrap().contains('.'));
    let refused = client.screendump(Path::new("/dev/null"), "png").unwrap_err();
    assert!(matches!(&refused, QmpError::Refused { class, .. } if class == "GenericError"), "{refused}");
    assert!(
        matches!(client.execute::<()>("no-such"), Err(QmpError::Refused { class, .. }) if class == "CommandNotFound")
    );
    client.quit().unwrap();
    assert!(qemu.process.wait().unwrap().success());
}

#[test]
fn a_second_client_waits_no_longer_than_its_deadline() {
    let qemu = Qemu::start();
    let first = open(&qemu.socket, 5000).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        // The first of these waits in QEMU's backlog for the greeting, later ones already for the connect.
        let began = Instant::now();
        let socket = qemu.socket.clone();
        waiting.push(std::thread::spawn(move || (open(&socket, 300).unwrap_err(), began.elapsed())));
    }
    for thread in waiting {
        let (error, took) = thread.join().unwrap();
        assert!(error.is_timeout(), "{error:?}");
        assert!(took >= Duration::from_millis(290) && took < Duration::from_millis(900), "{took:?}");
    }
    drop(first);
    assert!(open(&qemu.socket, 5000).unwrap().query_status().unwrap().running);
}

#[test]
fn the_deadline_covers_a_qemu_that_talks_without_answering() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let listener = UnixListener::bind(&socket).unwrap();
    let chatterbox = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 9}}}}\n")
            .unwrap();
        let mut asked = [0_u8; 512];
        assert!(peer.read(&mut asked).unwrap() > 0);
        peer.write_all(b"{\"return\": {}, \"id\": 1}\n").unwrap();
        while peer.write_all(b"{\"event\": \"RTC_CHANGE\"}\n").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let began = Instant::now();
    let mut client = open(&socket, 400).unwrap();
    let error = client.query_status().unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    drop(client);
    chatterbox.join().unwrap();
}

#[test]
fn nobody_there_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(&dir.path().join("none"), 5000).unwrap_err();
    assert!(
        matches!(&error, QmpError::Stream { source, .. } if source.kind() == std::io::ErrorKind::NotFound),
        "{error:?}"
    );
}

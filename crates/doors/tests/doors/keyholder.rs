//! The keyholder as a process: what it signs, what it survives, what it keeps to itself; and other agents in its place.

use crate::sshd::{KEY, Sshd, ask, is_alive, keygen, keyholder, output_of, run_tool, signal, wait_for};
use breakglass_doors::{End, Keyholder};
use breakglass_fleet::HostKeyPolicy;
use rustix::process::Signal;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

fn ssh_through(agent: &Path, sshd: &Sshd, key: &str) -> String {
    run_tool(
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .arg("-o")
            .arg(format!("IdentityAgent={}", agent.display()))
            .arg("-o")
            .arg(format!("IdentityFile={}", sshd.path(&format!("{key}.pub")).display()))
            .args(["-p", &sshd.port.to_string(), "root@127.0.0.1", "echo through ssh"]),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_tools_use_it_as_their_agent() {
    let sshd = Sshd::start();
    let holder = keyholder(&[(KEY, &sshd.path("key"))]);
    let list = run_tool(Command::new("ssh-add").arg("-L").env("SSH_AUTH_SOCK", holder.socket()));
    let public = std::fs::read_to_string(sshd.path("key.pub")).expect("the public key");
    assert_eq!(list, public);
    assert_eq!(ssh_through(holder.socket(), &sshd, "key"), "through ssh\n");
    // It takes no keys and gives none up.
    for args in [vec!["-D"], vec!["-x"], vec![sshd.path("key").to_str().expect("a path")]] {
        let status = Command::new("ssh-add")
            .args(&args)
            .env("SSH_AUTH_SOCK", holder.socket())
            .stdin(Stdio::null())
            .output()
            .expect("ssh-add");
        assert!(!status.status.success(), "{args:?}");
    }
    assert!(holder.is_up().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_usual_kind_sign() {
    let sshd = Sshd::start();
    for (kind, bits) in
        [("rsa", "2048"), ("rsa", "3072"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")]
    {
        let name = format!("{kind}{bits}");
        run_tool(
            Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", KEY, "-f"])
                .arg(sshd.path(&name)),
        );
        let public = std::fs::read_to_string(sshd.path(&format!("{name}.pub"))).expect("the public key");
        std::fs::write(sshd.path("authorized_keys"), public).expect("authorized_keys");
        let holder = keyholder(&[(KEY, &sshd.path(&name))]);
        assert_eq!(ssh_through(holder.socket(), &sshd, &name), "through ssh\n", "{name}");
        let doors = sshd.doors_with(sshd.fleet(HostKeyPolicy::TofuAlarm), holder);
        assert_eq!(output_of(&doors, "echo ours").await, "ours\n", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_keyholder_comes_back() {
    let sshd = Sshd::start();
    let doors = sshd.doors();
    for _ in 0..3 {
        output_of(&doors, "true").await;
        let pid = doors.keyholder().pid().expect("it runs");
        signal(i32::try_from(pid).expect("a process id"), Signal::KILL);
        doors.hang_up("door");
        output_of(&doors, "true").await;
        assert_ne!(doors.keyholder().pid(), Some(pid));
        assert!(doors.keyholder_up().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_stalled_askers_do_not_stop_it() {
    let sshd = Sshd::start();
    let holder = keyholder(&[(KEY, &sshd.path("key"))]);
    let pid = holder.pid();
    let mut stalled = Vec::new();
    for bytes in [
        &b"\0\0\0\x05\x0d"[..],
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x01\x13",
    ] {
        for _ in 0..80 {
            let mut stream = UnixStream::connect(holder.socket()).expect("connects");
            let _ = stream.write_all(bytes);
            stalled.push(stream);
        }
    }
    // One that asks and asks and never reads.
    let mut deaf = UnixStream::connect(holder.socket()).expect("connects");
    deaf.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    while deaf.write_all(&b"\0\0\0\x01\x0b".repeat(1000)).is_ok() {}
    assert_eq!(ssh_through(holder.socket(), &sshd, "key"), "through ssh\n");
    assert_eq!(holder.pid(), pid, "it was started again");
    drop((stalled, deaf));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_loaded_is_named_and_the_others_work() {
    let sshd = Sshd::start();
    let locked = sshd.path("locked");
    run_tool(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "secret", "-f"]).arg(&locked));
    let public = sshd.path("key.pub");
    let missing = sshd.path("missing");
    let mut fleet = sshd.fleet(HostKeyPolicy::TofuAlarm);
    for (name, key) in
        [("locked", "locked"), ("public", "public"), ("missing", "missing"), ("unnamed", "unnamed")]
    {
        sshd.add_door(&mut fleet, &format!("host-{name}"), name, HostKeyPolicy::TofuAlarm);
        if let Some(door) = fleet.doors.last_mut() {
            door.key = key.to_owned();
        }
    }
    let holder = keyholder(&[
        (KEY, &sshd.path("key")),
        ("locked", &locked),
        ("public", &public),
        ("missing", &missing),
    ]);
    assert_eq!(holder.problems().len(), 3);
    let doors = sshd.doors_with(fleet, holder);
    output_of(&doors, "true").await;
    let expected = [
        ("locked", "protected by a passphrase"),
        ("public", "is no OpenSSH private key"),
        ("missing", "can't be read"),
        ("unnamed", "was given no key unnamed"),
    ];
    for (door, text) in expected {
        let ask = breakglass_doors::Ask { door, command: "true".to_owned(), deadline: LONG, stdout_limit: 0 };
        let (end, _) = doors.capture(ask).await;
        let End::Refused { reason } = &end else { panic!("{end:?}") };
        assert!(reason.contains(text), "{reason}");
    }
    let named = doors.keyholder().problems();
    assert!(
        named.iter().any(|problem| problem.reason.contains(locked.to_str().expect("a path"))),
        "{named:?}"
    );
}

/// A stock ssh-agent, ended with the test.
struct Agent {
    process: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(socket: std::path::PathBuf) -> Self {
        let process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent");
        wait_for("the agent's socket", || UnixStream::connect(&socket).is_ok());
        Self { process, socket }
    }

    fn add(&self, key: &Path) {
        run_tool(Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_agent_stands_in() {
    let sshd = Sshd::start();
    let agent = Agent::start(sshd.path("agent"));
    let doors =
        || sshd.doors_with(sshd.fleet(HostKeyPolicy::TofuAlarm), Keyholder::from_socket(&agent.socket));
    for (file, kind) in [("other", "ed25519"), ("more", "rsa")] {
        keygen(&sshd.path(file), kind, file);
        agent.add(&sshd.path(file));
    }
    let (end, _) = ask(&doors(), "true", LONG).await;
    assert!(matches!(&end, End::Refused { reason } if reason.contains("(it holds: other, more)")), "{end:?}");
    agent.add(&sshd.path("key"));
    output_of(&doors(), "true").await;
    // By its public half, whatever its comment is; RSA too.
    let public = std::fs::read_to_string(sshd.path("more.pub")).expect("the public key");
    std::fs::write(sshd.path("authorized_keys"), &public).expect("authorized_keys");
    let holder = Keyholder::from_socket(&agent.socket).with_public_key(KEY, &public).expect("a public key");
    output_of(&sshd.doors_with(sshd.fleet(HostKeyPolicy::TofuAlarm), holder), "true").await;
    drop(agent);
    let gone = Keyholder::from_socket(&sshd.path("agent"));
    let (end, _) = ask(&sshd.doors_with(sshd.fleet(HostKeyPolicy::TofuAlarm), gone), "true", LONG).await;
    assert!(matches!(&end, End::Refused { reason } if reason.contains("no keyholder at")), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_without_network_files_or_a_core() {
    let sshd = Sshd::start();
    let holder = keyholder(&[(KEY, &sshd.path("key"))]);
    let pid = holder.pid().expect("it runs");
    let isolation = holder.isolation();
    for expected in ["not dumpable", "no core files", "dies with its parent", "no network", "seccomp"] {
        assert!(
            isolation.iter().any(|applied| applied.contains(expected)),
            "{expected} is not among {isolation:?}"
        );
    }
    // And by the kernel's word, not its own.
    let own = std::fs::read_link("/proc/self/ns/net").expect("our network");
    assert_ne!(std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("its network"), own);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    assert!(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"), "{status}");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let routes = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).expect("its devices");
    assert_eq!(routes.lines().filter(|line| line.contains(':')).count(), 1, "{routes}");
}

/// A server of its own that works through its door all the time.
struct Server {
    process: Child,
    marker: String,
}

impl Server {
    fn start(sshd: &Sshd) -> Self {
        let marker = format!("marker-{}-{}", std::process::id(), sshd.port);
        let mut process = Command::new(env!("CARGO_BIN_EXE_doors-testbed"))
            .arg("serve")
            .arg(sshd.path("key"))
            .arg(sshd.path("server_host_keys"))
            .arg(sshd.port.to_string())
            .arg(&marker)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut lines = BufReader::new(process.stdout.as_mut().expect("its output")).lines();
        for _ in 0..3 {
            assert_eq!(lines.next().expect("a line").expect("text"), "worked");
        }
        Self { process, marker }
    }

    fn keyholder(&self) -> i32 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("its threads");
        let lists = tasks
            .flatten()
            .map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
        let children: Vec<i32> = lists
            .flat_map(|list| {
                list.split_whitespace().map(|pid| pid.parse().expect("a process id")).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    /// Everything that the process could read of its own memory.
    fn memory(&self) -> Vec<u8> {
        memory_of(i32::try_from(self.process.id()).expect("a process id"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn memory_of(pid: i32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("its maps");
    let mut file = File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let mut all = Vec::new();
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with('r')))
    {
        let range = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let (from, to) =
            (u64::from_str_radix(range.0, 16).expect("hex"), u64::from_str_radix(range.1, 16).expect("hex"));
        if file.seek(SeekFrom::Start(from)).is_ok() {
            // Some special mappings can't be read; they hold none of ours.
            let _ = Read::by_ref(&mut file).take(to - from).read_to_end(&mut all);
        }
    }
    all
}

fn holds(memory: &[u8], needle: &[u8]) -> bool {
    memory.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_never_has_the_key_in_its_memory() {
    let sshd = Sshd::start();
    let pem = std::fs::read_to_string(sshd.path("key")).expect("the key file");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let blob = decode_base64(&base64);
    // An OpenSSH Ed25519 key file ends with: … string(public), string(seed || public), string(comment), padding.
    let public = &decode_base64(
        std::fs::read_to_string(sshd.path("key.pub")).expect("public").split(' ').nth(1).expect("base64"),
    )[19..];
    let at = blob.windows(32).rposition(|window| window == public).expect("the public half") - 32;
    let seed = blob[at..at + 32].to_vec();
    // The middle of the secret part, as it stands in the file.
    let text = pem.lines().nth(3).expect("a line of the secret part").as_bytes().to_vec();

    let server = Server::start(&sshd);
    let memory = server.memory();
    assert!(holds(&memory, server.marker.as_bytes()), "the search finds nothing at all");
    assert!(holds(&memory, public), "the search does not find what must be there, the public key");
    assert!(!holds(&memory, &seed), "the secret seed is in the server's memory");
    assert!(!holds(&memory, &text), "the key file is in the server's memory");
    // The same search does find it where it has to be.
    let keyholder = memory_of(server.keyholder());
    assert!(holds(&keyholder, &seed), "the search would not find a seed if there was one");
    assert!(!holds(&keyholder, &text), "the keyholder keeps the text of the file");
}

fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for digit in text.bytes().filter_map(|byte| ALPHABET.iter().position(|letter| *letter == byte)) {
        bits = (bits << 6) | u32::try_from(digit).expect("six bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xFF).expect("a byte"));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyholder_dies_with_the_server_and_with_the_last_handle() {
    let sshd = Sshd::start();
    let server = Server::start(&sshd);
    let pid = server.keyholder();
    assert!(is_alive(pid));
    let prefix = format!("breakglass-keyholder-{}-", server.process.id());
    drop(server);
    wait_for("the keyholder to follow its server", || !is_alive(pid));

    // What the killed server left behind is swept by the next one.
    let holder = keyholder(&[(KEY, &sshd.path("key"))]);
    let place = holder.socket().ancestors().nth(2).expect("where such directories are").to_owned();
    let left = std::fs::read_dir(place).expect("listed").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count();
    assert_eq!(left, 0);
    let pid = i32::try_from(holder.pid().expect("it runs")).expect("a process id");
    let socket = holder.socket().to_owned();
    drop(holder);
    wait_for("the keyholder to end", || !is_alive(pid));
    assert!(!socket.exists());
}

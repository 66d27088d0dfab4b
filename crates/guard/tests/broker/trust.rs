//! What the broker does not believe.

use super::engine::Engine;
use super::house::{House, NOBODY, SOCKET, broker};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

/// Sends bytes as the account itself would, without the guard; what comes back.
fn speak(house: &House, ids: &[&str], bytes: &[u8]) -> String {
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.sendall(bytes.fromhex(sys.argv[2]))\n\
         s.shutdown(socket.SHUT_WR)\nwhile True:\n d=s.recv(65536)\n if not d: break\n sys.stdout.buffer.write(d)\n";
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = house.stage.command(false, "/usr/bin/setpriv");
    command.args(ids).arg("--clear-groups").args(["/usr/bin/python3", "-c", script, SOCKET, &hex]);
    String::from_utf8_lossy(&command.stderr(Stdio::piped()).output().unwrap().stdout).into_owned()
}

fn request(text: &str) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat()
}

const ACCOUNT: &[&str] = &["--reuid=65534", "--regid=65534"];

#[test]
fn it_decides_again_by_itself() {
    let Some(house) = House::new() else { return };
    let engine = Engine::new(&house.stage, "/run/docker.sock");
    for text in [
        "docker exec n8n id",
        "docker run x",
        "docker rm n8n",
        "docker logs -f n8n",
        "nft flush ruleset",
        "qm stop 102",
        "uptime",
        "cat /etc/shadow",
        "bash",
        "",
        "docker ps; id",
        "docker inspect -f '{{.Config.Env}}' n8n",
        "docker logs ../../info",
    ] {
        let said = speak(&house, ACCOUNT, &request(text));
        assert!(said.contains("refused {"), "{text}: {said:?}");
        assert!(!said.contains("BGCANARY"));
    }
    assert!(engine.asked.lock().unwrap().is_empty());
    assert!(house.record().iter().all(|line| line["decision"] == "deny"), "{:?}", house.record());
    // Even what it allows comes without secrets.
    let said = speak(&house, ACCOUNT, &request("docker inspect n8n"));
    assert!(said.contains("running") && !said.contains("BGCANARY"), "{said}");
}

#[test]
fn nonsense_is_no_request() {
    let Some(house) = House::new() else { return };
    for bytes in [&b""[..], b"\x04", b"\xff\xff\xff\xff", b"\x09\0\0\0docker", &[0xff; 40_000]] {
        let said = speak(&house, ACCOUNT, bytes);
        assert!(said.is_empty() || said.contains("refused {"), "{said:?}");
    }
    assert_eq!(house.ask("docker ps").code, 127);
}

#[test]
fn another_account_is_not_heard() {
    let Some(house) = House::new() else { return };
    let _engine = Engine::new(&house.stage, "/run/docker.sock");
    // Even where a careless hand has opened the socket's mode to its group's outsiders, the peer's own group decides.
    let at = house.stage.at(SOCKET);
    assert_eq!(speak(&house, &["--reuid=1000", "--regid=1000"], &request("docker ps")), "");
    fs::set_permissions(&at, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(speak(&house, &["--reuid=1000", "--regid=1000"], &request("docker ps")), "");
    assert_eq!(
        speak(&house, ACCOUNT, &request("docker ps")),
        "",
        "a socket that everybody may reach is not root's alone"
    );
    assert!(house.log.lock().unwrap().contains("is not root's alone"));
    fs::set_permissions(&at, fs::Permissions::from_mode(0o660)).unwrap();
    chown(&at, Some(NOBODY), Some(NOBODY)).unwrap();
    assert_eq!(speak(&house, ACCOUNT, &request("docker ps")), "");
    chown(&at, Some(0), Some(NOBODY)).unwrap();
    assert!(speak(&house, ACCOUNT, &request("docker ps")).contains("n8n"));
    // Nor is a connection that came by no path.
    let (ours, theirs) = UnixStream::pair().unwrap();
    let output = broker(&house.stage, theirs).output().unwrap();
    drop(ours);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no path") || output.status.code() == Some(77));
}

#[test]
fn without_a_broker_it_says_so_and_how_to_get_one() {
    let Some(house) = House::new() else { return };
    let _engine = Engine::new(&house.stage, "/run/docker.sock");
    fs::remove_file(house.stage.at(SOCKET)).unwrap();
    let answer = house.ask("docker ps");
    assert_eq!((answer.code, answer.stdout.as_str()), (77, ""));
    assert!(
        answer.stderr.contains("refused (no-broker)") && answer.stderr.contains("--with-broker"),
        "{}",
        answer.stderr
    );
    // What this host lacks is not missed.
    assert_eq!(house.ask("zpool status").code, 127);
}

#[test]
fn a_broker_that_is_none_is_not_believed_for_long() {
    let Some(house) = House::new() else { return };
    house.configure("[diag.limits]\ndeadline_seconds = 1\n");
    let at = house.stage.at(SOCKET);
    fs::remove_file(&at).unwrap();
    let listener = UnixListener::bind(&at).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o777)).unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (number, mut connection) in listener.incoming().flatten().enumerate() {
            let _ = connection.read(&mut [0; 100]);
            match number {
                0 => drop(connection),
                1 => connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap(),
                _ => kept.push(connection),
            }
        }
    });
    let ended = house.ask("smartctl -a /dev/sda");
    assert_eq!(ended.code, 70, "{}", ended.stderr);
    let nonsense = house.ask("smartctl -a /dev/sda");
    assert!(nonsense.code == 70 && nonsense.stderr.contains("makes no sense"), "{}", nonsense.stderr);
    let silent = house.ask("smartctl -a /dev/sda");
    assert_eq!(silent.code, 75, "{}", silent.stderr);
}

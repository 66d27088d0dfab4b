//! A real shell and a real Python in the agent's place try to get at what an agent must not reach; the same attacks, run
//! outside by the server's user, succeed. An attack that failed everywhere would prove nothing. What is attacked by its files
//! lies open to every user, so that only the walls hold there; the keyholder's socket and the other process are kept by the
//! agent's user as well.

use crate::claude::Bench;
use crate::stand::brief;
use breakglass_recovery::turn::TurnEnd;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

/// Each attack prints `NAME open` or `NAME shut`. `$1` is what is attacked: a directory that anybody could read.
const ATTACKS: &str = r#"
import ctypes, os, socket, sys
place, port, server = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, what):
    try:
        ok = what()
    except Exception:
        ok = False
    print(name, "open" if ok else "shut", flush=True)
def tcp():
    socket.create_connection(("127.0.0.1", port), 3).close()
    return True
def unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(3)
    s.connect(path)
    return s.recv(1) == b"!"
def read(path):
    return len(open(path, "rb").read(64)) > 0
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
    return True
def memory():
    for line in open(f"/proc/{server}/maps"):
        if "r" in line.split()[1]:
            at = int(line.split("-")[0], 16)
            f = open(f"/proc/{server}/mem", "rb", 0)
            f.seek(at)
            return len(f.read(16)) == 16
def trace():
    attached = libc.ptrace(16, server, 0, 0) == 0
    if attached:
        os.waitpid(server, 0x40000000)
        libc.ptrace(17, server, 0, 0)
    return attached
attempt("key", lambda: read(place + "/key"))
attempt("journal", lambda: read(place + "/journal.db"))
attempt("journal-write", lambda: open(place + "/journal.db", "a").write("x") == 1)
attempt("list", lambda: len(os.listdir(place)) > 0)
attempt("keyholder", lambda: unix(place + "/agent"))
attempt("page", tcp)
attempt("datagram", udp)
attempt("environment", lambda: read(f"/proc/{server}/environ"))
attempt("memory", memory)
attempt("trace", trace)
attempt("signal", lambda: os.kill(server, 0) is None)
attempt("leave-group", lambda: os.setpgid(0, 0) is None)
"#;

const NAMES: [&str; 12] = [
    "key",
    "journal",
    "journal-write",
    "list",
    "keyholder",
    "page",
    "datagram",
    "environment",
    "memory",
    "trace",
    "signal",
    "leave-group",
];

/// The state of an attacked server: files that even another user may read and write, so that only the walls hold; a
/// keyholder's socket, closed by its directory as the real one is; and a process to spy on.
struct Attacked {
    directory: tempfile::TempDir,
    page: TcpListener,
    server: std::process::Child,
}

impl Attacked {
    fn new() -> Self {
        let directory =
            tempfile::Builder::new().prefix("breakglass-attacked-").tempdir_in("/var/tmp").unwrap();
        let path = directory.path();
        for name in ["key", "journal.db"] {
            std::fs::write(path.join(name), "secret").unwrap();
            std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(0o666)).unwrap();
        }
        let listener = UnixListener::bind(path.join("agent")).unwrap();
        std::fs::set_permissions(path.join("agent"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"!");
            }
        });
        let server = Command::new("sleep").arg("600").env("SECRET", "x").spawn().unwrap();
        Self { directory, page: TcpListener::bind("127.0.0.1:0").unwrap(), server }
    }

    fn arguments(&self) -> String {
        let port = self.page.local_addr().unwrap().port();
        format!("{} {port} {}", self.directory.path().display(), self.server.id())
    }
}

impl Drop for Attacked {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_in_the_agents_place_reaches_nothing_that_the_same_shell_reaches_outside() {
    let attacked = Attacked::new();
    let bench = Bench::new("http://127.0.0.1:9");
    let script = bench.directory.path().join("attacks.py");
    std::fs::write(&script, ATTACKS).unwrap();
    // Outside: the very same script by the very same interpreter, as the server's user.
    let line = format!("/usr/bin/python3 {} {}", script.display(), attacked.arguments());
    let outside = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
    let outside = String::from_utf8_lossy(&outside.stdout).into_owned();
    for name in NAMES {
        assert!(
            outside.contains(&format!("{name} open\n")),
            "the attack `{name}` fails outside too: {outside}"
        );
    }
    // Inside: the script is text in the program, since the walls keep the file from it too.
    let inside = format!(
        "[ \"$(cat /etc/hostname 2>/dev/null)\" ] && echo hostname open >&2\n\
         /usr/bin/python3 - {} >&2 <<'ATTACKS'\n{ATTACKS}\nATTACKS\nls /root /home /var /etc/ssh >/dev/null 2>&1 && echo ls open >&2\n\
         env >&2; id -u >&2; exit 9",
        attacked.arguments()
    );
    let outcome = bench.program(&inside).run(brief("help")).await;
    let said = outcome.sentence();
    for name in NAMES {
        assert!(said.contains(&format!("{name} shut")), "the attack `{name}` is not refused inside: {said}");
    }
    assert!(!said.contains(" open"), "{said}");
    assert!(said.contains("exit status: 9"), "{said}");
    assert!(matches!(outcome.end, TurnEnd::Failed { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turns_socket_serves_its_own_processes_alone() {
    // The program waits, so that its socket is there while a stranger, who is root, knocks at it.
    let up = r#"echo '{"type":"system","subtype":"init","tools":[],"mcp_servers":[{"name":"breakglass","status":"connected"}]}'"#;
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let bench = Bench::new("http://127.0.0.1:9");
    let bridge = bench.config.breakglass.display().to_string();
    let inside = format!(
        "{up}\n(echo '{hello}'; sleep 2) | {bridge} mcp-bridge --socket $HOME/../tools | head -1 \
         | sed 's/.*serverInfo.*/{{\"type\":\"result\",\"is_error\":false,\"result\":\"served\"}}/'\nsleep 30"
    );
    let bench = bench.program(&inside);
    let knocked = std::thread::spawn(move || {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::time::Instant::now() < deadline {
            let mine = format!("breakglass-turn-{}-", std::process::id());
            for entry in std::fs::read_dir("/run").unwrap().flatten() {
                if !entry.file_name().to_string_lossy().starts_with(&mine) {
                    continue;
                }
                if let Ok(mut stream) = std::os::unix::net::UnixStream::connect(entry.path().join("tools")) {
                    let _ = stream.write_all(hello.as_bytes());
                    let _ = stream.write_all(b"\n");
                    let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(5)));
                    let mut answer = Vec::new();
                    let _ = stream.read_to_end(&mut answer);
                    return Some(answer);
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        None
    });
    let outcome = bench.run(brief("help")).await;
    assert_eq!(outcome.end, TurnEnd::Finished { said: "served".into() }, "{:?}", outcome.log);
    let answer = knocked.join().unwrap().expect("nobody could knock");
    assert!(answer.is_empty(), "a stranger was served: {}", String::from_utf8_lossy(&answer));
}

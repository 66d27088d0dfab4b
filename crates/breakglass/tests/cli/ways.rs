//! The ways in as a person at the command line meets them: the certificate's fingerprint, and sessions.

use crate::site::{breakglass, command, free_port, with_input};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fleet(dir: &Path, port: u16) -> PathBuf {
    let made = with_input(&["password", "mara"], "correct horse battery\n");
    std::fs::write(dir.join("users"), made.out).unwrap();
    let text = format!(
        "[fleet]\nname = \"ways\"\nstate_dir = \"{dir}/state\"\n\
         [web]\nlisten = [\"127.0.0.1:{port}\"]\npassword_file = \"{dir}/users\"\nsecure_cookies = false\n\
         [web.tls]\nlisten = [\"127.0.0.1:0\"]\n",
        dir = dir.display()
    );
    let file = dir.join("fleet.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// Starts the server and gives what it says of itself until it has told its certificate.
fn serve(fleet: &Path) -> (Serving, Vec<String>) {
    let mut serve = command(&["serve"]);
    serve.env("BREAKGLASS_FLEET", fleet).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = serve.spawn().unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        told.push(line.unwrap());
        if told.last().is_some_and(|line| line.contains("SHA-256")) {
            break;
        }
    }
    (Serving(child), told)
}

fn ask(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn log_in(port: u16) -> String {
    let body = "name=mara&password=correct+horse+battery";
    let answer = ask(
        port,
        &format!(
            "POST /login HTTP/1.1\r\nhost: localhost\r\nuser-agent: A phone\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: breakglass=")).unwrap();
    format!("breakglass={}", cookie.split(';').next().unwrap())
}

fn is_in(port: u16, cookie: &str) -> bool {
    let head =
        format!("GET /sessions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
    ask(port, &head).starts_with("HTTP/1.1 200")
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_fingerprint_is_printed_by_serve_and_check_and_stays() {
    let dir = TempDir::new().unwrap();
    let fleet = fleet(dir.path(), free_port());
    let file = fleet.display().to_string();
    let before = breakglass(&["--fleet", &file, "check"]);
    assert!(before.out.contains("no certificate yet"), "{}", before.out);
    let (serving, told) = serve(&fleet);
    let all = told.join("\n");
    assert!(
        all.contains("listens on http://127.0.0.1:") && all.contains("listens on https://127.0.0.1:"),
        "{all}"
    );
    let fingerprint = all.split("SHA-256 ").nth(1).unwrap().trim().to_owned();
    assert_eq!(fingerprint.len(), 32 * 3 - 1, "{fingerprint}");
    for command in ["check", "status"] {
        let shown = breakglass(&["--fleet", &file, command]).out;
        assert!(shown.contains(&fingerprint), "{command}: {shown}");
    }
    drop(serving);
    let (again, told) = serve(&fleet);
    assert!(told.join("\n").contains(&fingerprint), "{told:?}");
    drop(again);
}

#[test]
fn sessions_are_listed_and_ended_at_the_command_line() {
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let fleet = fleet(dir.path(), port);
    let file = fleet.display().to_string();
    let sessions =
        |arguments: &[&str]| breakglass(&[&["--fleet", file.as_str(), "sessions"], arguments].concat());
    assert!(sessions(&[]).err.contains("somebody has logged in"));
    let (serving, _) = serve(&fleet);
    let (one, other) = (log_in(port), log_in(port));
    assert!(is_in(port, &one) && is_in(port, &other));
    wait_until("two sessions", || sessions(&["--json"]).out.lines().count() == 2);
    let list = sessions(&[]).out;
    assert!(list.contains("mara") && list.contains("A phone") && list.contains("127.0.0.1"), "{list}");

    assert_eq!(sessions(&["--end", "nonsense"]).code, 2);
    let id: String = one.split('.').nth(5).unwrap().chars().take(10).collect();
    let ended = sessions(&["--end", &id]);
    assert!(ended.code == 0 && ended.out.contains("mara"), "{ended:?}");
    wait_until("its end is heard", || !is_in(port, &one));
    assert!(is_in(port, &other), "and the other goes on");
    assert_eq!(sessions(&["--end-all-of", "mara"]).code, 0);
    wait_until("the end of all is heard", || !is_in(port, &other));
    assert!(is_in(port, &log_in(port)), "and she logs in again");
    drop(serving);
}

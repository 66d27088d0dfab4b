//! The API, asked by Schemathesis what its own document says one may ask, and what one may not: the built server must never
//! fail, and must never answer what the document does not tell of.

use crate::serve::{healthy, serve, wait_until};
use crate::site::Site;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";

/// What violates the document may also be refused for its size alone, which Schemathesis does not expect by itself.
const SETTINGS: &str = r#"[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
"#;

fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A person's session, as headers: the cookie and the proof of intent.
fn session(port: u16) -> [String; 2] {
    let form = format!("name=mara&password={}", PASSWORD.replace(' ', "+"));
    let answer = ask(
        port,
        &format!(
            "POST /login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        ),
    );
    let cookies: Vec<&str> =
        answer.lines().filter_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next()).collect();
    assert!(!cookies.is_empty(), "{answer}");
    let cookie = format!("Cookie: {}", cookies.join("; "));
    let page =
        ask(port, &format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{cookie}\r\n\r\n"));
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    [cookie, format!("x-csrf-token: {}", rest.split_once('"').unwrap().0)]
}

/// One run, by whoever these headers say, over the operations that these options choose.
fn fuzz(program: &Path, site: &Site, document: &str, headers: &[String], options: &[&str]) {
    let address = format!("http://127.0.0.1:{}", site.web);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("openapi.json"), document).unwrap();
    std::fs::write(home.path().join("schemathesis.toml"), SETTINGS).unwrap();
    let mut run = Command::new(program);
    run.args(["run", "openapi.json", "--url", &address]);
    run.args(["--checks", "all", "--request-timeout", "30", "--no-color", "--warnings", "off"]);
    // One worker: with two, the parser of Python 3.11 trips over itself at times.
    run.args(["--continue-on-failure", "--suppress-health-check", "all", "--workers", "1"]);
    for header in headers {
        run.args(["--header", header]);
    }
    // In a directory of its own: it keeps what it found there.
    run.args(options).current_dir(home.path()).env("HOME", home.path()).stdin(Stdio::null());
    let out = run.output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success(),
        "{options:?}: {}\n{told}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    // Where it could not read the document, say, it may end well without having asked anything.
    assert!(told.contains("No issues found"), "{told}");
}

#[test]
fn the_server_never_fails_and_never_answers_what_its_document_does_not_tell() {
    let Some(program) = std::env::var_os("BREAKGLASS_SCHEMATHESIS").map(PathBuf::from) else {
        eprintln!("left out: BREAKGLASS_SCHEMATHESIS names no program; `cargo xtask test` fetches it");
        return;
    };
    // Bounded by time where requests may take seconds (a triage looks through every door), by their number elsewhere.
    let (examples, seconds) =
        if std::env::var_os("BREAKGLASS_FULL").is_some() { ("200", "300") } else { ("15", "20") };
    let (site, [robot, laptop, prometheus]) = Site::for_all(PASSWORD);
    let serving = serve(&site);
    wait_until("an answer", Duration::from_secs(10), || healthy(site.web));
    let bearer = |token: &str| [format!("Authorization: Bearer {token}")];
    let [by_robot] = bearer(&robot);
    let answer = ask(
        site.web,
        &format!(
            "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{by_robot}\r\n\r\n"
        ),
    );
    let document = answer.split_once("\r\n\r\n").unwrap().1.to_owned();

    let run = |headers: &[String], options: &[&str]| fuzz(&program, &site, &document, headers, options);
    // What only a person may, by a person: first, since the others end sessions.
    let of_people =
        ["--include-operation-id-regex", "^(approve|refuse|acceptKey)$", "--max-examples", examples];
    run(&session(site.web), &of_people);
    run(&bearer(&laptop), &["--include-path-regex", "^/api/v1/agent/", "--max-examples", examples]);
    run(&bearer(&prometheus), &["--include-path-regex", "^/metrics$", "--max-examples", examples]);
    // A stream that does not end cannot be read to its end.
    let others = "^(approve|refuse|acceptKey|allEvents|agent.*)$";
    run(&bearer(&robot), &["--exclude-operation-id-regex", others, "--max-time", seconds]);
    assert!(healthy(site.web));
    drop(serving);
    assert_eq!(site.call(&["journal", "verify"]).code, 0);
}

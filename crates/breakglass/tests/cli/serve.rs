//! The server as a process: answers at once, ends in order, and is alone on its state.

use crate::site::Site;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Serving(pub(crate) Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn serve(site: &Site) -> Serving {
    serve_program(Path::new(env!("CARGO_BIN_EXE_breakglass")), site)
}

/// The same with a binary that lies elsewhere.
pub(crate) fn serve_program(program: &Path, site: &Site) -> Serving {
    let mut command = Command::new(program);
    command
        .arg("serve")
        .env("BREAKGLASS_FLEET", site.fleet())
        .env_remove("BREAKGLASS_AGENT")
        .stdin(Stdio::null());
    let log = std::fs::File::create(site.fleet().with_extension("log")).unwrap();
    Serving(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

pub(crate) fn healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

pub(crate) fn wait_until(what: &str, patience: Duration, done: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn it_answers_ends_in_order_and_tells_both() {
    let site = Site::new();
    let mut serving = serve(&site);
    wait_until("an answer", Duration::from_secs(10), || healthy(site.web));

    let second = site.call(&["serve", "--listen", "127.0.0.1:0"]);
    assert_ne!(second.code, 0);
    assert!(second.err.contains("another breakglass"), "{}", second.err);
    assert!(healthy(site.web), "the first is not disturbed");

    let pid = serving.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let began = Instant::now();
    let ended = serving.0.wait().unwrap();
    assert!(ended.success(), "{ended}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());

    let told = site.call(&["journal", "tail", "--json"]).out;
    assert!(told.contains("server-started") && told.contains("server-stopped"), "{told}");
    assert_eq!(site.call(&["journal", "verify"]).code, 0);

    // And once more, this time without a good-bye.
    let again = serve(&site);
    wait_until("an answer", Duration::from_secs(10), || healthy(site.web));
    wait_until("its start in the journal", Duration::from_secs(5), || {
        site.call(&["journal", "tail", "--json"]).out.matches("server-started").count() == 2
    });
    drop(again);
    let third = serve(&site);
    wait_until("its start in the journal", Duration::from_secs(10), || {
        site.call(&["journal", "tail", "--json"]).out.contains("\"unclean\":true")
    });
    drop(third);
}

#[test]
fn a_state_directory_that_cannot_be_used_stops_no_rescue() {
    let site = Site::new();
    // A file where the directory should be: nothing can be kept, and the page is there all the same.
    std::fs::write(site.state(), "").unwrap();
    let serving = serve(&site);
    wait_until("an answer", Duration::from_secs(10), || healthy(site.web));
    drop(serving);
}

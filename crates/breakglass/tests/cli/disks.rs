//! The server while the disk of its state hangs, is full, read-only or damaged: the page opens, buttons and triage work, every
//! page and the command line say what is not kept, and the chain tells afterwards.

use crate::serve::{Serving, healthy, serve, wait_until};
use crate::site::{Out, Site, command};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than all deadlines of a start together, far less than for ever.
const START: Duration = Duration::from_secs(25);
const SOON: Duration = Duration::from_secs(20);

/// A file system of its own on the state directory; thawed and unmounted however the test ends.
struct Disk {
    at: PathBuf,
    image: Option<PathBuf>,
    /// Thaws it after a while: a process that hangs with it cannot even be killed.
    other_hand: Option<Child>,
}

impl Disk {
    fn tmpfs(at: PathBuf, kib: u32) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "none", at.to_str().unwrap()]);
        Self { at, image: None, other_hand: None }
    }

    fn in_a_file(at: PathBuf) -> Self {
        let image = at.with_extension("img");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
        run("mkfs.ext4", &["-q", image.to_str().unwrap()]);
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        Self { at, image: Some(image), other_hand: None }
    }

    fn freeze(&mut self) {
        let thaw = format!("sleep 60; fsfreeze -u {}", self.at.display());
        self.other_hand =
            Some(Command::new("/bin/sh").args(["-c", &thaw]).stderr(Stdio::null()).spawn().unwrap());
        run("fsfreeze", &["-f", self.at.to_str().unwrap()]);
    }

    fn thaw(&mut self) {
        if let Some(mut hand) = self.other_hand.take() {
            run("fsfreeze", &["-u", self.at.to_str().unwrap()]);
            hand.kill().unwrap();
            hand.wait().unwrap();
        }
    }

    fn remount(&self, how: &str) {
        run("mount", &["-o", &format!("remount,{how}"), self.at.to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(mut hand) = self.other_hand.take() {
            let _thawed = Command::new("fsfreeze").arg("-u").arg(&self.at).status();
            let _ended = hand.kill().and_then(|()| hand.wait());
        }
        let _gone = Command::new("umount").arg("-l").arg(&self.at).status();
        if let Some(image) = &self.image {
            let _gone = std::fs::remove_file(image);
        }
    }
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {} (needs root)",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// The body of an answer, and how long it took.
fn ask(site: &Site, token: &str, method: &str, path: &str) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", site.web)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        site.web
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split_once("\r\n\r\n").unwrap().1.to_owned(), began.elapsed())
}

pub(crate) fn get(site: &Site, token: &str, path: &str) -> String {
    ask(site, token, "GET", path).0
}

fn json(site: &Site, token: &str, method: &str, path: &str) -> Value {
    let (body, _) = ask(site, token, method, path);
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{method} {path}: {error}: {body}"))
}

fn keeps(site: &Site, token: &str) -> bool {
    json(site, token, "GET", "/api/v1/journal/head")["keeping"]["keeps"].as_bool().unwrap()
}

/// What holds whatever the disk does: pages open and say it in red, triage and verbs work, nobody waits for the disk.
fn the_rescue_goes_on(site: &Site, token: &str, why: &str) {
    let asked = || serde_json::from_str::<Value>(&get(site, token, "/healthz")).unwrap();
    // A disk that is all but full takes a few events more.
    wait_until("it says that it does not keep", SOON, || {
        json(site, token, "POST", "/api/v1/targets/devvm/triage");
        asked()["journal_keeps"] == false
    });
    let health = asked();
    assert_eq!(health["ok"], true, "{health}");
    assert!(health["not_keeping_since"].as_str().unwrap().ends_with('Z'), "{health}");
    let triage = json(site, token, "POST", "/api/v1/targets/devvm/triage");
    assert!(triage["summary"].is_string(), "{triage}");
    for press in 1..=2 {
        let pressed = json(site, token, "POST", "/api/v1/targets/devvm/verbs/cycle");
        assert_eq!(pressed["pressed"], "accepted", "{pressed}");
        let incident = pressed["incident"].as_u64().unwrap();
        wait_until("the end of the cycle on its page", SOON, || {
            let events = json(site, token, "GET", &format!("/api/v1/incidents/{incident}/export/json"));
            events.to_string().contains("\"outcome\":\"done\"")
        });
        let (page, took) = ask(site, token, "GET", &format!("/incidents/{incident}"));
        assert!(took < Duration::from_secs(12), "press {press}: {took:?}");
        assert!(page.contains("does not keep what happens"), "{page}");
        // A disk that is known not to answer is waited for by nobody: ten waits would take longer than one may.
        let took: Duration =
            (0..10).map(|_| ask(site, token, "GET", &format!("/incidents/{incident}")).1).sum();
        assert!(took < Duration::from_secs(12), "ten pages: {took:?}");
    }
    for page in ["/", "/incidents", "/targets/devvm"] {
        let (mut text, took) = ask(site, token, "GET", page);
        if text.is_empty() {
            // Its open incident is another page.
            text = get(site, token, "/");
        }
        assert!(took < Duration::from_secs(12), "{page}: {took:?}");
        assert!(text.contains("does not keep what happens") && text.contains(why), "{page}, {why}: {text}");
    }
    let (metrics, took) = ask(site, token, "GET", "/metrics");
    assert!(took < Duration::from_secs(12), "the metrics: {took:?}");
    assert!(metrics.contains("\nbreakglass_journal_keeps 0"), "{metrics}");
    // Counted from the live frames, which come whether or not the disk takes the events.
    assert!(metrics.contains("verb=\"cycle\",outcome=\"done\"}"), "{metrics}");
    assert!(!metrics.contains("verb=\"cycle\",outcome=\"done\"} 0\n"), "{metrics}");
    let said = site.call(&["status"]);
    assert!(said.err.contains("does not keep what happens") && said.err.contains("since"), "{said:?}");
}

fn started(site: &Site) -> Serving {
    let began = Instant::now();
    let serving = serve(site);
    wait_until("an answer", START, || healthy(site.web));
    assert!(began.elapsed() < START, "{:?}", began.elapsed());
    serving
}

/// Ends it as an init system does, and reads its chain.
fn ended(site: &Site, mut serving: Serving) -> Out {
    run("kill", &["-TERM", &serving.0.id().to_string()]);
    assert!(serving.0.wait().unwrap().success());
    let verified = site.call(&["journal", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    verified
}

fn gaps(site: &Site) -> Vec<Value> {
    let told = site.call(&["journal", "tail", "-n", "500", "--json"]).out;
    let events = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["body"]["kind"] == "gap").collect()
}

/// A journal of an earlier run.
fn run_before(site: &Site, token: &str) {
    let serving = started(site);
    wait_until("its start in the journal", SOON, || {
        json(site, token, "GET", "/api/v1/journal/head")["seq"].as_u64().unwrap() > 0
    });
    ended(site, serving);
}

#[test]
fn a_disk_that_hangs_before_the_start_and_under_the_running_server() {
    let site = Site::new();
    let token = site.with_token();
    let mut disk = Disk::in_a_file(site.state());
    run_before(&site, &token);
    disk.freeze();
    let serving = started(&site);
    the_rescue_goes_on(&site, &token, "did not answer");
    disk.thaw();
    wait_until("the journal keeps again", SOON, || keeps(&site, &token));
    wait_until("the incidents are written", SOON, || gaps(&site).len() == 1);
    assert!(!get(&site, &token, "/").contains("does not keep"), "the page is well again");
    let list = site.call(&["incident", "list"]).out;
    assert!(list.contains("devvm"), "{list}");

    disk.freeze();
    // The first event that the disk does not take is what shows it.
    let pressed = json(&site, &token, "POST", "/api/v1/targets/devvm/verbs/cycle");
    assert_eq!(pressed["pressed"], "accepted", "{pressed}");
    the_rescue_goes_on(&site, &token, "did not answer");
    // It cannot end before its disk answers, and the next one can start all the same.
    run("kill", &["-TERM", &serving.0.id().to_string()]);
    wait_until("its port is free", SOON, || !healthy(site.web));
    let next = started(&site);
    disk.thaw();
    drop(serving);
    wait_until("the journal keeps again", SOON, || keeps(&site, &token));
    let verified = ended(&site, next);
    assert!(verified.out.contains("(0 events missing)"), "{}", verified.out);
}

#[test]
fn a_full_disk_and_a_read_only_one_before_the_start() {
    let site = Site::new();
    let token = site.with_token();
    let disk = Disk::tmpfs(site.state(), 4096);
    run_before(&site, &token);
    let ballast = disk.at.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    // Open, it would keep its space after it is removed.
    drop(file);
    let serving = started(&site);
    the_rescue_goes_on(&site, &token, "since");
    std::fs::remove_file(&ballast).unwrap();
    wait_until("the journal keeps again", SOON, || keeps(&site, &token));
    let verified = ended(&site, serving);
    assert!(verified.out.contains("Gaps: 1 (0 events missing)"), "{}", verified.out);

    disk.remount("ro");
    let serving = started(&site);
    the_rescue_goes_on(&site, &token, "since");
    disk.remount("rw");
    wait_until("the journal keeps again", SOON, || keeps(&site, &token));
    let verified = ended(&site, serving);
    assert!(verified.out.contains("Gaps: 2 (0 events missing)"), "{}", verified.out);
}

fn overwrite(path: &Path, bytes: &[u8]) {
    let mut all = std::fs::read(path).unwrap();
    all[..bytes.len()].copy_from_slice(bytes);
    std::fs::write(path, all).unwrap();
}

#[test]
fn a_damaged_database_is_set_aside_and_a_newer_one_left_alone() {
    let site = Site::new();
    let token = site.with_token();
    run_before(&site, &token);
    let database = site.state().join("journal.db");
    let sound = std::fs::read(&database).unwrap();
    // The schema's number in the header of the file.
    let mut newer = sound.clone();
    newer[60..64].copy_from_slice(&9_u32.to_be_bytes());
    std::fs::write(&database, &newer).unwrap();
    let serving = started(&site);
    the_rescue_goes_on(&site, &token, "run the newer breakglass");
    assert!(std::fs::read(&database).unwrap() == newer, "it was not touched");
    let told = site.call(&["journal", "tail"]);
    assert!(told.code != 0 && told.err.contains("newer"), "{told:?}");
    std::fs::write(&database, &sound).unwrap();
    wait_until("the journal keeps again", SOON, || keeps(&site, &token));
    assert!(ended(&site, serving).out.contains("Gaps: 1"));

    overwrite(&database, &[0xa5; 4096]);
    let harmed = std::fs::read(&database).unwrap();
    let serving = started(&site);
    wait_until("the new chain begins", SOON, || gaps(&site).len() == 1);
    assert!(keeps(&site, &token));
    let told = get(&site, &token, "/api/v1/dependencies");
    assert!(told.contains("began anew") && told.contains("journal.damaged-"), "{told}");
    let verified = ended(&site, serving);
    assert!(verified.out.contains("A damaged journal was set aside"), "{}", verified.out);
    let aside: Vec<PathBuf> = std::fs::read_dir(site.state())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("journal.damaged-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(std::fs::read(aside[0].join("journal.db")).unwrap() == harmed, "byte for byte");
}

#[test]
fn a_command_line_beside_a_hung_disk_answers_and_says_what_is_not_recorded() {
    let site = Site::new();
    let mut disk = Disk::in_a_file(site.state());
    assert_eq!(site.call(&["power", "devvm", "status"]).code, 0);
    disk.freeze();
    let began = Instant::now();
    let status = site.call(&["power", "devvm", "status"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(status.err.contains("does not answer"), "{}", status.err);
    let cycle = site.call(&["power", "devvm", "cycle", "--no-wait"]);
    assert_eq!(cycle.code, 0, "{cycle:?}");
    disk.thaw();
}

#[test]
fn a_disk_that_hangs_under_a_command_holds_neither_its_output_nor_its_end() {
    let site = Site::new();
    let mut disk = Disk::in_a_file(site.state());
    let fleet = site.fleet();
    let words = ["--fleet", fleet.to_str().unwrap(), "run", "devvm", "--", "echo one; sleep 4; echo two"];
    let mut child = command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    disk.freeze();
    let began = Instant::now();
    let out: Out = child.wait_with_output().unwrap().into();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!((out.code, out.out.as_str()), (0, "two\n"), "{out:?}");
    assert!(out.err.contains("does not answer"), "{}", out.err);
    disk.thaw();
    // What waited for the disk is there once it answers.
    let spool = site.state().join("spool/spool.jsonl");
    wait_until("the end of the command is kept", SOON, || {
        std::fs::read_to_string(&spool).is_ok_and(|text| text.contains("command-finished"))
    });
}

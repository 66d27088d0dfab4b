//! The main job, as its user sees it: the page turns red by itself, triage names the wedge, a verb brings the VM back,
//! and the incident tells the story. In Chromium, at phone and desk size, and once more with nothing but forms.

use breakglass_e2e::browser::{Browser, Look};
use breakglass_e2e::http::{self, Answer};
use breakglass_e2e::night::{BOOT, Night, brisk};
use breakglass_e2e::scriptless::Scriptless;
use breakglass_e2e::server::{PERSON, Server};
use breakglass_lab::Wedge;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a page may take to show what it should, where no promise is tighter.
const SOON: Duration = Duration::from_secs(30);

/// Where pictures of what was seen are kept, for a person to look at.
pub(crate) fn shots(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/shots").join(format!("{name}.png"))
}

pub(crate) async fn log_in(browser: &Browser, server: &Server) {
    browser.client.goto(&format!("http://{}/", server.address)).await.unwrap();
    browser.fill("[name=name]", PERSON.0).await.unwrap();
    browser.fill("[name=password]", PERSON.1).await.unwrap();
    browser.press("button.go").await.unwrap();
    browser.see(&["devvm", "Log out"], SOON).await.unwrap();
}

/// Waits until the watch has seen the VM well, so that what follows is a change.
pub(crate) fn await_well(night: &Night) {
    let started = Instant::now();
    loop {
        let target = night.server.read("/api/v1/targets/devvm").unwrap().json().unwrap();
        if target["health"] == "good" {
            return;
        }
        assert!(started.elapsed() < SOON, "never seen well: {target:#}\n{}", night.server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until the triage card names the wedge.
async fn see_triage(browser: &Browser, title: &str) {
    let started = Instant::now();
    loop {
        let card = browser.client.find(fantoccini::Locator::Css("#wedge")).await;
        let named = match card {
            Ok(card) => card.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        if named == title {
            return;
        }
        assert!(started.elapsed() < SOON, "triage says {named:?} and not {title}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Opens the confirm step of a verb, in the triage card where it is recommended and in its row otherwise, as a person
/// does who tries again when the page has just changed under the thumb. Says where it is.
async fn open_confirm(browser: &Browser, verb: &str) -> &'static str {
    let started = Instant::now();
    loop {
        let docked = format!("details.dock form#{verb}-now");
        let is_docked = browser.client.find(fantoccini::Locator::Css(&docked)).await.is_ok();
        let step = if is_docked { "details.dock" } else { "details.fold:has(form.confirm)[open]" };
        let summary =
            if is_docked { "details.dock > summary".to_owned() } else { format!("#row-{verb} > summary") };
        let pressed = browser.press(&summary).await;
        let red = browser.client.find(fantoccini::Locator::Css(&format!("{step} button.fire"))).await;
        if let (Ok(()), Ok(red)) = (&pressed, red)
            && red.is_displayed().await.unwrap_or(false)
        {
            return step;
        }
        assert!(started.elapsed() < SOON, "no confirm step of {verb}: {pressed:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// One recovery from wedge to back; the browser stands on the board when it begins.
async fn recover(night: &Night, browser: &Browser, wedge: Wedge, title: &str, verb: &str, picture: &str) {
    let vm = night.vm().unwrap();
    await_well(night);
    let starts = vm.starts().len();
    vm.wedge(wedge).unwrap();
    let took = browser.see(&["Not serving", "Open incident"], SOON).await.unwrap();
    println!("{wedge:?}: red by itself after {took:?}");
    browser.shot(&shots(&format!("{picture}-1-board"))).await.unwrap();
    browser.press("section.card a.btn.go").await.unwrap();
    see_triage(browser, title).await;
    browser.see(&["Recommended", "This is wrong if"], SOON).await.unwrap();
    browser.shot(&shots(&format!("{picture}-2-triage"))).await.unwrap();
    let step = open_confirm(browser, verb).await;
    browser.shot(&shots(&format!("{picture}-3-confirm"))).await.unwrap();
    browser.press(&format!("{step} button.fire")).await.unwrap();
    browser.see(&["This incident is over", "Was away for"], BOOT).await.unwrap();
    browser.shot(&shots(&format!("{picture}-4-back"))).await.unwrap();
    assert_eq!(
        vm.starts().len(),
        starts + usize::from(verb == "cycle"),
        "one fresh QEMU for a cycle, none otherwise"
    );
    let login = vm.login("sudo -n id -u", SOON).unwrap();
    assert_eq!(login.stdout.trim(), "0", "a fresh log-in works: {login:?}");
    let page = browser.client.current_url().await.unwrap();
    let id = page.path().rsplit('/').next().unwrap_or_default().to_owned();
    let story = night.server.read(&format!("/incidents/{id}/export/markdown")).unwrap();
    assert_eq!(story.status, 200);
    for word in ["devvm", title, verb, "forensics"] {
        assert!(
            story.body.to_lowercase().contains(&word.to_lowercase()),
            "the timeline lacks {word}:\n{}",
            story.body
        );
    }
    browser.client.goto(&format!("http://{}/", night.server.address)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_every_kind_of_wedge_is_seen_named_and_recovered() {
    let night = Night::begin(&brisk()).unwrap();
    let browser = Browser::open(Look::PHONE).await.unwrap();
    log_in(&browser, &night.server).await;
    recover(&night, &browser, Wedge::BlockStall, "Block-path stall", "cycle", "phone-stall").await;
    recover(&night, &browser, Wedge::Panic, "Kernel panic", "reset", "phone-panic").await;
    recover(&night, &browser, Wedge::MemoryExhaustion, "Memory exhausted", "cycle", "phone-memory").await;
    recover(&night, &browser, Wedge::Pause, "Paused", "start", "phone-pause").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_desk_in_the_dark_too() {
    let night = Night::begin(&brisk()).unwrap();
    let browser = Browser::open(Look::DESK.dark()).await.unwrap();
    log_in(&browser, &night.server).await;
    recover(&night, &browser, Wedge::BlockStall, "Block-path stall", "cycle", "desk-stall").await;
    recover(&night, &browser, Wedge::Pause, "Paused", "cycle", "desk-pause").await;
    browser.close().await;
}

/// A reader without scripts: it keeps its cookie, follows forms, and sees only what a page says when it is loaded.
struct Plain<'a> {
    server: &'a Server,
    cookie: String,
}

impl Plain<'_> {
    fn request(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let origin = format!("http://{}", self.server.address);
        let headers = [("Cookie", self.cookie.as_str()), ("Origin", origin.as_str())];
        let body = body.map(|text| ("application/x-www-form-urlencoded", text));
        http::request(self.server.address, method, path, &headers, body, SOON).unwrap()
    }

    /// Loads a page until it has the words.
    fn see(&self, path: &str, words: &[&str]) -> String {
        let started = Instant::now();
        loop {
            let page = self.request("GET", path, None).body;
            if words.iter().all(|word| page.contains(word)) {
                return page;
            }
            assert!(started.elapsed() < BOOT, "{words:?} not on {path}: {page}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Sends the form that has `mark` in its tag or body, with its hidden fields, and `own` besides.
    fn send(&self, page: &str, mark: &str, own: &str) -> Answer {
        let form = page
            .split("<form")
            .skip(1)
            .find(|form| form.split("</form>").next().unwrap().contains(mark))
            .unwrap();
        let form = form.split("</form>").next().unwrap();
        let value = |tag: &str, name: &str| {
            tag.split_once(&format!("{name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
        };
        let hidden = form.split("<input").skip(1).filter(|tag| tag.contains("type=\"hidden\""));
        let fields: Vec<String> = hidden
            .map(|tag| format!("{}={}", value(tag, "name").unwrap(), encoded(&value(tag, "value").unwrap())))
            .chain([own.to_owned()])
            .collect();
        self.request("POST", &value(form, "action").unwrap(), Some(&fields.join("&")))
    }
}

/// As a browser encodes the value of a field.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[test]
fn without_javascript_the_forms_do_it() {
    let night = Night::begin(&brisk()).unwrap();
    let mut reader = Plain { server: &night.server, cookie: String::new() };
    let login = format!("name={}&password={}&next=%2F", PERSON.0, encoded(PERSON.1));
    let answer = reader.request("POST", "/login", Some(&login));
    assert_eq!(answer.status, 303, "{}", answer.body);
    let cookies =
        answer.headers.iter().filter_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
    reader.cookie = cookies.collect::<Vec<_>>().join("; ");
    await_well(&night);
    let vm = night.vm().unwrap();
    vm.wedge(Wedge::BlockStall).unwrap();
    let board = reader.see("/", &["Not serving", "Open incident"]);
    let incident = board.split("href=\"/incidents/").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/incidents/{incident}");
    let page = reader.see(&path, &["Block-path stall</h2>", "cycle-now"]);
    let pressed = reader.send(&page, "id=\"cycle-now\"", "verb=cycle");
    assert_eq!(pressed.status, 303, "{}", pressed.body);
    reader.see(&path, &["This incident is over", "Was away for"]);
    assert_eq!(vm.starts().len(), 2);
    let target = reader.see("/targets/devvm", &["id=\"command\""]);
    let ran =
        reader.send(&target, "id=\"command\"", &format!("command={}", encoded("echo from-the-page; id -un")));
    assert_eq!(ran.status, 303, "{}", ran.body);
}

#[test]
fn in_a_browser_whose_scripts_are_off_too() {
    let night = Night::begin(&brisk()).unwrap();
    let address = night.server.address;
    let mut browser = Scriptless::open(Look::PHONE).unwrap();
    browser.go(&format!("http://{address}/")).unwrap();
    browser.fill("[name=name]", PERSON.0).unwrap();
    browser.fill("[name=password]", PERSON.1).unwrap();
    browser.press("button.go").unwrap();
    browser.see(&["devvm", "Log out"], SOON).unwrap();
    await_well(&night);
    let vm = night.vm().unwrap();
    vm.wedge(Wedge::BlockStall).unwrap();
    browser.see(&["Not serving", "Open incident"], SOON).unwrap();
    browser.press("section.card a.btn.go").unwrap();
    browser.see(&["Block-path stall</h2>", "cycle-now"], SOON).unwrap();
    browser.press("details.dock > summary").unwrap();
    browser.shot(&shots("scriptless-1-confirm")).unwrap();
    browser.press("details.dock button.fire").unwrap();
    browser.see(&["This incident is over", "Was away for"], BOOT).unwrap();
    browser.shot(&shots("scriptless-2-back")).unwrap();
    assert_eq!(vm.starts().len(), 2, "one fresh QEMU for one press");
}

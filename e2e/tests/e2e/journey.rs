//! The main job, as its user sees it: the page turns red by itself, triage names the wedge, a verb brings the VM back,
//! and the incident tells the story. In Chromium, at phone and desk size, and once more without JavaScript.

use breakglass_e2e::browser::{Browser, Look};
use breakglass_e2e::night::{BOOT, Night, brisk};
use breakglass_e2e::server::{PERSON, Server};
use breakglass_lab::Wedge;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a page may take to show what it should, where no promise is tighter.
const SOON: Duration = Duration::from_secs(30);

/// Where pictures of what was seen are kept, for a person to look at.
fn shots(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/shots").join(format!("{name}.png"))
}

async fn log_in(browser: &Browser, server: &Server) {
    browser.client.goto(&format!("http://{}/", server.address)).await.unwrap();
    browser.fill("[name=name]", PERSON.0).await.unwrap();
    browser.fill("[name=password]", PERSON.1).await.unwrap();
    browser.press("button.go").await.unwrap();
    browser.see(&["devvm", "Log out"], SOON).await.unwrap();
}

/// As [`Browser::see`], for a page that only changes when it is loaded again.
async fn see_by_reloading(browser: &Browser, words: &[&str], deadline: Duration) {
    let started = Instant::now();
    while let Err(error) = browser.see(words, Duration::from_millis(300)).await {
        assert!(started.elapsed() < deadline, "{error}");
        browser.client.refresh().await.unwrap();
    }
}

/// Waits until the watch has seen the VM well, so that what follows is a change.
fn await_well(night: &Night) {
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

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_the_forms_do_it() {
    let night = Night::begin(&brisk()).unwrap();
    let browser = Browser::open(Look::PHONE.without_javascript()).await.unwrap();
    log_in(&browser, &night.server).await;
    let vm = night.vm().unwrap();
    await_well(&night);
    vm.wedge(Wedge::BlockStall).unwrap();
    see_by_reloading(&browser, &["Not serving", "Open incident"], SOON).await;
    browser.press("section.card a.btn.go").await.unwrap();
    see_by_reloading(&browser, &["Block-path stall", "Recommended"], SOON).await;
    let step = open_confirm(&browser, "cycle").await;
    browser.press(&format!("{step} button.fire")).await.unwrap();
    see_by_reloading(&browser, &["This incident is over", "Was away for"], BOOT).await;
    browser.shot(&shots("no-javascript-back")).await.unwrap();
    assert_eq!(vm.starts().len(), 2);
    // A command, as a form.
    browser.fill("#command", "echo from-the-page; id -un").await.unwrap();
    browser.press("form[action$=run] button").await.unwrap();
    see_by_reloading(&browser, &["from-the-page", "breakglass"], SOON).await;
    browser.close().await;
}

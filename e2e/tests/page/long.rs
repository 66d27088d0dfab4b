//! A night of 2,000 events: it scrolls, and what comes in moves nothing that somebody is at.

use crate::reader;
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;
use serde_json::json;

/// Scrolls as a thumb in a hurry does, 120 dots a frame from a third of the page on, and tells how long each frame took, in milliseconds, and the long tasks.
const SCROLL: &str = r"new Promise((done) => {
  const frames = [], tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((each) => Math.round(each.duration)))).observe({ type: 'longtask' });
  let last = performance.now(), n = 0;
  const from = document.documentElement.scrollHeight / 3;
  scrollTo(0, from);
  const frame = (now) => {
    frames.push(now - last);
    last = now;
    scrollBy(0, 120);
    if (++n < 150) requestAnimationFrame(frame);
    else setTimeout(() => {
      frames.sort((a, b) => a - b);
      done({ median: Math.round(frames[75]), p95: Math.round(frames[142]), worst: Math.round(frames.at(-1)), tasks });
    }, 200);
  };
  requestAnimationFrame(frame);
})";

#[test]
fn two_thousand_events_scroll_on_a_slow_phone() {
    let stage = Stage::raise(0).unwrap();
    let id = stage.long(2_000).unwrap();
    let mut tab = reader(&stage, Look::PHONE);
    tab.go(&stage.url(&format!("/incidents/{id}"))).unwrap();
    let rows = "document.querySelectorAll('#rows > li').length";
    assert_eq!(tab.eval(rows).unwrap(), 150, "the newest are enough at first");
    tab.go(&stage.url(&format!("/incidents/{id}?rows=20000"))).unwrap();
    assert!(tab.eval(rows).unwrap().as_u64().unwrap() >= 2_000);
    tab.ask("Emulation.setCPUThrottlingRate", &json!({ "rate": 4 })).unwrap();
    let smooth = tab.eval(SCROLL).unwrap();
    println!("2,000 rows at a quarter of the speed: {smooth}");
    // Far above what a quiet machine needs; a page that lays out everything in each frame is beyond it.
    assert!(smooth["p95"].as_u64().unwrap() < 400, "{smooth}");
    assert!(smooth["worst"].as_u64().unwrap() < 3_000, "{smooth}");
}

#[test]
fn what_comes_in_moves_nothing_that_somebody_is_at() {
    let stage = Stage::raise(0).unwrap();
    let id = stage.long(300).unwrap();
    let mut tab = reader(&stage, Look::PHONE);
    tab.go(&stage.url(&format!("/incidents/{id}"))).unwrap();
    let rows = "document.querySelectorAll('#rows > li').length";
    // Somebody writes a note, below the timeline that grows.
    tab.eval("document.getElementById('text').focus(); document.getElementById('text').scrollIntoView({ block: 'center' })").unwrap();
    let top = "Math.round(document.getElementById('text').getBoundingClientRect().top)";
    let before = tab.eval(top).unwrap().as_i64().unwrap();
    stage.grow(id, 7).unwrap();
    tab.until(&format!("{rows} === 157")).unwrap();
    let after = tab.eval(top).unwrap().as_i64().unwrap();
    assert!((before - after).abs() <= 1, "the field moved from {before} to {after}");
    assert_eq!(tab.eval("document.activeElement.id").unwrap(), "text");
    // Somebody reads in the middle.
    tab.eval("document.activeElement.blur(); document.querySelectorAll('#rows > li')[70].scrollIntoView({ block: 'center' })").unwrap();
    tab.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))").unwrap();
    let top = "Math.round(document.querySelectorAll('#rows > li')[70].getBoundingClientRect().top)";
    let before = tab.eval(top).unwrap().as_i64().unwrap();
    stage.grow(id, 7).unwrap();
    tab.until(&format!("{rows} === 164")).unwrap();
    let after = tab.eval(top).unwrap().as_i64().unwrap();
    assert!((before - after).abs() <= 1, "the row moved from {before} to {after}");
}

//! A night, or a turn, of 2,000 events: it scrolls, and what comes in moves nothing that somebody is at.

use crate::reader;
use breakglass_e2e::browser::Look;
use breakglass_e2e::stage::Stage;
use breakglass_e2e::tab::Tab;
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

/// How often the page was laid out since it was loaded.
fn layouts(tab: &mut Tab) -> f64 {
    let all = tab.ask("Performance.getMetrics", &json!({})).unwrap();
    let all = all["metrics"].as_array().unwrap();
    all.iter().find(|metric| metric["name"] == "LayoutCount").unwrap()["value"].as_f64().unwrap()
}

#[test]
fn two_thousand_events_scroll_on_a_slow_phone() {
    let stage = Stage::raise(0).unwrap();
    let mut tab = reader(&stage, Look::PHONE);
    tab.ask("Performance.enable", &json!({})).unwrap();
    let rows = "document.querySelectorAll('#rows > li').length";
    for (what, id, least) in
        [("notes", stage.long(2_000).unwrap(), 2_000), ("a turn", stage.long_turn(2_000).unwrap(), 1_300)]
    {
        tab.ask("Emulation.setCPUThrottlingRate", &json!({ "rate": 1 })).unwrap();
        tab.go(&stage.url(&format!("/incidents/{id}"))).unwrap();
        assert_eq!(tab.eval(rows).unwrap(), 150, "the newest are enough at first");
        tab.go(&stage.url(&format!("/incidents/{id}?rows=20000"))).unwrap();
        assert!(tab.eval(rows).unwrap().as_u64().unwrap() >= least);
        tab.ask("Emulation.setCPUThrottlingRate", &json!({ "rate": 4 })).unwrap();
        let before = layouts(&mut tab);
        let smooth = tab.eval(SCROLL).unwrap();
        let laid_out = layouts(&mut tab) - before;
        println!("2,000 events of {what} at a quarter of the speed: {smooth}, laid out {laid_out} times");
        // A page that is laid out as it scrolls cannot keep up on a phone; this one was laid out before.
        assert!(laid_out < 20.0, "{what} was laid out {laid_out} times in 150 frames: {smooth}");
        // Far above what a quiet machine needs.
        assert!(smooth["p95"].as_u64().unwrap() < 400, "{what}: {smooth}");
        assert!(smooth["worst"].as_u64().unwrap() < 3_000, "{what}: {smooth}");
    }
}

/// What moved although nobody touched it, by the browser's own account, from now on.
const WATCH_SHIFTS: &str = "globalThis.shifts = []; new PerformanceObserver((list) => { for (const entry of list.getEntries()) \
    shifts.push([entry.value, ...entry.sources.map((each) => each.node?.id || each.node?.className || each.node?.nodeName)]); \
    }).observe({ type: 'layout-shift' }); 1";

#[test]
fn nothing_jumps_while_a_turn_streams() {
    let stage = Stage::raise(0).unwrap();
    let id = stage.long_turn(2_000).unwrap();
    let mut tab = reader(&stage, Look::PHONE);
    let rows = "document.querySelectorAll('#rows > li').length";
    let places = [
        ("in the middle", "document.querySelectorAll('#rows > li')[700].scrollIntoView({ block: 'center' })"),
        (
            "at the newest row",
            "document.querySelector('#rows > li:last-child').scrollIntoView({ block: 'center' })",
        ),
        ("at the box below", "document.getElementById('say').scrollIntoView({ block: 'start' })"),
    ];
    for (place, there) in places {
        tab.ask("Emulation.setCPUThrottlingRate", &json!({ "rate": 1 })).unwrap();
        tab.go(&stage.url(&format!("/incidents/{id}?rows=20000"))).unwrap();
        tab.until("document.querySelector('#rows').children.length > 1000").unwrap();
        let before = tab.eval(rows).unwrap().as_u64().unwrap();
        tab.ask("Emulation.setCPUThrottlingRate", &json!({ "rate": 4 })).unwrap();
        tab.eval(there).unwrap();
        tab.eval("new Promise((done) => setTimeout(done, 700))").unwrap();
        tab.eval(WATCH_SHIFTS).unwrap();
        // Text as it comes, over several lines, and then what it becomes; twelve calls with their answers after it.
        let mut from = 0;
        for _ in 0..12 {
            let text = "and then I compare it with what it was an hour ago, ";
            stage.live(id, &json!({ "live": "says", "from": from, "text": text })).unwrap();
            from += text.len();
            std::thread::sleep(std::time::Duration::from_millis(60));
        }
        stage.work_on(id, 36).unwrap();
        tab.until(&format!("{rows} === {}", before + 25)).unwrap();
        tab.eval("new Promise((done) => setTimeout(done, 700))").unwrap();
        let shifts = tab.eval("shifts").unwrap();
        let sum: f64 = shifts.as_array().unwrap().iter().map(|shift| shift[0].as_f64().unwrap()).sum();
        println!("{place}: {sum:.4} {shifts}");
        // What a reader takes for still; the guideline for a good page is a tenth.
        assert!(sum < 0.02, "{place}: the page jumped by {sum}: {shifts}");
    }
    // A page that does jump is noticed by the same watch, once the browser holds nothing in its place.
    tab.eval("document.documentElement.style.overflowAnchor = 'none'").unwrap();
    tab.eval("document.getElementById('say').before(Object.assign(document.createElement('p'), { style: 'height: 200px' }))")
        .unwrap();
    tab.until("shifts.reduce((sum, [value]) => sum + value, 0) > 0.02").unwrap();
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

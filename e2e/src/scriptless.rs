//! Chromium with scripts switched off, driven over its own debugging pipe: a page's forms have to do it all.
//!
//! The driver that the other tests use finds and presses elements by scripts of its own, which such a browser does not
//! run. Here a press is a press of the mouse at the place where the element is drawn.

#![expect(
    clippy::indexing_slicing,
    reason = "a member that is not there is null, and says so where it is used"
)]

use crate::browser::Look;
use crate::cdp::{Cdp, PATIENCE};
use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// One browser with one page that runs no scripts. Ends when it is dropped.
pub struct Scriptless {
    cdp: Cdp,
}

impl Scriptless {
    /// Starts a browser and switches scripts off in its page.
    ///
    /// # Errors
    /// When Chromium is not installed (`cargo xtask setup` installs it) or does not answer.
    pub fn open(look: Look) -> Result<Self> {
        let mut cdp = Cdp::open(look)?;
        cdp.ask("Emulation.setScriptExecutionDisabled", &json!({ "value": true }))?;
        cdp.ask("DOM.enable", &json!({}))?;
        Ok(Self { cdp })
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// When the browser cannot.
    pub fn go(&mut self, address: &str) -> Result<()> {
        self.cdp.go(address)
    }

    /// Keeps a picture of what is in view.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn shot(&mut self, to: &Path) -> Result<()> {
        self.cdp.shot(to, false)
    }

    /// The page as it stands, as markup.
    ///
    /// # Errors
    /// When there is no page.
    pub fn markup(&mut self) -> Result<String> {
        let document = self.cdp.ask("DOM.getDocument", &json!({ "depth": 0 }))?;
        let html = self.cdp.ask("DOM.getOuterHTML", &json!({ "nodeId": document["root"]["nodeId"] }))?;
        Ok(html["outerHTML"].as_str().unwrap_or_default().to_owned())
    }

    /// Reloads the page until it has all the words, as someone does whose page does not change by itself.
    ///
    /// # Errors
    /// With the page, when the words have not come within `deadline`.
    pub fn see(&mut self, words: &[&str], deadline: Duration) -> Result<String> {
        let begun = Instant::now();
        loop {
            // Between two pages there is none for a moment.
            let page = self.markup().unwrap_or_default();
            if words.iter().all(|word| page.contains(word)) {
                return Ok(page);
            }
            ensure!(begun.elapsed() < deadline, "{words:?} not seen within {deadline:?} on\n{page}");
            std::thread::sleep(Duration::from_millis(500));
            if begun.elapsed() > Duration::from_secs(2) {
                self.cdp.ask("Page.reload", &json!({}))?;
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }

    /// Where the middle of the first drawn element that fits is, once it has been scrolled into view.
    fn place(&mut self, css: &str) -> Result<(f64, f64)> {
        let document = self.cdp.ask("DOM.getDocument", &json!({ "depth": 0 }))?;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": css });
        let found = self.cdp.ask("DOM.querySelectorAll", &query)?;
        for node in found["nodeIds"].as_array().into_iter().flatten() {
            if self.cdp.ask("DOM.scrollIntoViewIfNeeded", &json!({ "nodeId": node })).is_err() {
                continue;
            }
            let Ok(quads) = self.cdp.ask("DOM.getContentQuads", &json!({ "nodeId": node })) else { continue };
            let quad = quads["quads"][0].as_array().cloned().unwrap_or_default();
            let corners: Vec<f64> = quad.iter().filter_map(Value::as_f64).collect();
            if let [left, top, right, _, _, bottom, ..] = corners.as_slice() {
                return Ok((f64::midpoint(*left, *right), f64::midpoint(*top, *bottom)));
            }
        }
        bail!("nothing drawn fits {css}")
    }

    /// Presses the first drawn element that fits with the mouse.
    ///
    /// # Errors
    /// When there is none within `PATIENCE`.
    pub fn press(&mut self, css: &str) -> Result<()> {
        let begun = Instant::now();
        let (x, y) = loop {
            match self.place(css) {
                Ok(place) => break place,
                Err(error) if begun.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.cdp.ask("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Types into the first field that fits.
    ///
    /// # Errors
    /// When there is none.
    pub fn fill(&mut self, css: &str, text: &str) -> Result<()> {
        self.press(css)?;
        self.cdp.ask("Input.insertText", &json!({ "text": text }))?;
        Ok(())
    }
}

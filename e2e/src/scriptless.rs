//! Chromium with scripts switched off, driven over its own debugging pipe: a page's forms have to do it all.
//!
//! The driver that the other tests use finds and presses elements by scripts of its own, which such a browser does not
//! run. Here a press is a press of the mouse at the place where the element is drawn.

#![expect(
    clippy::indexing_slicing,
    reason = "a member that is not there is null, and says so where it is used"
)]

use crate::browser::Look;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long one answer of the browser may take beside a build.
const PATIENCE: Duration = Duration::from_secs(30);

/// One browser with one page that runs no scripts. Ends when it is dropped.
pub struct Scriptless {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    _profile: tempfile::TempDir,
}

impl Scriptless {
    /// Starts a browser and switches scripts off in its page.
    ///
    /// # Errors
    /// When Chromium is not installed (`cargo xtask setup` installs it) or does not answer.
    pub fn open(look: Look) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let (width, height) = look.size;
        // The pipe is descriptors 3 and 4 of the browser; the shell puts our two ends there and becomes the browser.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec /usr/bin/chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null", "chromium"])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--remote-debugging-pipe"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting chromium; `cargo xtask setup` installs it")?;
        let to = child.stdin.take().context("no pipe to the browser")?;
        let out = child.stdout.take().context("no pipe from the browser")?;
        let (send, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0) {
                let Ok(message) = message else { return };
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if send.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, to, from, session: None, last: 0, _profile: profile };
        let page = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attach)?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        ensure!(browser.session.is_some(), "the browser gave no session: {session}");
        browser.ask("Emulation.setScriptExecutionDisabled", &json!({ "value": true }))?;
        browser.ask("DOM.enable", &json!({}))?;
        Ok(browser)
    }

    /// One command and its answer; what the browser tells unasked is passed over.
    fn ask(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let (Some(session), Some(object)) = (&self.session, message.as_object_mut()) {
            object.insert("sessionId".to_owned(), json!(session));
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).context("the browser went away")?;
        self.to.flush()?;
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.from.recv_timeout(left) {
                Ok(answer) if answer["id"] == json!(self.last) => {
                    if let Some(error) = answer.get("error") {
                        bail!("{method}: {error}");
                    }
                    return Ok(answer["result"].clone());
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("{method}: no answer within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("{method}: the browser ended"),
            }
        }
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// When the browser cannot.
    pub fn go(&mut self, address: &str) -> Result<()> {
        let went = self.ask("Page.navigate", &json!({ "url": address }))?;
        ensure!(went.get("errorText").is_none(), "{address}: {went}");
        Ok(())
    }

    /// The page as it stands, as markup.
    ///
    /// # Errors
    /// When there is no page.
    pub fn markup(&mut self) -> Result<String> {
        let document = self.ask("DOM.getDocument", &json!({ "depth": 0 }))?;
        let html = self.ask("DOM.getOuterHTML", &json!({ "nodeId": document["root"]["nodeId"] }))?;
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
                self.ask("Page.reload", &json!({}))?;
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }

    /// Where the middle of the first drawn element that fits is, once it has been scrolled into view.
    fn place(&mut self, css: &str) -> Result<(f64, f64)> {
        let document = self.ask("DOM.getDocument", &json!({ "depth": 0 }))?;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": css });
        let found = self.ask("DOM.querySelectorAll", &query)?;
        for node in found["nodeIds"].as_array().into_iter().flatten() {
            if self.ask("DOM.scrollIntoViewIfNeeded", &json!({ "nodeId": node })).is_err() {
                continue;
            }
            let Ok(quads) = self.ask("DOM.getContentQuads", &json!({ "nodeId": node })) else { continue };
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
            self.ask("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Types into the first field that fits.
    ///
    /// # Errors
    /// When there is none.
    pub fn fill(&mut self, css: &str, text: &str) -> Result<()> {
        self.press(css)?;
        self.ask("Input.insertText", &json!({ "text": text }))?;
        Ok(())
    }

    /// Keeps a picture of what is in view.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn shot(&mut self, to: &Path) -> Result<()> {
        use base64::Engine as _;
        let picture = self.ask("Page.captureScreenshot", &json!({}))?;
        let data = picture["data"].as_str().context("no picture")?;
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(to, base64::engine::general_purpose::STANDARD.decode(data)?)?;
        Ok(())
    }
}

impl Drop for Scriptless {
    fn drop(&mut self) {
        // Asked first, so that its own children end with it.
        self.session = None;
        let _ = self.ask("Browser.close", &json!({}));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

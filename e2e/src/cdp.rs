//! Chromium over its own debugging pipe: commands in, answers and events out. What a page is asked to do by it, others know.

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
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One browser with one page. Ends when it is dropped.
pub struct Cdp {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    _profile: tempfile::TempDir,
}

impl Cdp {
    /// Starts a browser with an empty page.
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
        Ok(browser)
    }

    /// One command and its answer; what the browser tells unasked is passed over.
    ///
    /// # Errors
    /// With what the browser says against it, or when it says nothing for [`PATIENCE`].
    pub fn ask(&mut self, method: &str, parameters: &Value) -> Result<Value> {
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

    /// Keeps a picture of what is in view, or of the whole page up to 6,000 dots.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn shot(&mut self, to: &Path, whole: bool) -> Result<()> {
        use base64::Engine as _;
        let mut asked = json!({});
        if whole {
            let size = self.ask("Page.getLayoutMetrics", &json!({}))?["cssContentSize"].clone();
            let height = size["height"].as_f64().unwrap_or_default().min(6000.0);
            asked = json!({ "captureBeyondViewport": true,
                "clip": { "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 } });
        }
        let picture = self.ask("Page.captureScreenshot", &asked)?;
        let data = picture["data"].as_str().context("no picture")?;
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(to, base64::engine::general_purpose::STANDARD.decode(data)?)?;
        Ok(())
    }
}

impl Drop for Cdp {
    fn drop(&mut self) {
        // Asked first, so that its own children end with it.
        self.session = None;
        let _ = self.ask("Browser.close", &json!({}));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

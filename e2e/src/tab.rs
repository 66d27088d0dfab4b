//! A page in Chromium that a test may look into: its size and colours changed at will, keys pressed, scripts run in it,
//! its line and its processor made slow.

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

/// What is to be known of the element that has the focus.
const STOP: &str = r"(css) => {
  const at = document.activeElement;
  const name = `${at.tagName} ${at.id} ${(at.innerText || at.name || '').slice(0, 40)}`;
  if (at === document.body || at === document.documentElement) return { name, fits: false, wrong: null };
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  let wrong = outlined ? null : 'does not show its focus';
  if (!wrong && (box.bottom < 0 || box.top > innerHeight || box.width < 1)) wrong = 'is out of sight';
  const x = Math.min(Math.max(box.left + Math.min(box.width, innerWidth) / 2, 0), innerWidth - 1);
  const top = Math.max(box.top, 0), bottom = Math.min(box.bottom, innerHeight);
  const seen = [0.1, 0.5, 0.9].some((part) => {
    const over = document.elementFromPoint(x, top + (bottom - top) * part);
    return over && (at.contains(over) || over.contains(at));
  });
  if (!wrong && !seen) wrong = 'lies under something else';
  return { name, fits: at.matches(css), wrong };
}";

/// One browser with one page. Ends when it is dropped.
pub struct Tab {
    cdp: Cdp,
}

impl Tab {
    /// Starts a browser.
    ///
    /// # Errors
    /// When Chromium is not installed (`cargo xtask setup` installs it) or does not answer.
    pub fn open(look: Look) -> Result<Self> {
        let mut cdp = Cdp::open(look)?;
        for domain in ["Page.enable", "Network.enable", "Runtime.enable"] {
            cdp.ask(domain, &json!({}))?;
        }
        let mut tab = Self { cdp };
        tab.look(look)?;
        Ok(tab)
    }

    /// Any command of the debugging protocol.
    ///
    /// # Errors
    /// With what the browser says against it.
    pub fn ask(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.cdp.ask(method, parameters)
    }

    /// Changes size and colours.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn look(&mut self, look: Look) -> Result<()> {
        let (width, height) = look.size;
        let mobile = width < 600;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.cdp.ask("Emulation.setDeviceMetricsOverride", &metrics)?;
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" }] });
        self.cdp.ask("Emulation.setEmulatedMedia", &media)?;
        Ok(())
    }

    /// Takes the cookies of somebody who has logged in elsewhere, as `a=b; c=d`.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn cookies(&mut self, url: &str, cookies: &str) -> Result<()> {
        for (name, value) in cookies.split("; ").filter_map(|pair| pair.split_once('=')) {
            let cookie = json!({ "url": url, "name": name, "value": value });
            self.cdp.ask("Network.setCookie", &cookie)?;
        }
        Ok(())
    }

    /// Goes to an address and waits until all of it is there.
    ///
    /// # Errors
    /// When it does not come within a minute.
    pub fn go(&mut self, address: &str) -> Result<()> {
        self.cdp.go(address)?;
        self.until("document.readyState === 'complete'")?;
        Ok(())
    }

    /// The value of an expression in the page; a promise is waited for.
    ///
    /// # Errors
    /// When it throws.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.cdp.ask("Runtime.evaluate", &asked)?;
        ensure!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// With the page's text, when it is not within a minute.
    pub fn until(&mut self, expression: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            // Between two pages there is none for a moment.
            if self.eval(expression).is_ok_and(|value| value == json!(true)) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let text = self.eval("document.body.innerText").unwrap_or_default();
                bail!("not so within {PATIENCE:?}: {expression}\n{}", text.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses and lets go a key by its name: `Tab`, `Enter`, `Space`, or `Escape`.
    ///
    /// # Errors
    /// When there is no such key here, or the browser is gone.
    pub fn key(&mut self, name: &str) -> Result<()> {
        let (code, number, text) = match name {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            "Space" => ("Space", 32, " "),
            "Escape" => ("Escape", 27, ""),
            _ => bail!("no key {name}"),
        };
        let key = if name == "Space" { " " } else { name };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number });
            if let Some(event) = event.as_object_mut().filter(|_| kind == "keyDown" && !text.is_empty()) {
                event.insert("text".to_owned(), json!(text));
            }
            self.cdp.ask("Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    /// Types text where the focus is.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.cdp.ask("Input.insertText", &json!({ "text": text }))?;
        Ok(())
    }

    /// Presses Tab until the focus is on an element that fits, as somebody without a mouse does. Each stop on the way must
    /// show that it has the focus, and must not lie under something else.
    ///
    /// # Errors
    /// When a stop cannot be seen, or none of 200 fits.
    pub fn tab_to(&mut self, css: &str) -> Result<()> {
        let mut way = Vec::new();
        for _ in 0..200 {
            self.key("Tab")?;
            let stop = self.eval(&format!("({STOP})({})", json!(css)))?;
            let name = stop["name"].as_str().unwrap_or_default().to_owned();
            ensure!(stop["wrong"].is_null(), "{name}: {}; the way was {way:?}", stop["wrong"]);
            if stop["fits"] == json!(true) {
                return Ok(());
            }
            way.push(name);
        }
        bail!("no stop fits {css}; the way was {way:?}")
    }

    /// Keeps a picture of what is in view.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn shot(&mut self, to: &Path) -> Result<()> {
        self.cdp.shot(to, false)
    }

    /// Has all rows of the timeline laid out, those out of sight too.
    ///
    /// # Errors
    /// When the page is gone.
    pub fn lay_out(&mut self) -> Result<()> {
        self.eval("for (const row of document.querySelectorAll('#rows > li')) row.style.contentVisibility = 'visible'")?;
        Ok(())
    }

    /// Keeps a picture of the whole page, up to 6,000 dots of it.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn whole_shot(&mut self, to: &Path) -> Result<()> {
        self.lay_out()?;
        self.cdp.shot(to, true)
    }
}

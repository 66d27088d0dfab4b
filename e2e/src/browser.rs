//! Debian's Chromium, driven through its own driver. Phone or desk, light or dark.

use anyhow::{Context, Result, bail};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a page may go on replacing what is to be pressed.
const FRESH: Duration = Duration::from_secs(10);

/// How the page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Width and height in CSS pixels.
    pub size: (u32, u32),
    /// Whether the reader asked for dark pages.
    pub dark: bool,
}

impl Look {
    /// A phone, upright.
    pub const PHONE: Self = Self { size: (390, 844), dark: false };
    /// The narrowest phone that is still in use, and a desk at 400 %.
    pub const NARROW: Self = Self { size: (320, 640), dark: false };
    /// A desk.
    pub const DESK: Self = Self { size: (1360, 900), dark: false };

    /// The same for a reader who likes it dark.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }
}

/// One browser with one window. Ends with its driver when it is dropped.
pub struct Browser {
    /// The session.
    pub client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the driver and a browser.
    ///
    /// # Errors
    /// When either is not installed (`cargo xtask setup` installs both) or does not come up within 20 s.
    pub async fn open(look: Look) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let profile = tempfile::tempdir()?;
        let driver = Command::new("/usr/bin/chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting chromedriver; `cargo xtask setup` installs it")?;
        let (width, height) = look.size;
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        if look.dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let mut options = serde_json::Map::new();
        options.insert("args".to_owned(), json!(arguments));
        if width < 600 {
            let metrics =
                json!({ "width": width, "height": height, "pixelRatio": 2.0, "mobile": true, "touch": true });
            options.insert("mobileEmulation".to_owned(), json!({ "deviceMetrics": metrics }));
        }
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options.into());
        let started = Instant::now();
        let client = loop {
            let attempt = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&format!("http://127.0.0.1:{port}"))
                .await;
            match attempt {
                Ok(client) => break client,
                Err(error) if started.elapsed() > Duration::from_secs(20) => {
                    let mut driver = driver;
                    let _ = driver.kill();
                    let _ = driver.wait();
                    return Err(error).context("opening a browser");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(150)).await,
            }
        };
        Ok(Self { client, driver, _profile: profile })
    }

    /// What a reader sees as text.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn text(&self) -> Result<String> {
        Ok(self.client.find(Locator::Css("body")).await?.text().await?)
    }

    /// Waits until the page's visible text has all of `words`, and gives the time that took.
    ///
    /// # Errors
    /// With the page's text, when they have not all come within `deadline`.
    pub async fn see(&self, words: &[&str], deadline: Duration) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let text = self.text().await.unwrap_or_default();
            if words.iter().all(|word| text.contains(word)) {
                return Ok(started.elapsed());
            }
            if started.elapsed() > deadline {
                bail!("{words:?} not seen within {deadline:?} on\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Presses the first visible element that fits.
    ///
    /// # Errors
    /// When there is none.
    pub async fn press(&self, css: &str) -> Result<()> {
        let deadline = Instant::now() + FRESH;
        loop {
            match self.press_now(css).await {
                // A live page has put another in its place just before the click: a person presses that one.
                Err(error) if format!("{error:#}").contains("stale element") && Instant::now() < deadline => {
                }
                other => return other,
            }
        }
    }

    async fn press_now(&self, css: &str) -> Result<()> {
        for element in self.client.find_all(Locator::Css(css)).await? {
            if element.is_displayed().await.unwrap_or(false) {
                // Away from the bars at the edges, as a thumb scrolls; a page without scripts scrolls by itself.
                let script = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
                if let Ok(argument) = serde_json::to_value(&element) {
                    let _ = self.client.execute(script, vec![argument]).await;
                }
                element.click().await.with_context(|| format!("pressing {css}"))?;
                return Ok(());
            }
        }
        bail!("nothing visible fits {css}")
    }

    /// Fills the first field that fits.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        self.client.find(Locator::Css(css)).await?.send_keys(text).await?;
        Ok(())
    }

    /// Keeps a picture of the window.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub async fn shot(&self, to: &Path) -> Result<()> {
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(to, self.client.screenshot().await?)?;
        Ok(())
    }

    /// Ends the session in order; dropping it does so the hard way.
    pub async fn close(mut self) {
        let _ = self.client.clone().close().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

//! The pages with a night on stage behind them instead of a fleet: the server as it is, a journal with incidents in it, and
//! nobody who answers at any door. To look at (`cargo run -p breakglass-e2e --example preview`), to take pictures of, and for
//! what a browser can find out about the pages alone. Nothing that is pressed reaches a machine.

mod scenes;
mod turn;

pub use turn::{Part, Played};

use crate::http;
use anyhow::{Context as _, Result, ensure};
use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use breakglass_doors::{Doors, HostKeys, Keyholder, Limits};
use breakglass_fleet::{Fleet, Role};
use breakglass_incident::{Actor, EventBody, IncidentId};
use breakglass_journal::Journal;
use breakglass_protocol::Timestamp;
use breakglass_recovery::Desk;
use breakglass_recovery::turn::{Engines, Prompt};
use breakglass_web::{Extra, Listening, WebConfig, serve_on};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Name and password of the person who may do everything; `vera`, with the same password, may only look.
pub const PERSON: (&str, &str) = ("mara", "preview");

/// Why the hostile incident is open.
pub const HOSTILE_REASON: &str = "it says \u{202e}gnihton\u{202c} <img src=x onerror=alert(1)> and\u{7} more";

const FLEET: &str = include_str!("fleet.toml");

/// The time of day of this machine.
#[must_use]
pub fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Timestamp::from_unix_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(now().unix_millis() - seconds * 1000)
}

/// A desk on a fresh journal in `folder`, with no keys: no door opens.
///
/// # Errors
/// When the fleet's text is none, or the folder cannot be written.
pub fn desk(fleet: &str, folder: &Path) -> Result<Desk> {
    let fleet = Fleet::parse(fleet, Path::new("fleet.toml"));
    let fleet = Arc::new(fleet.map_err(|invalid| anyhow::anyhow!("{invalid}"))?);
    let keyholder = Keyholder::from_socket(&folder.join("no-agent"));
    let hosts = HostKeys::open(&folder.join("hosts"))?;
    let doors = Doors::new(Arc::clone(&fleet), keyholder, hosts, Limits::default());
    let journal = Journal::open(&folder.join("journal"), now)?;
    Ok(Desk::new(fleet, doors, journal, now))
}

/// A password hash that costs a test little; its form is the real one.
///
/// # Errors
/// Never, as long as those parameters are allowed.
pub fn password_hash(password: &str) -> Result<String> {
    let params = Params::new(64, 1, 1, None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password(password.as_bytes()).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(hash.to_string())
}

/// Text that attacks whoever reads it: by its length, its direction, its control characters, its markup.
#[must_use]
pub fn hostile_texts() -> Vec<String> {
    vec![
        "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><style>*{display:none}</style>".to_owned(),
        "</pre></li></ol></main><form action=\"https://evil.example/\"><button class=fire>Cycle devvm now</button></form>".to_owned(),
        "evil\u{202e}gpj.exe \u{2066}\u{2067}turned\u{2069} \u{200f}mark".to_owned(),
        "bell\u{7} nul\0 back\u{8}\u{8}\u{8} \u{1b}[2J\u{1b}[31mred\u{1b}[0m \u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{7} \u{9b}31m".to_owned(),
        String::from_utf8_lossy(b"not UTF-8: \xff\xfe\xc3\x28 \xf0\x9f").into_owned(),
        "שלום עולם, זה טקסט מימין לשמאל 123 abc. مرحبا بالعالم".to_owned(),
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301}\u{301}\u{301} Z\u{310}\u{311}\u{312}\u{313}\u{314}\u{315}algo ﷽﷽﷽".to_owned(),
        "a\u{200b}b\u{2028}c\u{2029}d\u{ad}e".to_owned(),
        format!("one-line-{}", "x".repeat(1_000_000)),
        "wide ".repeat(2_000),
        "line\n".repeat(5_000),
    ]
}

/// The server on stage. Ends when it is dropped.
pub struct Stage {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is behind it.
    pub desk: Desk,
    /// Found, named, nothing done yet; an agent waits for a yes.
    pub stalled: IncidentId,
    /// A cycle is under way.
    pub working: IncidentId,
    /// Back, not closed.
    pub recovered: IncidentId,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Raises it on this port of the loopback, or on any with 0.
    ///
    /// # Errors
    /// When the port is taken or nothing can be written.
    pub fn raise(port: u16) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let folder = tempfile::tempdir()?;
        let built = runtime.block_on(build(folder.path(), port))?;
        let (listening, config, desk, [stalled, working, recovered]) = built;
        let address = *listening.addresses.first().context("no address")?;
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(serve_on(listening, desk.clone(), config, Extra::default(), async {
            let _ = stopped.await;
        }));
        Ok(Self {
            address,
            desk,
            stalled,
            working,
            recovered,
            stop: Some(stop),
            runtime: Some(runtime),
            folder,
        })
    }

    /// An incident whose every row is hostile.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn hostile(&self) -> Result<IncidentId> {
        self.runtime()?.block_on(scenes::hostile(&self.desk))
    }

    /// The same rows once more, as they come while somebody looks.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn attack(&self, incident: IncidentId) -> Result<()> {
        self.runtime()?.block_on(scenes::attack(&self.desk, incident));
        Ok(())
    }

    /// An incident with so many rows.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn long(&self, rows: usize) -> Result<IncidentId> {
        self.runtime()?.block_on(scenes::long(&self.desk, rows))
    }

    /// So many rows more, as they come while somebody reads.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn grow(&self, incident: IncidentId, rows: usize) -> Result<()> {
        self.runtime()?.block_on(scenes::grow(&self.desk, incident, rows));
        Ok(())
    }

    /// An incident in which a turn has told so many events, and goes on.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn long_turn(&self, events: usize) -> Result<IncidentId> {
        self.runtime()?.block_on(async {
            let id = scenes::long(&self.desk, 0).await?;
            turn::long(&self.desk, id, events / 3).await;
            Ok(id)
        })
    }

    /// So many events more of such a turn.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn work_on(&self, incident: IncidentId, events: usize) -> Result<()> {
        self.runtime()?.block_on(turn::long(&self.desk, incident, events / 3));
        Ok(())
    }

    /// A frame that is shown while it comes and is no event.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn live(&self, incident: IncidentId, frame: &serde_json::Value) -> Result<()> {
        let _inside = self.runtime()?.enter();
        self.desk.journal.live(Some(incident), frame.to_string().into());
        Ok(())
    }

    /// One event.
    ///
    /// # Errors
    /// When the stage is down.
    pub fn tell(&self, incident: IncidentId, by: Actor, body: EventBody) -> Result<()> {
        let _ = self.runtime()?.block_on(self.desk.journal.append(Some(incident), by, body));
        Ok(())
    }

    /// A page's address.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Logs in with the password and gives the cookies.
    ///
    /// # Errors
    /// When the server takes no log-in.
    pub fn cookies(&self) -> Result<String> {
        let form = format!("name={}&password={}&next=%2F", PERSON.0, PERSON.1);
        let body = Some(("application/x-www-form-urlencoded", form.as_str()));
        let answer = http::request(self.address, "POST", "/login", &[], body, Duration::from_secs(20))?;
        ensure!(answer.status == 303, "{}: {}", answer.status, answer.body);
        let set = answer.headers.iter().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next())?
        });
        Ok(set.collect::<Vec<_>>().join("; "))
    }

    /// Waits for Ctrl-C.
    ///
    /// # Errors
    /// When that cannot be waited for.
    pub fn until_interrupted(&self) -> Result<()> {
        Ok(self.runtime()?.block_on(tokio::signal::ctrl_c())?)
    }

    /// Every kind of page: a name for its picture, and its path.
    #[must_use]
    pub fn pages(&self) -> Vec<(&'static str, String)> {
        vec![
            ("fleet", "/".to_owned()),
            ("incidents", "/incidents".to_owned()),
            ("incident-stalled", format!("/incidents/{}", self.stalled)),
            ("incident-working", format!("/incidents/{}", self.working)),
            ("incident-recovered", format!("/incidents/{}", self.recovered)),
            ("target", "/targets/buildvm".to_owned()),
            ("hosts", "/hosts".to_owned()),
            ("sessions", "/sessions".to_owned()),
            ("host", "/hosts/pve".to_owned()),
            ("not-there", "/nowhere".to_owned()),
        ]
    }

    fn runtime(&self) -> Result<&Runtime> {
        self.runtime.as_ref().context("the stage is down")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        let _ = std::fs::remove_dir_all(self.folder.path());
    }
}

type Built = (Listening, WebConfig, Desk, [IncidentId; 3]);

async fn build(folder: &Path, port: u16) -> Result<Built> {
    let desk = desk(FLEET, folder)?;
    let passwords = folder.join("passwords");
    let hash = password_hash(PERSON.1)?;
    std::fs::write(&passwords, format!("{}:{hash}\nvera:{hash}\n", PERSON.0))?;
    let mut config = WebConfig::from_fleet(&desk.fleet);
    config.page.listen = vec![([127, 0, 0, 1], port).into()];
    config.page.password_file = Some(passwords);
    config.state_dir = folder.to_owned();
    config.page.secure_cookies = false;
    config.page.roles.people.push(("vera".to_owned(), Role::View));
    let listening = Listening::bind(&config.page.listen).await?;
    let stalled = scenes::stalled(&desk).await?;
    let working = scenes::working(&desk).await?;
    let recovered = scenes::recovered(&desk).await?;
    scenes::quiet(&desk);
    scenes::proven(&desk);
    let prompt = Prompt::default();
    desk.turns
        .set_engines(Engines { list: vec![Arc::new(Played { name: "claude", part: turn::talk })], prompt });
    turn::turn(&desk, "devvm").await;
    Ok((listening, config, desk, [stalled, working, recovered]))
}

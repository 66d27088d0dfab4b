//! A journal on a real disk, a fleet file with receivers, and the notifier as the server runs it, only faster.

use breakglass_e2e::stage;
use breakglass_incident::{Actor, Delivery, Event, EventBody, IncidentId, Seq, TargetState};
use breakglass_journal::Wanted;
use breakglass_notify::{Pace, notify};
use breakglass_protocol::Verb;
use breakglass_recovery::{Desk, dependencies};
use breakglass_triage::Health;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "a-secret-that-nobody-may-see-1234";

/// The rules of a real night, in hundredths of their time.
pub(crate) fn pace() -> Pace {
    let millis = Duration::from_millis;
    Pace {
        gather: millis(150),
        attempt: millis(1_500),
        first_pause: millis(30),
        longest_pause: millis(100),
        tick: millis(20),
        ..Pace::default()
    }
}

/// Where all of it lies.
pub(crate) struct Place {
    dir: TempDir,
    receivers: String,
}

impl Place {
    /// `receivers` is what stands under `[notify]`; `DIR` in it is the directory, where a file `secret` lies.
    pub(crate) fn new(receivers: &str) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let receivers = receivers.replace("DIR", &dir.path().display().to_string());
        Self { dir, receivers }
    }

    pub(crate) fn webhook(url: &str) -> Self {
        Self::new(&hook("oncall", url))
    }

    /// One receiver more, for the next run.
    pub(crate) fn add(&mut self, receiver: &str) {
        self.receivers.push_str(&receiver.replace("DIR", &self.dir.path().display().to_string()));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn desk(&self) -> Desk {
        let components: String = ["devvm", "webvm", "mailvm"]
            .map(|name| format!("[[component]]\nname = \"{name}\"\nkind = \"vm\"\nneeds = [\"pve\"]\n"))
            .concat();
        let text = format!(
            "[fleet]\nname = \"home\"\n[[component]]\nname = \"pve\"\nkind = \"hypervisor\"\n{components}\
             [notify]\npage = \"https://breakglass.example.org\"\n{}",
            self.receivers
        );
        stage::desk(&text, self.dir.path()).unwrap()
    }
}

pub(crate) fn hook(name: &str, url: &str) -> String {
    format!("[[notify.webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"DIR/secret\"\n")
}

/// The notifier while it runs.
pub(crate) struct Running {
    pub(crate) desk: Desk,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub(crate) fn run(place: &Place) -> Running {
    run_on(place.desk(), pace())
}

pub(crate) fn run_on(desk: Desk, pace: Pace) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let ending = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(notify(desk.clone(), pace, ending));
    Running { desk, stop, task }
}

impl Running {
    /// Ends it as a crash would: nothing that is under way is waited for.
    pub(crate) async fn end(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
        self.desk.journal.close(Duration::from_secs(10)).await;
    }

    pub(crate) async fn opens(&self, target: &str) -> IncidentId {
        self.desk.journal.open_incident(target, &format!("{target}: no answer"), Actor::Watch).await.0
    }

    pub(crate) async fn press(&self) -> Seq {
        let body = EventBody::VerbPressed {
            target: "devvm".to_owned(),
            verb: Verb::Cycle,
            seen: None,
            shown: "running".to_owned(),
            door: "devvm-power".to_owned(),
        };
        self.desk.journal.append(None, Actor::Human("mara".to_owned()), body).await.seq()
    }

    pub(crate) async fn observe(&self, target: &str, incident: Option<IncidentId>, health: Health) {
        let state = TargetState { health, sentence: format!("it is {health:?}"), wedge: None };
        let body = EventBody::Observed { target: target.to_owned(), state, before: None };
        self.desk.journal.append(incident, Actor::Watch, body).await;
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.desk.journal.replay(Wanted { incident: None, after: Seq(0), limit: usize::MAX }).await
    }

    /// What the journal says of that receiver: how far each notice came, after how many tries.
    pub(crate) async fn told(&self, whom: &str) -> Vec<(Delivery, u32, String)> {
        let events = self.events().await;
        let told = events.into_iter().filter_map(|event| match event.body {
            EventBody::Notified { receiver, how, tries, sentence, .. } if receiver == whom => {
                Some((how, tries, sentence))
            }
            _ => None,
        });
        told.collect()
    }

    /// Waits until the journal says so much of that receiver.
    pub(crate) async fn wait_told(&self, whom: &str, count: usize) -> Vec<(Delivery, u32, String)> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let told = self.told(whom).await;
            if told.len() >= count {
                return told;
            }
            assert!(Instant::now() < deadline, "never {count}: {told:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How the page shows that receiver.
    pub(crate) fn shown(&self, whom: &str) -> Option<(Health, String)> {
        let name = format!("receiver {whom}");
        let found = dependencies(&self.desk).into_iter().find(|one| one.name == name);
        found.map(|one| (one.health, one.sentence))
    }
}

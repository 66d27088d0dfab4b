//! A turn without a server: tools that keep what they were asked, and a listener for what the engine says.

use breakglass_agents::{Dialect, Endpoint, KeySource, Patience};
use breakglass_incident::{IncidentId, TurnId};
use breakglass_recovery::turn::{Engine, Says, Told, ToolAnswer, ToolSpec, Tools, TurnBrief, TurnEnd};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Everything in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happened {
    Said(Says),
    Called(String, Value),
}

pub(crate) type Log = Arc<Mutex<Vec<Happened>>>;

/// Tools that answer everything.
pub(crate) struct Recorder {
    pub(crate) log: Log,
    heard: Arc<Mutex<mpsc::Receiver<Says>>>,
    pub(crate) calls: Mutex<Vec<(String, Value)>>,
}

impl Tools for Recorder {
    fn list(&self) -> Vec<ToolSpec> {
        let spec = |name: &str, read_only| ToolSpec {
            name: name.to_owned(),
            description: format!("what {name} does"),
            schema: json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}),
            read_only,
            destructive: !read_only,
        };
        vec![spec("diag", true), spec("repair", false)]
    }

    fn call(&self, name: String, arguments: Value) -> BoxFuture<'_, ToolAnswer> {
        // What was said before the call has been sent by now, and comes first.
        while let Ok(said) = self.heard.lock().unwrap().try_recv() {
            self.log.lock().unwrap().push(Happened::Said(said));
        }
        self.calls.lock().unwrap().push((name.clone(), arguments.clone()));
        self.log.lock().unwrap().push(Happened::Called(name.clone(), arguments));
        Box::pin(async move {
            let is_error = name != "diag" && name != "repair";
            let text = if is_error { "there is no such tool" } else { "/ 97% used" };
            ToolAnswer { text: text.to_owned(), is_error }
        })
    }
}

pub(crate) fn brief(ask: &str) -> TurnBrief {
    TurnBrief {
        turn: TurnId(7),
        incident: IncidentId(3),
        target: "devvm".to_owned(),
        system: "our rules".to_owned(),
        situation: "triage: the disk is full".to_owned(),
        history: vec![
            Told::Asked("earlier question".to_owned()),
            Told::Called {
                tool: "diag".to_owned(),
                arguments: json!({"command": "df"}),
                answer: "96%".to_owned(),
                is_error: false,
            },
            Told::Said("earlier answer".to_owned()),
        ],
        ask: ask.to_owned(),
        wall_clock: Duration::from_secs(60),
        stop: CancellationToken::new(),
    }
}

/// An endpoint with little patience, so that a test of a fault takes no minute.
pub(crate) fn endpoint(url: &str, dialect: Dialect) -> Endpoint {
    let mut endpoint = Endpoint::new(url, dialect, "scripted", KeySource::None).unwrap();
    endpoint.patience = Patience {
        connect: Duration::from_secs(2),
        answer: Duration::from_secs(1),
        silence: Duration::from_secs(1),
        retries: 2,
        pause: Duration::from_millis(20),
        longest_pause: Duration::from_secs(2),
    };
    endpoint
}

/// What came of a turn.
pub(crate) struct Outcome {
    pub(crate) end: TurnEnd,
    pub(crate) log: Vec<Happened>,
    pub(crate) calls: Vec<(String, Value)>,
}

impl Outcome {
    pub(crate) fn said(&self) -> Vec<String> {
        let done = self.log.iter().filter_map(|happened| match happened {
            Happened::Said(Says::TextDone(text)) => Some(text.clone()),
            _ => None,
        });
        done.collect()
    }

    pub(crate) fn notes(&self) -> String {
        let notes = self.log.iter().filter_map(|happened| match happened {
            Happened::Said(Says::Note(text)) => Some(text.clone()),
            _ => None,
        });
        notes.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn sentence(&self) -> &str {
        match &self.end {
            TurnEnd::Failed { sentence, .. } => sentence,
            other => panic!("it did not fail: {other:?}; {:?}", self.log),
        }
    }

    /// The place of the first event that fits.
    pub(crate) fn place(&self, fits: impl Fn(&Happened) -> bool) -> Option<usize> {
        self.log.iter().position(fits)
    }
}

/// Runs a turn to its end. A minute is for a machine that has no time; a turn that hangs fails the test.
pub(crate) async fn run(engine: &dyn Engine, brief: TurnBrief) -> Outcome {
    let log: Log = Arc::default();
    let (says, heard) = mpsc::channel(16);
    let heard = Arc::new(Mutex::new(heard));
    let recorder =
        Arc::new(Recorder { log: Arc::clone(&log), heard: Arc::clone(&heard), calls: Mutex::default() });
    let listening = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let next = || std::future::poll_fn(|context| heard.lock().unwrap().poll_recv(context));
            while let Some(said) = next().await {
                log.lock().unwrap().push(Happened::Said(said));
            }
        })
    };
    let tools: Arc<dyn Tools> = Arc::<Recorder>::clone(&recorder);
    let turn = engine.run(brief, tools, says);
    let end = tokio::time::timeout(Duration::from_secs(60), turn).await.expect("the turn hangs");
    listening.await.unwrap();
    let (log, calls) = (log.lock().unwrap().clone(), recorder.calls.lock().unwrap().clone());
    Outcome { end, log, calls }
}

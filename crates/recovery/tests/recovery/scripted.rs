//! A scripted stand-in for a model: an engine that does what a test tells it, through the real seam.

use breakglass_recovery::turn::{Engine, Engines, Prompt, Says, ToolAnswer, Tools, TurnBrief, TurnEnd};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

type Act = dyn Fn(Stage) -> BoxFuture<'static, TurnEnd> + Send + Sync;

/// What a script has in its hands.
pub(crate) struct Stage {
    pub(crate) brief: TurnBrief,
    pub(crate) tools: Arc<dyn Tools>,
    pub(crate) says: mpsc::Sender<Says>,
}

impl Stage {
    pub(crate) async fn say(&self, text: &str) {
        for word in text.split_inclusive(' ') {
            let _ = self.says.send(Says::Text(word.to_owned())).await;
        }
        let _ = self.says.send(Says::TextDone(text.to_owned())).await;
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> ToolAnswer {
        self.tools.call(tool.to_owned(), arguments).await
    }
}

pub(crate) fn finished(said: &str) -> TurnEnd {
    TurnEnd::Finished { said: said.to_owned() }
}

/// The engine. What it was told is kept for the test to read.
pub(crate) struct Scripted {
    name: &'static str,
    ready: Result<(), String>,
    act: Box<Act>,
    pub(crate) told: Mutex<Vec<TurnBrief>>,
}

impl Scripted {
    pub(crate) fn new<F>(name: &'static str, act: impl Fn(Stage) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = TurnEnd> + Send + 'static,
    {
        let act: Box<Act> = Box::new(move |stage| Box::pin(act(stage)));
        Arc::new(Self { name, ready: Ok(()), act, told: Mutex::default() })
    }

    pub(crate) fn broken(name: &'static str, why: &str) -> Arc<Self> {
        let act: Box<Act> = Box::new(|_| Box::pin(async { finished("") }));
        Arc::new(Self { name, ready: Err(why.to_owned()), act, told: Mutex::default() })
    }
}

impl Engine for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.ready.clone() })
    }

    fn run(
        &self,
        brief: TurnBrief,
        tools: Arc<dyn Tools>,
        says: mpsc::Sender<Says>,
    ) -> BoxFuture<'_, TurnEnd> {
        self.told.lock().unwrap().push(brief.clone());
        (self.act)(Stage { brief, tools, says })
    }
}

pub(crate) fn engines(list: Vec<Arc<Scripted>>) -> Engines {
    let list = list.into_iter().map(|engine| engine as Arc<dyn Engine>).collect();
    let prompt = Prompt { version: "test-1".to_owned(), text: "You work in an incident.".to_owned() };
    Engines { list, prompt }
}

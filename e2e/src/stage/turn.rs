//! A turn in the stalled incident: two looks, an answer, one repair that waits for a person.

use breakglass_incident::{
    Actor, AgentActor, CallId, CallOutcome, EventBody, IncidentId, Spend, TurnEvent, TurnId,
};
use breakglass_recovery::Desk;
use breakglass_recovery::turn::{Engine, Says, Tools, TurnBrief, TurnEnd};
use breakglass_triage::Health;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

async fn tell(desk: &Desk, id: IncidentId, by: &Actor, body: TurnEvent) -> u64 {
    desk.journal.append(Some(id), by.clone(), EventBody::Turn(body)).await.seq().0
}

/// Tells it.
pub(super) async fn turn(desk: &Desk, target: &str) {
    let Some(id) = desk.board.target(target).and_then(|view| view.incident) else { return };
    let mara = Actor::Human("mara".to_owned());
    let started = TurnEvent::TurnStarted {
        target: target.to_owned(),
        engine: "claude".to_owned(),
        ask: "The site is slow since noon. What is it?".to_owned(),
        by_machine: false,
        prompt: "2026-11-1".to_owned(),
    };
    let turn = TurnId(tell(desk, id, &mara, started).await);
    let told = desk
        .journal
        .put_artifact("what-the-agent-was-told.txt", "text/plain", "You work in an incident.")
        .await
        .ok();
    let engine = "claude".to_owned();
    tell(desk, id, &Actor::Server, TurnEvent::TurnBriefed { turn, engine: engine.clone(), told }).await;
    let agent = Actor::Agent(AgentActor { turn, engine, asked_by: "mara".to_owned() });
    let say = |text: &str| TurnEvent::AgentSaid { turn, text: text.to_owned() };
    tell(
        desk,
        id,
        &agent,
        say("I will see what fills the disk, then whether it can be emptied without loss."),
    )
    .await;
    let call = |shown: &str, spends| TurnEvent::ToolCalled {
        turn,
        tool: "repair".to_owned(),
        target: Some(target.to_owned()),
        shown: shown.to_owned(),
        digest: "d1".to_owned(),
        spends,
    };
    let disk = CallId(
        tell(
            desk,
            id,
            &agent,
            call("df -h / /var && du -xsh /var/log/* | sort -h | tail -5", Some(Spend::Command)),
        )
        .await,
    );
    let answer = |call, text: &str, exit, outcome, rule: Option<&str>| TurnEvent::ToolAnswered {
        call,
        turn,
        outcome,
        rule: rule.map(str::to_owned),
        exit,
        millis: 412,
        text: text.to_owned(),
        rest: None,
    };
    let text = "Filesystem  Size  Used Avail Use% Mounted on\n/dev/vda1    20G   20G     0 100% /\n14G  /var/log/app.log";
    tell(desk, id, &Actor::Server, answer(disk, text, Some(0), CallOutcome::Done, None)).await;
    let seen = TurnEvent::OutcomeObserved {
        turn,
        calls: vec![disk],
        target: target.to_owned(),
        health: Health::Degraded,
        sentence: "Disk full: / has 0 of 20 GiB left".to_owned(),
    };
    tell(desk, id, &Actor::Server, seen).await;
    let third = CallId(tell(desk, id, &agent, call("cycle gitvm", None)).await);
    let refused = "Refused (another-target): this incident is about devvm. Nothing was done.";
    tell(
        desk,
        id,
        &Actor::Server,
        answer(third, refused, None, CallOutcome::Refused, Some("another-target")),
    )
    .await;
    tell(
        desk,
        id,
        &agent,
        say("/var/log/app.log fills the disk. I would cut it to its last 10 MB; nothing else is needed."),
    )
    .await;
    let shown =
        "tail -c 10M /var/log/app.log > /var/log/app.log.new && mv /var/log/app.log.new /var/log/app.log";
    let waits = CallId(tell(desk, id, &agent, call(shown, Some(Spend::Command))).await);
    let asked = TurnEvent::ApprovalAsked {
        call: waits,
        turn,
        shown: shown.to_owned(),
        digest: "d2".to_owned(),
        expires: desk.now().plus_millis(240_000),
    };
    tell(desk, id, &agent, asked).await;
}

/// A turn that goes on and on: `steps` times it says something, calls a tool and is answered, which is three events and two
/// rows each.
pub(super) async fn long(desk: &Desk, id: IncidentId, steps: usize) {
    let mara = Actor::Human("mara".to_owned());
    let (engine, prompt) = ("claude".to_owned(), "2026-11-1".to_owned());
    let started = TurnEvent::TurnStarted {
        target: "longvm".to_owned(),
        engine: engine.clone(),
        ask: "What fills the disk, and since when?".to_owned(),
        by_machine: false,
        prompt,
    };
    let turn = TurnId(tell(desk, id, &mara, started).await);
    let agent = Actor::Agent(AgentActor { turn, engine, asked_by: "mara".to_owned() });
    let agent = &agent;
    let step = |n: usize| async move {
        let text = format!(
            "Step {n}: {}",
            "the log has grown again since the last look, so I compare it with the hour before. "
                .repeat(n % 4 + 1)
        );
        tell(desk, id, agent, TurnEvent::AgentSaid { turn, text }).await;
        let called = TurnEvent::ToolCalled {
            turn,
            tool: "repair".to_owned(),
            target: Some("longvm".to_owned()),
            shown: format!("journalctl -u app --since -{n}min | tail -20"),
            digest: format!("d{n}"),
            spends: None,
        };
        CallId(tell(desk, id, agent, called).await)
    };
    for call in futures_util::future::join_all((0..steps).map(step)).await {
        let answer = TurnEvent::ToolAnswered {
            call,
            turn,
            outcome: CallOutcome::Done,
            rule: None,
            exit: Some(0),
            millis: 412,
            text: "app[812]: queue is full, 4096 messages dropped\n".repeat(20),
            rest: None,
        };
        let _ = desk.journal.append(Some(id), Actor::Server, EventBody::Turn(answer)).await;
    }
}

/// What a stand-in for a model does in a turn.
pub type Part = fn(Arc<dyn Tools>, mpsc::Sender<Says>) -> BoxFuture<'static, TurnEnd>;

/// A stand-in for a model: an engine that plays a part through the real seam.
pub struct Played {
    /// What the engine is called.
    pub name: &'static str,
    /// What it does.
    pub part: Part,
}

impl Engine for Played {
    fn name(&self) -> &str {
        self.name
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn run(
        &self,
        _brief: TurnBrief,
        tools: Arc<dyn Tools>,
        says: mpsc::Sender<Says>,
    ) -> BoxFuture<'_, TurnEnd> {
        (self.part)(tools, says)
    }
}

const WORDS: &str = "I look at the machine from outside first, since nothing inside answers. The counters of its disk stand \
                     still while QEMU answers, so a softer step than a fresh process is not likely to help. ";

/// It speaks slowly, makes one call that no door answers, and ends.
pub(super) fn talk(tools: Arc<dyn Tools>, says: mpsc::Sender<Says>) -> BoxFuture<'static, TurnEnd> {
    Box::pin(async move {
        for word in WORDS.split_inclusive(' ') {
            let _ = says.send(Says::Text(word.to_owned())).await;
            tokio::time::sleep(Duration::from_millis(90)).await;
        }
        let _ = says.send(Says::TextDone(WORDS.to_owned())).await;
        let command = serde_json::json!({ "command": "cat /proc/pressure/io", "deadline_seconds": 3 });
        let _ = tools.call("repair".to_owned(), command).await;
        let said = "It does not answer. I would cycle it.".to_owned();
        let _ = says.send(Says::TextDone(said.clone())).await;
        TurnEnd::Finished { said }
    })
}

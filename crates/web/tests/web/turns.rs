//! Turns in the page: asking, watching, allowing and stopping, with forms alone; by whom, and by whom not.

use crate::support::{Request, Server, Who};
use breakglass_e2e::stage::Played;
use breakglass_incident::{EventBody, IncidentId, TurnEvent};
use breakglass_recovery::turn::{Engines, Prompt, Says, Tools, TurnEnd};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Speaks hostile text, wants one command, then waits to be stopped.
fn hostile(tools: Arc<dyn Tools>, says: mpsc::Sender<Says>) -> BoxFuture<'static, TurnEnd> {
    Box::pin(async move {
        let _ = says.send(Says::Text("I look <script>alert(1)</script>".to_owned())).await;
        let _ = says.send(Says::TextDone("I look <script>alert(1)</script>".to_owned())).await;
        let command = "echo '<script>alert(1)</script>' && systemctl restart nginx";
        let _ = tools.call("repair".to_owned(), json!({ "command": command })).await;
        let _ = says.send(Says::TextDone("It was answered.".to_owned())).await;
        std::future::pending().await
    })
}

async fn opened(server: &Server) -> IncidentId {
    let mara = breakglass_incident::Actor::Human("mara".to_owned());
    breakglass_recovery::open_incident(&server.desk, mara, "devvm", "slow").await.unwrap()
}

fn give_engine(server: &Server) {
    let prompt = Prompt { version: "1".to_owned(), text: "Rules.".to_owned() };
    server
        .desk
        .turns
        .set_engines(Engines { list: vec![Arc::new(Played { name: "stand-in", part: hostile })], prompt });
}

async fn page_with(server: &Server, path: &str, who: &Who, text: &str) -> String {
    let began = Instant::now();
    loop {
        let page = server.get(path, who).await.body;
        if page.contains(text) {
            return page;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "never came: {text}\n{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn hidden(page: &str, form: &str) -> (String, String) {
    let (_, rest) = page.split_once(form).expect("the form");
    let (head, rest) = rest.split_once('"').expect("its address");
    let (_, digest) = rest.split_once("name=\"digest\" value=\"").expect("its digest");
    (format!("{form}{head}"), digest.split_once('"').unwrap().0.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_agent_the_page_says_so_and_everything_else_works() {
    let server = Server::start().await;
    let id = opened(&server).await;
    let mara = server.log_in("mara", "correct horse").await;
    let page = server.get(&format!("/incidents/{id}"), &mara).await;
    assert!(page.body.contains("No agent is configured") && page.body.contains("value=\"cycle\""));
    let asked = server.post(&format!("/incidents/{id}/turn"), &mara, "preset=disk").await;
    assert_eq!(asked.status, 409);
    assert!(asked.body.contains("buttons work without one"), "{}", asked.body);
    assert_eq!(server.post(&format!("/incidents/{id}/turn/stop"), &mara, "").await.status, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_asks_a_person_allows_and_anybody_known_stops() {
    let server = Server::start().await;
    give_engine(&server);
    let id = opened(&server).await;
    let path = format!("/incidents/{id}");
    let (mara, token) = (server.log_in("mara", "correct horse").await, Who::token());
    let began = server
        .send(
            Request::json(&format!("/api/v1/incidents/{id}/turns"), "{\"ask\":\"restart nginx\"}").by(&token),
        )
        .await;
    assert_eq!(began.status, 202, "{}", began.body);
    let twice = server.post(&format!("{path}/turn"), &mara, "text=me+too").await;
    assert_eq!(twice.status, 409, "one at a time");
    let page = page_with(&server, &path, &mara, "Waits for your yes or no").await;
    assert!(
        page.contains("Agent says: ")
            && page.contains("Stop the agent")
            && page.contains("systemctl restart nginx")
    );
    assert!(!page.contains("<script>alert"), "what an agent says stays text");
    let (approve, digest) = hidden(&page, &format!("/incidents/{id}/calls/"));
    assert!(approve.ends_with("/approve"), "{approve}");
    // The link carries nothing: a program may not, a stranger may not, another digest may not.
    let form = format!("digest={digest}");
    assert_eq!(server.post(&approve, &Who::default(), &form).await.status, 401);
    let body = format!("{{\"digest\":\"{digest}\"}}");
    let api = format!("/api/v1{approve}");
    assert_eq!(server.send(Request::json(&api, &body).by(&token)).await.status, 403);
    assert_eq!(server.post(&approve, &mara, "digest=of-another-call").await.status, 409);
    assert_eq!(server.get(&format!("{approve}?digest={digest}"), &mara).await.status, 405);
    assert_eq!(server.post(&approve, &mara, &form).await.status, 303);
    assert_eq!(server.post(&approve, &mara, &form).await.status, 409, "a yes is for once");
    let page = page_with(&server, &path, &mara, "It was answered.").await;
    assert!(!page.contains("Waits for your yes or no"));
    assert!(page.contains("ot observed") || page.contains("Observed"), "the outcome is told as seen or not");
    let began = Instant::now();
    assert_eq!(server.post(&format!("{path}/turn/stop"), &mara, "").await.status, 303);
    page_with(&server, &path, &mara, "The agent was stopped").await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let events = server.desk.journal.incident(id).await;
    let given: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.body, EventBody::Turn(TurnEvent::ApprovalGiven { .. })))
        .map(|event| event.actor.to_string())
        .collect();
    assert_eq!(given, ["mara"]);
    let markdown = server.get(&format!("{path}/export/markdown"), &mara).await;
    assert!(markdown.body.contains("agent says"), "{}", markdown.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_question_from_a_target_opens_an_incident_and_streams() {
    let server = Server::start().await;
    give_engine(&server);
    let mara = server.log_in("mara", "correct horse").await;
    let asked = server.post("/targets/devvm/turn", &mara, "preset=wedged&text=").await;
    assert_eq!(asked.status, 303, "{}", asked.body);
    let path = asked.header("location").unwrap().to_owned();
    let page = page_with(&server, &path, &mara, "Is this machine wedged?").await;
    assert!(page.contains("id=\"typing\"") && page.contains("aria-live=\"polite\""));
    page_with(&server, &path, &mara, "What the agent is told").await;
    // Nobody answers behind these doors: the call fails, and the agent is told so.
    page_with(&server, &path, &mara, "It was answered.").await;
    let stream = server.get(&format!("{path}/live"), &mara).await;
    assert!(stream.body.contains("Agent says: "), "{}", stream.body);
    assert!(stream.body.contains("\"fill\":\"c") && stream.body.contains("\"line\":\"h"), "{}", stream.body);
    assert!(!stream.body.contains("<script>alert"));
    let id = IncidentId(path.rsplit('/').next().unwrap().parse().unwrap());
    let pressed = EventBody::VerbPressed {
        target: "devvm".to_owned(),
        verb: breakglass_protocol::Verb::Cycle,
        seen: None,
        shown: String::new(),
        door: "devvm-power".to_owned(),
    };
    let by = breakglass_incident::Actor::Human("ole".to_owned());
    let _ = server.desk.journal.append(Some(id), by, pressed).await;
    let page = server.get(&path, &mara).await.body;
    assert!(
        page.contains("Cycling") && page.contains("Stop the agent"),
        "it can be stopped while a verb runs"
    );
    assert_eq!(server.post(&format!("{path}/turn/stop"), &mara, "").await.status, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_outside_agent_asks_stands_on_the_board_and_a_person_decides_on_its_page() {
    let server = Server::start().await;
    let (mara, agent) = (server.log_in("mara", "correct horse").await, Who::agent());
    let tools = server.get("/api/v1/agent/tools", &agent).await;
    assert!(tools.body.contains("\"repair\"") && !tools.body.contains("\"power\""), "{}", tools.body);
    let wish = json!({ "agent": "claude-code <b>2</b>", "tool": "repair",
                       "arguments": { "target": "devvm", "command": "systemctl restart '<i>nginx'" } });
    let call = Request::json("/api/v1/agent/calls", &wish.to_string()).by(&agent);
    let (address, asking) = (server.address, tokio::spawn(call.send(server.address)));
    let board = page_with(&server, "/", &mara, "asks to change devvm").await;
    assert!(board.contains("outside agent claude-code b2/b (token laptop)"), "{board}");
    let (before, _) = board.split_once("#ask").expect("a link to the question");
    let path = before.rsplit_once('"').expect("its address").1.to_owned();
    assert!(
        server.get("/parts", &mara).await.body.contains("asks to change devvm"),
        "the live part has it too"
    );
    let page = page_with(&server, &path, &mara, "Waits for your yes or no").await;
    assert!(page.contains("systemctl restart ") && !page.contains("<i>nginx"), "{page}");
    assert!(page.contains("Nobody here started this agent") && page.contains("in no turn"), "{page}");
    let (approve, digest) = hidden(&page, &format!("{path}/calls/"));
    // The agent's own token, and a program's, decide nothing.
    let body = format!("{{\"digest\":\"{digest}\"}}");
    for who in [&agent, &Who::token()] {
        assert_eq!(server.send(Request::json(&format!("/api/v1{approve}"), &body).by(who)).await.status, 403);
    }
    let refuse = approve.replace("/approve", "/refuse");
    assert_eq!(server.post(&refuse, &mara, &format!("digest={digest}")).await.status, 303);
    let answer = asking.await.unwrap();
    assert!(answer.body.contains("(refused-by-person)"), "{}", answer.body);
    assert!(!server.get("/", &mara).await.body.contains("asks to change"));

    // One that goes away takes its question with it.
    let other = json!({ "tool": "repair", "arguments": { "target": "devvm", "command": "echo gone" } });
    let stream = Request::json("/api/v1/agent/calls", &other.to_string()).by(&agent).open(address).await;
    page_with(&server, "/", &mara, "asks to change devvm").await;
    drop(stream);
    let began = Instant::now();
    while server.get("/", &mara).await.body.contains("asks to change") {
        assert!(began.elapsed() < Duration::from_secs(20), "the question stands although nobody asks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

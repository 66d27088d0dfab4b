//! What a browser gets: hostile text made harmless, forms that work without a script, answers that say what to do.

use crate::support::{Request, Server, Who};
use breakglass_incident::{Actor, CommandId, Delivery, EventBody, IncidentId, Seq};

const HOSTILE: &str = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' \u{1b}]0;owned\u{7}\u{202e}evil";

async fn hostile_incident(server: &Server) -> IncidentId {
    let (id, _) = server.desk.journal.open_incident("devvm", HOSTILE, Actor::Human(HOSTILE.to_owned())).await;
    server.note(id, HOSTILE).await;
    let started = EventBody::CommandStarted {
        target: "devvm".to_owned(),
        door: HOSTILE.to_owned(),
        command: HOSTILE.to_owned(),
    };
    let seq = server.desk.journal.append(Some(id), Actor::Server, started).await.seq();
    let finished = EventBody::CommandFinished {
        command: CommandId(seq.0),
        target: "devvm".to_owned(),
        exit: Some(0),
        message: HOSTILE.to_owned(),
        millis: 1,
        output: HOSTILE.to_owned(),
        rest: None,
    };
    let _ = server.desk.journal.append(Some(id), Actor::Server, finished).await;
    notified(server, id, "oncall", Delivery::GivenUp, HOSTILE).await;
    id
}

async fn notified(server: &Server, id: IncidentId, receiver: &str, how: Delivery, sentence: &str) {
    let body = EventBody::Notified {
        of: Seq(1),
        key: "bg-1".to_owned(),
        receiver: receiver.to_owned(),
        how,
        tries: 3,
        sentence: sentence.to_owned(),
    };
    let _ = server.desk.journal.append(Some(id), Actor::Server, body).await;
}

#[tokio::test]
async fn an_incident_says_who_was_told_elsewhere_and_who_was_not() {
    let server = Server::start().await;
    let (id, _) = server.desk.journal.open_incident("devvm", "silent", Actor::Watch).await;
    let mara = server.log_in("mara", "correct horse").await;
    let path = format!("/incidents/{id}");
    let page = server.get(&path, &mara).await.body;
    assert!(!page.contains("Who was told elsewhere"), "nobody is told of anything, so nothing is said of it");
    notified(&server, id, "oncall", Delivery::Sent, "devvm stopped answering").await;
    notified(&server, id, "mail", Delivery::Waiting, "mail.example.org cannot be spoken to").await;
    let page = server.get(&path, &mara).await.body;
    for wanted in [
        "oncall was told",
        "mail could not be told yet",
        "mail.example.org cannot be spoken to",
        "Told oncall: devvm stopped answering.",
        "mail could not be told yet, after 3 tries.",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    // What it says is replaced when it is known better; the story keeps both.
    notified(&server, id, "mail", Delivery::Sent, "devvm stopped answering").await;
    let page = server.get(&path, &mara).await.body;
    assert!(page.contains("mail was told") && page.contains("mail could not be told yet, after 3 tries."));
    assert!(!page.contains("mail could not be told yet</span>"), "{page}");
}

fn assert_harmless(what: &str, html: &str) {
    for bad in ["<script>alert", "<img src=x", "\u{1b}", "\u{202e}", "\u{7}"] {
        assert!(!html.contains(bad), "{what} holds {bad:?}");
    }
    // Every attribute is double-quoted: a quote in the text must not get out of one.
    assert!(!html.contains("\" onload="), "{what}");
}

#[tokio::test]
async fn hostile_text_stays_text_on_every_page_and_in_every_frame() {
    let server = Server::start().await;
    let id = hostile_incident(&server).await;
    let mara = server.log_in("mara", "correct horse").await;
    for path in [
        "/".to_owned(),
        "/incidents".to_owned(),
        format!("/incidents/{id}"),
        format!("/incidents/{id}/parts"),
    ] {
        let page = server.get(&path, &mara).await;
        assert_eq!(page.status, 200);
        assert_harmless(&path, &page.body);
        assert!(
            !page.body.contains(" style=") && !page.body.contains("<script>"),
            "nothing inline on {path}"
        );
    }
    let page = server.get(&format!("/incidents/{id}"), &mara).await;
    assert!(page.body.contains("&lt;script&gt;"), "the text is there, as text");
    let frames = server.get(&format!("/incidents/{id}/live"), &mara).await;
    for line in frames.body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_harmless("a frame", value["html"].as_str().unwrap_or_default());
    }
    for path in ["/incidents/x%3Cscript%3E", "/targets/%3Cscript%3Ealert(1)%3C%2Fscript%3E"] {
        assert_harmless(path, &server.get(path, &mara).await.body);
    }
    let login = server
        .send(Request::post(
            "/login",
            "name=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=x&next=%22%3E%3Cb%3E",
        ))
        .await;
    assert_harmless("the log-in page", &login.body);
    assert!(!login.body.contains("<b>"));
}

#[tokio::test]
async fn the_policy_allows_our_own_files_and_nothing_else() {
    let server = Server::start().await;
    let login = server.get("/login", &Who::default()).await;
    let policy = login.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    assert_eq!(login.header("cache-control"), Some("no-store"));
    let assets: Vec<&str> = login.body.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 5, "{assets:?}");
    for asset in assets {
        let answer = server.get(asset, &Who::default()).await;
        assert_eq!(answer.status, 200, "{asset}");
        assert!(answer.header("cache-control").unwrap().contains("immutable"));
        assert!(answer.bytes.len() < 30 * 1024, "{asset} has {} bytes", answer.bytes.len());
    }
}

#[tokio::test]
async fn artifacts_are_bytes_that_nothing_runs() {
    let server = Server::start().await;
    let mara = server.log_in("mara", "correct horse").await;
    let journal = &server.desk.journal;
    for (bytes, claimed, media) in [
        (&b"\x89PNG\r\n\x1a\nrest"[..], "image/png", "image/png"),
        (b"<html><script>alert(1)</script>", "image/png", "text/plain; charset=utf-8"),
        (b"\xff\xfe\x00binary", "text/html", "application/octet-stream"),
    ] {
        let kept = journal.put_artifact("screen.png", claimed, bytes.to_vec()).await.unwrap();
        let answer = server.get(&format!("/artifacts/{}", kept.sha256), &mara).await;
        assert_eq!(answer.header("content-type"), Some(media), "what it claims to be counts for nothing");
        assert!(answer.header("content-security-policy").unwrap().contains("sandbox"));
        assert!(answer.header("content-disposition").is_some());
        assert_eq!(answer.bytes, bytes);
    }
    for bad in ["../../journal.db", "..%2F..%2Fjournal.db", &"z".repeat(64)] {
        assert_eq!(server.get(&format!("/artifacts/{bad}"), &mara).await.status, 404, "{bad}");
    }
}

#[tokio::test]
async fn the_power_forms_work_without_a_script_and_refuse_a_stale_press() {
    let server = Server::start().await;
    let id = server.incident().await;
    let mara = server.log_in("mara", "correct horse").await;
    let page = server.get(&format!("/incidents/{id}"), &mara).await;
    for verb in ["cycle", "reset", "stop", "start", "status", "forensics"] {
        assert!(page.body.contains(&format!("name=\"verb\" value=\"{verb}\"")), "{verb}");
    }
    assert!(page.body.contains("name=\"seen\"") && page.body.contains("name=\"shown\""));
    assert!(
        page.body.contains("breakglass power devvm cycle")
            && page.body.contains("ssh -p 1 root@127.0.0.1 cycle")
    );
    let path = format!("/incidents/{id}/power");
    assert_eq!(server.post(&path, &mara, "verb=cycle").await.status, 400, "a press without `seen` is none");
    assert_eq!(server.post(&path, &mara, "verb=Cycle&seen=1").await.status, 400);
    let body = EventBody::VerbFinished {
        press: None,
        target: "devvm".to_owned(),
        verb: breakglass_protocol::Verb::Reset,
        operation: None,
        outcome: breakglass_protocol::Outcome::Done,
        message: "reset by ole".to_owned(),
        refusal: None,
        status: None,
    };
    let newest = server.desk.journal.append(Some(id), Actor::Human("ole".to_owned()), body).await.seq().0;
    let stale = server.post(&path, &mara, "verb=cycle&seen=1&shown=running").await;
    assert_eq!(stale.status, 409, "{}", stale.body);
    assert!(stale.body.contains("Nothing was sent") && stale.body.contains("eset by ole"), "{}", stale.body);
    assert!(
        stale.body.contains(&format!("name=\"seen\" value=\"{newest}\"")),
        "the fresh form: {}",
        stale.body
    );
    let presses = server.desk.journal.incident(id).await;
    assert!(!presses.iter().any(|event| matches!(event.body, EventBody::VerbPressed { .. })));
    // Nobody answers behind this door: the page says that nothing was started, and what still works.
    let failed = server.post(&path, &mara, &format!("verb=cycle&seen={newest}&shown=running")).await;
    assert_eq!(failed.status, 502, "{}", failed.body);
    assert!(failed.body.contains("Nothing was started"), "{}", failed.body);
}

#[tokio::test]
async fn notes_commands_and_closing_go_through_their_forms() {
    let server = Server::start().await;
    let mara = server.log_in("mara", "correct horse").await;
    let opened = server.post("/targets/devvm/open", &mara, "reason=slow+since+noon").await;
    let path = opened.header("location").unwrap().to_owned();
    assert!(path.starts_with("/incidents/"), "{path}");
    let noted = server.post(&format!("{path}/note"), &mara, "text=I+stopped+the+backup").await;
    assert_eq!(noted.status, 303);
    let page = server.get(&path, &mara).await;
    assert!(
        page.body.contains("I stopped the backup") && page.body.contains("slow since noon"),
        "{}",
        page.body
    );
    let markdown = server.get(&format!("{path}/export/markdown"), &mara).await;
    assert!(markdown.header("content-disposition").unwrap().starts_with("attachment"));
    assert!(markdown.body.contains("I stopped the backup"));
    assert_eq!(server.get(&format!("{path}/export/pdf"), &mara).await.status, 404);
    assert_eq!(server.post(&format!("{path}/close"), &mara, "reason=it+is+back").await.status, 303);
    assert!(server.get(&path, &mara).await.body.contains("This incident is over"));
    let late = server.post(&format!("{path}/note"), &mara, "text=written+afterwards").await;
    assert_eq!(late.status, 303, "a post-mortem is written afterwards");
    assert_eq!(server.post(&format!("{path}/close"), &mara, "reason=again").await.status, 409);
    assert_eq!(server.post("/incidents/999/note", &mara, "text=to+nobody").await.status, 404);
    let mut events = server.desk.journal.tail(20).await.into_iter();
    assert!(events.any(|event| event.actor == Actor::Human("mara".to_owned())));
}

#[tokio::test]
async fn every_refusal_of_the_api_says_what_to_do() {
    let server = Server::start().await;
    let token = Who::token();
    for request in [
        Request::get("/api/v1/targets/none"),
        Request::get("/api/v1/incidents/999"),
        Request::get("/api/v1/incidents/999/events"),
        Request::get("/api/v1/none"),
        Request::json("/api/v1/targets/devvm/verbs/explode", ""),
        Request::json("/api/v1/targets/devvm/verbs/cycle", "{\"nonsense\":1}"),
        Request::json("/api/v1/incidents", "not json"),
        Request::json("/api/v1/incidents/999/notes", "{\"text\":\"x\"}"),
    ] {
        let answer = server.send(request.by(&token)).await;
        let value: serde_json::Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body));
        assert!((400..500).contains(&answer.status), "{}", answer.body);
        assert!(value["error"].is_string() && value["what_now"].is_string(), "{}", answer.body);
    }
    let none = server.get("/api/v1/targets", &Who::default()).await;
    let value: serde_json::Value = serde_json::from_str(&none.body).unwrap();
    assert!(value["what_now"].as_str().unwrap().contains("token"));
    let depends = server.get("/api/v1/dependencies", &token).await;
    assert!(
        depends.body.contains("line 4"),
        "the broken line of the password file is told: {}",
        depends.body
    );
    assert_eq!(server.get("/api/v1/journal/head", &token).await.status, 200);
}

#[tokio::test]
async fn a_host_is_looked_at_by_one_tap_and_its_answers_stand_on_its_page() {
    let server = Server::start().await;
    let mara = server.log_in("mara", "correct horse").await;
    let hosts = server.get("/hosts", &mara).await;
    assert!(hosts.body.contains("href=\"/hosts/devvm\""), "{}", hosts.body);
    let started = EventBody::CommandStarted {
        target: "devvm".to_owned(),
        door: "devvm-diag".to_owned(),
        command: format!("grep {HOSTILE} /var/log/syslog"),
    };
    let seq = server.desk.journal.append(None, Actor::Human(HOSTILE.to_owned()), started).await.seq();
    let finished = EventBody::CommandFinished {
        command: CommandId(seq.0),
        target: "devvm".to_owned(),
        exit: Some(77),
        message: HOSTILE.to_owned(),
        millis: 1,
        output: HOSTILE.to_owned(),
        rest: None,
    };
    let _ = server.desk.journal.append(None, Actor::Server, finished).await;
    let page = server.get("/hosts/devvm", &mara).await;
    assert_eq!(page.status, 200);
    assert_harmless("/hosts/devvm", &page.body);
    for words in ["action=\"/hosts/devvm/look\"", "Failed units", "Refused by the guard", "Exit 77"] {
        assert!(page.body.contains(words), "no {words} on {}", page.body);
    }
    let none = server.get("/hosts/pve", &mara).await;
    assert_eq!(none.status, 404);
    assert!(none.body.contains("breakglass-guard install diag"), "{}", none.body);
}

#[tokio::test]
async fn a_way_in_that_is_not_proven_is_red_on_the_board_the_target_and_the_host() {
    let server = Server::start().await;
    let mara = server.log_in("mara", "correct horse").await;
    let quiet = server.get("/", &mara).await.body;
    assert!(!quiet.contains("not proven"), "{quiet}");
    let trial = |held: bool| breakglass_incident::Trial {
        what: "a plain shell command is refused".to_owned(),
        held,
        seen: HOSTILE.to_owned(),
    };
    let door = |name: &str, kind: &str, proven: bool| breakglass_incident::Proof {
        door: name.to_owned(),
        kind: kind.to_owned(),
        proven,
        trials: vec![trial(proven)],
        next: "Put the forced command back".to_owned(),
    };
    let found = [door("devvm-power", "power", false), door("devvm-repair", "repair", true)];
    server.desk.board.show_proofs(crate::support::now(), &found);
    for path in ["/", "/targets/devvm"] {
        let page = server.get(path, &mara).await.body;
        assert_harmless(path, &page);
        for wanted in ["devvm-power is not proven", "Put the forced command back"] {
            assert!(page.contains(wanted), "{wanted} on {path}: {page}");
        }
    }
    let board = server.get("/", &mara).await.body;
    assert!(board.contains("1 way in is not proven") && board.contains("<small>proven "), "{board}");
    let target = server.get("/targets/devvm", &mara).await.body;
    assert!(target.contains("devvm-repair was proven"), "{target}");
}

//! Looking at sessions and ending them.

use crate::support::{Request, Server, Who, now};
use breakglass_e2e::stage::password_hash;
use breakglass_fleet::{Role, Roles};
use breakglass_incident::EventBody;
use std::time::Duration;
use tempfile::TempDir;

/// A server on state that outlives it, with mara as admin.
async fn on(kept: &TempDir) -> Server {
    let passwords = kept.path().join("passwords");
    if !passwords.exists() {
        let text = format!(
            "mara:{}\nole:{}\n",
            password_hash("correct horse").unwrap(),
            password_hash("battery staple").unwrap()
        );
        std::fs::write(&passwords, text).unwrap();
    }
    Server::with(|config| {
        config.page.password_file = Some(passwords);
        config.state_dir = kept.path().join("state");
        let people = vec![("mara".to_owned(), Role::Admin)];
        config.page.roles = Roles { everybody: Role::Operate, people, ..Roles::default() };
    })
    .await
}

async fn listed(server: &Server, admin: &Who) -> Vec<(String, String)> {
    let answer = server.get("/api/v1/sessions", admin).await;
    let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let one = |session: &serde_json::Value, field: &str| session[field].as_str().unwrap().to_owned();
    value["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| (one(session, "name"), one(session, "id")))
        .collect()
}

fn id_of(all: &[(String, String)], name: &str) -> String {
    all.iter().find(|(whose, _)| whose == name).unwrap().1.clone()
}

async fn is_in(server: &Server, who: &Who) -> bool {
    server.get("/", who).await.status == 200
}

#[tokio::test]
async fn an_admin_ends_anybodys_session_and_others_end_their_own() {
    let kept = TempDir::new().unwrap();
    let server = on(&kept).await;
    let (mara, ole) =
        (server.log_in("mara", "correct horse").await, server.log_in("ole", "battery staple").await);
    let all = listed(&server, &mara).await;
    assert_eq!(all.len(), 2);
    let (hers, his) = (id_of(&all, "mara"), id_of(&all, "ole"));
    let page = server.get("/sessions", &ole).await.body;
    assert!(page.contains(&his) && !page.contains(&hers), "one sees one's own: {page}");
    assert!(server.get("/sessions", &mara).await.body.contains(&format!("/admin/sessions/{his}/end")));
    assert_eq!(server.get("/api/v1/sessions", &ole).await.status, 403);
    assert_eq!(server.post(&format!("/sessions/{hers}/end"), &ole, "").await.status, 404, "not his to end");
    assert_eq!(server.post(&format!("/admin/sessions/{hers}/end"), &ole, "").await.status, 403);
    assert!(is_in(&server, &mara).await);

    assert_eq!(server.post(&format!("/admin/sessions/{his}/end"), &mara, "").await.status, 303);
    assert!(!is_in(&server, &ole).await && is_in(&server, &mara).await);
    let again = server.log_in("ole", "battery staple").await;
    assert_eq!(server.post("/api/v1/people/ole/end", &mara, "").await.status, 200);
    assert!(!is_in(&server, &again).await);
    let ended: Vec<_> = server.desk.journal.tail(20).await.into_iter().map(|event| event.body).collect();
    let of = |id: Option<&String>| EventBody::SessionsEnded { name: "ole".to_owned(), session: id.cloned() };
    assert!(ended.contains(&of(Some(&his))) && ended.contains(&of(None)), "{ended:?}");

    // Her own, from the page: she is out and her browser is told so.
    let out = server.post(&format!("/sessions/{hers}/end"), &mara, "").await;
    assert!(out.leads_to_login() && out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!is_in(&server, &mara).await);
}

#[tokio::test]
async fn what_was_ended_stays_ended_after_a_restart_and_what_was_not_goes_on() {
    let kept = TempDir::new().unwrap();
    let server = on(&kept).await;
    let mara = server.log_in("mara", "correct horse").await;
    let (out, ended) =
        (server.log_in("ole", "battery staple").await, server.log_in("ole", "battery staple").await);
    assert!(server.post("/logout", &out, "").await.leads_to_login());
    let id = id_of(&listed(&server, &mara).await, "ole");
    assert_eq!(server.post(&format!("/admin/sessions/{id}/end"), &mara, "").await.status, 303);
    assert!(server.end().await);

    let server = on(&kept).await;
    assert!(is_in(&server, &mara).await);
    assert!(
        !is_in(&server, &out).await && !is_in(&server, &ended).await,
        "a copy of the cookie does not come back"
    );
    // And at the command line, without asking the server.
    let ole = server.log_in("ole", "battery staple").await;
    let state = kept.path().join("state");
    breakglass_web::end_sessions_of(&state, "ole", now()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while is_in(&server, &ole).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("the server hears of it");
    assert!(is_in(&server, &mara).await);
    assert!(server.end().await);
    let left = breakglass_web::kept_sessions(&state, now()).unwrap();
    assert_eq!(left.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["mara"]);
}

#[tokio::test]
async fn without_a_disk_a_session_is_ended_and_the_page_says_that_it_is_not_kept() {
    let server = Server::with(|config| config.state_dir = "/proc/nowhere".into()).await;
    let (mara, ole) =
        (server.log_in("mara", "correct horse").await, server.log_in("ole", "battery staple").await);
    let id = id_of(&listed(&server, &mara).await, "ole");
    let answer = server.post(&format!("/api/v1/sessions/{id}/end"), &mara, "").await;
    assert!(answer.status == 200 && answer.body.contains("\"kept\":false"), "{}", answer.body);
    assert!(!is_in(&server, &ole).await);
    let page = server.get("/", &mara).await.body;
    assert!(
        page.contains("session key cannot be kept") || page.contains("could not be written down"),
        "{page}"
    );
}

#[tokio::test]
async fn every_failed_way_names_the_others() {
    let server = Server::start().await;
    let failed = [
        server.send(Request::post("/login", "name=mara&password=wrong")).await,
        server.get("/api/v1/targets", &Who::bearer("wrong")).await,
        server.get("/api/v1/targets", &Who::default()).await,
        server.send(Request::post("/targets/devvm/power", "verb=cycle")).await,
    ];
    for answer in failed {
        assert_eq!(answer.status, 401);
        for way in [
            "breakglass password NAME",
            "breakglass token NAME",
            "breakglass power TARGET cycle",
            "ssh -i KEY",
        ] {
            assert!(answer.body.contains(way), "{way} in {}", answer.body);
        }
        assert!(answer.body.contains("ingle sign-on") && !answer.body.contains("devvm"), "{}", answer.body);
    }
    let folded = server.get("/login", &Who::default()).await.body;
    assert!(
        folded.contains("Other ways in")
            && !folded.contains("<details class=\"fold panel\" id=\"ways\" open")
    );
}

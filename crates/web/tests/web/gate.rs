//! The table of routes, walked with every kind of identity.

use crate::support::{AGENT_TOKEN, Answer, METRICS_TOKEN, Request, Server, TOKEN, Who};
use breakglass_web::{Kind, ROUTES, Route, Who as May};
use std::collections::BTreeSet;

/// A real address for a route of the table.
fn address(route: &Route, incident: u64) -> String {
    route
        .path
        .replace("{id}", &incident.to_string())
        .replace("{call}", "7")
        .replace("/assets/{name}", "/assets/none.css")
        .replace("{name}", "devvm")
        .replace("{format}", "json")
        .replace("{sha256}", &"0".repeat(64))
        .replace("{verb}", "status")
}

/// A body that the route understands, so that what is refused is refused for who asks, not for what is asked.
pub(crate) fn request(route: &Route, incident: u64) -> Request {
    let path = address(route, incident);
    if route.method.as_str() == "GET" {
        return Request::get(&path);
    }
    if path.starts_with("/api/") {
        let body = match route.path.rsplit('/').next().unwrap() {
            "commands" => r#"{"command":"true"}"#,
            "calls" => r#"{"tool":"runbook"}"#,
            "looks" => r#"{"request":"uptime"}"#,
            "incidents" => r#"{"target":"devvm","reason":"test"}"#,
            "turns" => r#"{"ask":"test"}"#,
            "approve" | "refuse" => r#"{"digest":"x"}"#,
            "notes" => r#"{"text":"test"}"#,
            "close" => r#"{"reason":"test"}"#,
            "accept-key" => r#"{"shown":"SHA256:x"}"#,
            _ => "",
        };
        return Request::json(&path, body);
    }
    Request::post(
        &path,
        "verb=status&command=true&request=uptime&text=test&reason=test&shown=x&name=mara&password=wrong&digest=x",
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// As if nobody asked.
    Stranger,
    /// Let through.
    Through,
    /// Known, and refused.
    Refused,
}

pub(crate) fn check(route: &Route, who: &str, expect: Expect, answer: &Answer) {
    let told = format!("{} {} by {who}: {} {}", route.method, route.path, answer.status, answer.body);
    match expect {
        Expect::Stranger if route.kind == Kind::Page && route.method.as_str() == "GET" => {
            assert!(answer.leads_to_login(), "{told}");
        }
        Expect::Stranger => assert_eq!(answer.status, 401, "{told}"),
        Expect::Refused => assert_eq!(answer.status, 403, "{told}"),
        Expect::Through => {
            assert!(![401, 403, 405].contains(&answer.status) && answer.status < 503, "{told}");
            let ends_here = route.path == "/logout";
            assert!(ends_here || !answer.leads_to_login(), "{told}");
        }
    }
    if expect != Expect::Through {
        assert!(!answer.body.contains("devvm"), "an answer to a stranger tells nothing of the fleet: {told}");
    }
    assert!(answer.header("content-security-policy").is_some(), "{told}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{told}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_with_every_kind_of_identity() {
    let server = Server::start().await;
    let incident = server.incident().await.0;
    let session = server.log_in("mara", "correct horse").await;
    let proxied = server.by_proxy("ida").await;
    let forged = Who { from: None, csrf: proxied.csrf.clone(), ..proxied.clone() };
    let tampered =
        session.cookie.as_ref().map(|cookie| cookie.replacen("breakglass=2.", "breakglass=2.A", 1));
    let other_csrf = Who { csrf: proxied.csrf.clone(), ..session.clone() };
    let with = |who: &Who, name, value: &str| Who { extra: vec![(name, value.to_owned())], ..who.clone() };
    let people: Vec<(&str, Who)> = vec![
        ("nobody", Who::default()),
        ("a wrong token", Who { bearer: Some("wrong".to_owned()), ..Who::default() }),
        ("a wrong token beside a session", Who { bearer: Some("wrong".to_owned()), ..session.clone() }),
        ("a forged header", forged),
        ("a tampered session", Who { cookie: tampered, ..session.clone() }),
        ("a token", Who::token()),
        ("an agent's token", Who { bearer: Some(AGENT_TOKEN.to_owned()), ..Who::default() }),
        (
            "an agent's token beside a session",
            Who { bearer: Some(AGENT_TOKEN.to_owned()), ..session.clone() },
        ),
        ("a metrics token", Who { bearer: Some(METRICS_TOKEN.to_owned()), ..Who::default() }),
        (
            "a metrics token beside a session",
            Who { bearer: Some(METRICS_TOKEN.to_owned()), ..session.clone() },
        ),
        ("a token from elsewhere", with(&Who::token(), "sec-fetch-site", "cross-site")),
        ("a session", session.clone()),
        ("a session without proof", Who { csrf: None, ..session.clone() }),
        ("a session with another's proof", other_csrf),
        ("a session from another site", with(&session, "sec-fetch-site", "cross-site")),
        ("a session from another origin", with(&session, "origin", "https://evil.example")),
        ("a session from no origin", with(&session, "origin", "null")),
        ("a listed proxy", proxied.clone()),
        ("a listed proxy without proof", Who { csrf: None, ..proxied.clone() }),
    ];
    for route in ROUTES {
        for (name, who) in &people {
            let post = route.method.as_str() == "POST";
            let elsewhere = name.contains("site") || name.contains("origin") || name.contains("elsewhere");
            let expect = match *name {
                _ if route.who == May::Public && post && elsewhere => Expect::Refused,
                _ if route.path == "/login" && post => continue,
                _ if route.who == May::Public => Expect::Through,
                "nobody"
                | "a wrong token"
                | "a wrong token beside a session"
                | "a forged header"
                | "a tampered session" => Expect::Stranger,
                name if name.starts_with("a metrics token") => match route.who {
                    May::Scraper => Expect::Through,
                    _ => Expect::Refused,
                },
                name if name.starts_with("an agent's token") && route.who != May::Agent => Expect::Refused,
                name if !name.starts_with("an agent's token") && route.who == May::Agent => Expect::Refused,
                name if name.starts_with("a token") && route.who == May::Person => Expect::Refused,
                _ if post && (elsewhere || name.contains("proof")) => Expect::Refused,
                _ => Expect::Through,
            };
            // Logging out ends a session: it gets one of its own.
            let fresh = if route.path == "/logout" && *name == "a session" {
                Some(server.log_in("ole", "battery staple").await)
            } else {
                None
            };
            let answer = server.send(request(route, incident).by(fresh.as_ref().unwrap_or(who))).await;
            if route.path == "/login" && expect == Expect::Through {
                // Who is known is led on; who is not sees the form.
                assert!([200, 303].contains(&answer.status), "{name}");
                continue;
            }
            check(route, name, expect, &answer);
        }
    }
    assert!(server.end().await);
}

#[tokio::test]
async fn what_is_not_in_the_table_is_behind_the_gate_too() {
    let server = Server::start().await;
    let session = server.log_in("mara", "correct horse").await;
    for path in
        ["/nothing", "/.git/config", "/api/v2/targets", "/demo", "//", "/login/", "/assets", "/healthz/x"]
    {
        let answer = server.get(path, &Who::default()).await;
        assert!(answer.leads_to_login() || answer.status == 401, "{path}: {}", answer.status);
    }
    assert_eq!(server.get("/nothing", &session).await.status, 404);
    assert_eq!(server.get("/demo", &session).await.status, 200);
    let bare = Who { csrf: None, ..session.clone() };
    assert_eq!(server.post("/demo", &bare, "a=b").await.status, 403);
    assert_eq!(server.post("/demo", &Who::default(), "a=b").await.status, 401);
    assert_eq!(server.post("/demo", &session, "a=b").await.status, 200);
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"] {
        let request = |who: &Who| Request::post("/incidents", "a=b").method(method).by(who);
        assert_eq!(server.send(request(&Who::default())).await.status, 401, "{method}");
        assert_eq!(server.send(request(&session)).await.status, 405, "{method}");
    }
    let head = Request::get("/").method("HEAD").by(&Who::default());
    assert!(server.send(head).await.leads_to_login());
}

#[test]
fn the_table_holds_each_route_once_and_few_that_are_public() {
    let mut seen = BTreeSet::new();
    for route in ROUTES {
        assert!(seen.insert((route.method.as_str(), route.path)), "{} {} twice", route.method, route.path);
        assert!(["GET", "POST"].contains(&route.method.as_str()));
    }
    let public: Vec<_> =
        ROUTES.iter().filter(|r| r.who == May::Public).map(|r| (r.method.as_str(), r.path)).collect();
    assert_eq!(
        public,
        [("GET", "/healthz"), ("GET", "/assets/{name}"), ("GET", "/login"), ("POST", "/login")]
    );
}

#[tokio::test]
async fn a_token_in_the_address_or_a_basic_header_opens_nothing() {
    let server = Server::start().await;
    for request in [
        Request::get(&format!("/api/v1/targets?token={TOKEN}")),
        Request::get("/api/v1/targets").header("authorization", &format!("Basic {TOKEN}")),
        Request::get("/api/v1/targets").header("cookie", &format!("breakglass={TOKEN}")),
    ] {
        assert_eq!(server.send(request).await.status, 401);
    }
    assert_eq!(server.get("/api/v1/targets", &Who::token()).await.status, 200);
}

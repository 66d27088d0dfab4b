//! The table of routes, walked with every role by every way of having one; and what a page shows to each.

use crate::gate::{Expect, check, request};
use crate::support::{GROUPS, HEADER, PROXY, ROLE_TOKENS, Request, Server, Who};
use breakglass_fleet::{Role, Roles};
use breakglass_web::{ROUTES, WebConfig, Who as May};

fn strict(config: &mut WebConfig) {
    let named = |names: &[(&str, Role)]| {
        names.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect::<Vec<_>>()
    };
    config.page.roles = Roles {
        everybody: Role::View,
        people: named(&[("mara", Role::Admin), ("ole", Role::Operate)]),
        tokens: named(&[("operator", Role::Operate), ("admin", Role::Admin)]),
        groups: named(&[("on call", Role::Operate), ("infra", Role::Admin)]),
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_with_every_role() {
    let server = Server::with(strict).await;
    let incident = server.incident().await.0;
    let mut people = vec![
        ("mara, named", Role::Admin, server.log_in("mara", "correct horse").await),
        ("ole, named", Role::Operate, server.log_in("ole", "battery staple").await),
        ("ida, in no group", Role::View, server.by_proxy("ida").await),
        ("ida, on call", Role::Operate, server.by_proxy_with_groups("ida", Some("staff, on call")).await),
        ("ida, in infra", Role::Admin, server.by_proxy_with_groups("ida", Some("staff|infra,on call")).await),
        ("ole, in infra", Role::Operate, server.by_proxy_with_groups("ole", Some("infra")).await),
    ];
    for (name, token) in ROLE_TOKENS {
        let role = match name {
            "viewer" => Role::View,
            "operator" => Role::Operate,
            _ => Role::Admin,
        };
        people.push((name, role, Who::bearer(token)));
    }
    for route in ROUTES.iter().filter(|route| route.path != "/login" && route.path != "/logout") {
        // Side by side: a stream is listened to for a moment by each.
        let asked = people.iter().map(|(_, _, who)| server.send(request(route, incident).by(who)));
        let answers = futures_util::future::join_all(asked).await;
        for ((name, role, who), answer) in people.iter().zip(&answers) {
            let program = who.bearer.is_some();
            let expect = match route.who {
                May::Public => Expect::Through,
                May::Agent => Expect::Refused,
                May::Person if program => Expect::Refused,
                _ if *role < route.role => Expect::Refused,
                _ => Expect::Through,
            };
            check(route, name, expect, answer);
            if expect == Expect::Refused && !(program && route.who == May::Person) && route.who != May::Agent
            {
                let told = format!("This needs the role {}; yours is {role}.", route.role);
                assert!(answer.body.contains(&told), "{} {}: {}", route.method, route.path, answer.body);
            }
        }
    }
    assert!(server.end().await);
}

#[test]
fn whatever_changes_something_needs_more_than_view() {
    // What an outside agent may is no matter of roles: it is granted tool by tool, at the gate behind the route.
    let free = ["/login", "/logout", "/sessions/{id}/end", "/api/v1/agent/calls"];
    for route in ROUTES.iter().filter(|route| route.method.as_str() == "POST") {
        assert_eq!(route.role == Role::View, free.contains(&route.path), "{}", route.path);
    }
    let admin: Vec<_> =
        ROUTES.iter().filter(|route| route.role == Role::Admin).map(|route| route.path).collect();
    assert_eq!(
        admin,
        [
            "/admin/sessions/{id}/end",
            "/admin/people/{name}/end",
            "/hosts/{name}/accept-key",
            "/api/v1/sessions",
            "/api/v1/sessions/{id}/end",
            "/api/v1/people/{name}/end",
            "/api/v1/hosts/{name}/accept-key"
        ]
    );
}

#[tokio::test]
async fn groups_count_from_the_listed_proxy_alone_and_only_once() {
    let server = Server::with(strict).await;
    let role = |answer: &str| {
        let value: serde_json::Value = serde_json::from_str(answer).unwrap();
        value["role"].as_str().unwrap().to_owned()
    };
    let ida =
        || Request::get("/api/v1/me").by(&Who { from: Some(PROXY), ..Who::default() }).header(HEADER, "ida");
    assert_eq!(role(&server.send(ida().header(GROUPS, "infra")).await.body), "admin");
    let twice = ida().header(GROUPS, "infra").header(GROUPS, "staff");
    assert_eq!(role(&server.send(twice).await.body), "view", "one of the two is the client's own");
    assert_eq!(role(&server.send(ida().header(GROUPS, "INFRA, infra2, not infra")).await.body), "view");
    // Her own session, from an address that is no proxy's: the header is nobody's word.
    let ole = server.log_in("ole", "battery staple").await;
    let forged = Request::get("/api/v1/me").by(&ole).header(HEADER, "ole").header(GROUPS, "infra");
    assert_eq!(role(&server.send(forged).await.body), "operate");
    let token = Request::get("/api/v1/me").by(&Who::token()).header(GROUPS, "infra");
    assert_eq!(role(&server.send(token).await.body), "view", "a token has no groups");
}

#[tokio::test]
async fn what_one_may_not_press_stands_there_disabled_and_says_why() {
    let server = Server::with(strict).await;
    let incident = server.incident().await;
    let viewer = server.by_proxy("ida").await;
    let ole = server.log_in("ole", "battery staple").await;
    for path in [format!("/incidents/{incident}"), "/hosts/devvm".to_owned()] {
        let page = server.get(&path, &viewer).await.body;
        assert!(page.contains("This needs the role operate; yours is view."), "{path}: {page}");
        let mut rest = page.as_str();
        let mut open = false;
        while let Some((before, after)) = rest.split_once("<button") {
            open = match (before.rfind("<fieldset disabled"), before.rfind("</fieldset>")) {
                (Some(begins), Some(ends)) => begins > ends,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => open,
            };
            let button = after.split_once("</button>").unwrap().0;
            let free = button.contains("Log out");
            assert!(open || free, "{path}: a viewer can press {button}");
            rest = after;
        }
        let page = server.get(&path, &ole).await.body;
        assert!(!page.contains("<fieldset"), "{path}: nothing is kept from who operates");
    }
}

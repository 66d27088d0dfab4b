//! The document of the API, held against the server: every answer that any test of this binary gets must stand in it.

use crate::support::{Answer, METRICS_TOKEN, Request, Server, Who};
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| breakglass_web::openapi_document("1"));

/// What the document tells of a request; nothing where it is not of the API.
fn told(method: &str, path: &str) -> Option<&'static Value> {
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_ascii_lowercase() };
    let asked: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
    let fits = |template: &str| {
        let words: Vec<&str> = template.split('/').collect();
        words.len() == asked.len()
            && words.iter().zip(&asked).all(|(word, is)| word.starts_with('{') || word == is)
    };
    // What is spelt out goes before what is named, as in the router.
    let mut paths: Vec<_> =
        DOCUMENT["paths"].as_object().unwrap().iter().filter(|(path, _)| fits(path)).collect();
    paths.sort_by_key(|(path, _)| path.matches('{').count());
    paths.into_iter().find_map(|(_, item)| item.get(&method))
}

/// Whether an answer is one that the document tells of.
pub(crate) fn holds(method: &str, path: &str, answer: &Answer) -> Result<(), String> {
    let Some(operation) = told(method, path) else { return Ok(()) };
    let status = answer.status.to_string();
    let Some(response) = operation["responses"].get(&status) else {
        return Err(format!("{status} is not in the document: {}", answer.body));
    };
    let media = answer.header("content-type").unwrap_or_default().split(';').next().unwrap();
    match response["content"].as_object() {
        Some(content) if content.contains_key(media) => Ok(()),
        content => Err(format!("{status} is {media}, and the document knows {content:?}")),
    }
}

#[tokio::test]
async fn the_document_is_for_whoever_is_known_and_is_the_same_that_is_made_here() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/v1/openapi.json", &Who::default()).await.status, 401);
    let metrics = Who { bearer: Some(METRICS_TOKEN.to_owned()), ..Who::default() };
    assert_eq!(server.get("/api/v1/openapi.json", &metrics).await.status, 403);
    let answer = server.get("/api/v1/openapi.json", &Who::token()).await;
    assert_eq!(answer.status, 200);
    let served: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(served, breakglass_web::openapi_document(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn what_does_not_fit_is_answered_in_json_that_says_so() {
    let server = Server::start().await;
    let incident = server.incident().await;
    for (request, status) in [
        (Request::get("/api/v1/incidents/-1"), 400),
        (Request::get("/api/v1/incidents/18446744073709551616"), 400),
        (Request::get("/api/v1/incidents/18446744073709551615"), 404),
        (
            Request::get("/api/v1/incidents/9223372036854775808/events").header("accept", "application/json"),
            404,
        ),
        (Request::get(&format!("/api/v1/incidents/{incident}/events?after=x")), 400),
        (Request::get("/api/v1/events?after=-1"), 400),
        (Request::get("/api/v1/targets/%ff"), 400),
        (Request::json("/api/v1/incidents", "{"), 400),
        (Request::json("/api/v1/incidents", "[]"), 422),
        (Request::json("/api/v1/incidents", r#"{"target":"devvm"}"#), 422),
        (Request::json("/api/v1/targets/devvm/verbs/cycle", "null"), 422),
        (Request::json("/api/v1/targets/devvm/verbs/cycle", r#"{"seen":-1}"#), 422),
        // The first number that does not fit, which as a float is the largest that would.
        (Request::json("/api/v1/targets/devvm/verbs/cycle", r#"{"incident":18446744073709551616}"#), 422),
        (Request::json("/api/v1/targets/devvm/commands", r#"{"command":"true\u0000"}"#), 400),
        // Nothing is written into an incident that there is not.
        (Request::json("/api/v1/targets/devvm/commands", r#"{"command":"true","incident":900}"#), 404),
        (Request::json("/api/v1/hosts/devvm/looks", r#"{"request":"uptime","incident":900}"#), 404),
        (Request::post("/api/v1/incidents", "a=b"), 415),
    ] {
        let asked = format!("{request:?}");
        let answer = server.send(request.by(&Who::token())).await;
        assert_eq!(answer.status, status, "{asked}: {}", answer.body);
        let said: Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{asked}: {}", answer.body));
        assert!(said["error"].is_string() && said["what_now"].is_string(), "{asked}: {said}");
    }
}

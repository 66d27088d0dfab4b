//! A topic of an ntfy server: <https://docs.ntfy.sh/publish/#publish-as-json>. The key of the notice is its sequence id, so that a
//! server that knows those shows a second copy in the place of the first.

use crate::http::Post;
use crate::notice::{Letter, Urgency};
use crate::secret::Secret;
use crate::trouble::Trouble;
use breakglass_fleet::{Address, Ntfy};
use serde_json::json;
use std::path::Path;

pub(crate) async fn send(ntfy: &Ntfy, letter: &Letter, ca_file: Option<&Path>) -> Result<(), Trouble> {
    let topic = match &ntfy.topic {
        Address::Plain(topic) => topic.clone(),
        Address::File(path) => Secret::read(path).await.map_err(Trouble::passing)?.reveal().to_owned(),
    };
    let (priority, tag) = match letter.urgency {
        Urgency::Wakes => (5, "rotating_light"),
        Urgency::Waits => (3, "information_source"),
    };
    let body = json!({
        "topic": topic,
        "title": format!("{}: {}", letter.fleet, letter.title),
        "message": letter.text,
        "priority": priority,
        "tags": [tag],
        "click": letter.link,
        "sequence_id": letter.id,
    });
    let mut headers =
        vec![("content-type", "application/json".to_owned()), ("x-sequence-id", letter.id.clone())];
    if let Some(path) = &ntfy.token_file {
        let token = Secret::read(path).await.map_err(Trouble::passing)?;
        headers.push(("authorization", format!("Bearer {}", token.reveal())));
    }
    Post { url: format!("{}/", ntfy.server), headers, body: body.to_string() }.send(ca_file).await
}

//! A webhook: the letter as JSON, signed as <https://www.standardwebhooks.com> describes it, so that a receiver can check it with
//! the library of its language: HMAC-SHA256 over `id.timestamp.body`. The id is the key of the notice, the same at every try.

use crate::http::Post;
use crate::notice::Letter;
use crate::secret::Secret;
use crate::trouble::Trouble;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use breakglass_fleet::{Address, Webhook};
use breakglass_protocol::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::path::Path;
use zeroize::Zeroizing;

/// Before a secret that is written in base64.
const PREFIX: &str = "whsec_";

pub(crate) async fn send(
    webhook: &Webhook,
    letter: &Letter,
    now: Timestamp,
    ca_file: Option<&Path>,
) -> Result<(), Trouble> {
    let secret = Secret::read(&webhook.secret_file).await.map_err(Trouble::passing)?;
    let url = match &webhook.url {
        Address::Plain(url) => url.clone(),
        Address::File(path) => Secret::read(path).await.map_err(Trouble::passing)?.reveal().to_owned(),
    };
    let body = serde_json::to_string(letter).map_err(|error| Trouble::lasting(error.to_string()))?;
    let time = now.unix_millis().div_euclid(1000).to_string();
    let signature = signature(secret.reveal(), &letter.id, &time, &body)?;
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", letter.id.clone()),
        ("webhook-timestamp", time),
        ("webhook-signature", signature),
        ("idempotency-key", letter.id.clone()),
    ];
    Post { url, headers, body }.send(ca_file).await
}

/// `v1,` and the code in base64.
fn signature(secret: &str, id: &str, time: &str, body: &str) -> Result<String, Trouble> {
    let bad = || Trouble::lasting(format!("the secret begins with {PREFIX} and is no base64 after it"));
    let key = Zeroizing::new(match secret.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| bad())?,
        None => secret.as_bytes().to_vec(),
    });
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key).map_err(|error| Trouble::lasting(error.to_string()))?;
    for part in [id, ".", time, ".", body] {
        mac.update(part.as_bytes());
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks documentation.
    #[test]
    fn a_signature_is_what_the_libraries_of_receivers_check() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed =
            signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(!signature("whsec_***", "a", "1", "").unwrap_err().again);
    }
}

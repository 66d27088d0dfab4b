//! The ssh-agent protocol as far as a keyholder speaks it: name the keys, sign with one. Everything else is refused.
//!
//! Pure: one message in, one message out, whatever the bytes are. Framing, sockets and who may ask are [`super::serve`]'s.

use super::load::Key;

/// The longest message that is read; a request to sign is a few hundred bytes.
pub(super) const MESSAGE_LIMIT: usize = 64 * 1024;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Which hash an RSA signature shall use (`draft-ietf-sshm-ssh-agent`, 3.6.1).
pub(super) const RSA_SHA2_256: u32 = 2;
pub(super) const RSA_SHA2_512: u32 = 4;

/// The answer to a message, without its frame.
pub(super) fn answer(keys: &[Key], message: &[u8]) -> Vec<u8> {
    let answer = match message.split_first() {
        Some((&REQUEST_IDENTITIES, [])) => identities(keys),
        Some((&SIGN_REQUEST, rest)) => sign(keys, rest),
        _ => None,
    };
    answer.unwrap_or_else(|| vec![FAILURE])
}

fn identities(keys: &[Key]) -> Option<Vec<u8>> {
    let mut answer = vec![IDENTITIES_ANSWER];
    answer.extend_from_slice(&u32::try_from(keys.len()).ok()?.to_be_bytes());
    for key in keys {
        put(&mut answer, key.blob())?;
        put(&mut answer, key.name().as_bytes())?;
    }
    Some(answer)
}

fn sign(keys: &[Key], mut rest: &[u8]) -> Option<Vec<u8>> {
    let blob = take(&mut rest)?;
    let data = take(&mut rest)?;
    let flags = u32::from_be_bytes(rest.try_into().ok()?);
    let signature = keys.iter().find(|key| key.blob() == blob)?.sign(data, flags)?;
    let mut answer = vec![SIGN_RESPONSE];
    put(&mut answer, &signature)?;
    Some(answer)
}

/// Appends a string with its length before it.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

/// Takes a string with its length before it off the front.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (string, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(string)
}

/// A whole message at the front of `bytes`, and the length of its frame; `Err` where it can never be one.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, ()> {
    let Some((length, rest)) = bytes.split_at_checked(4) else { return Ok(None) };
    let length = length.try_into().map(u32::from_be_bytes).map_err(|_| ())?;
    let length = usize::try_from(length).map_err(|_| ())?;
    if length == 0 || length > MESSAGE_LIMIT {
        return Err(());
    }
    Ok(rest.get(..length).map(|message| (message, length + 4)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::ssh_encoding::Decode;
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
    use russh::keys::{PrivateKey, signature::Verifier, ssh_key::Signature};

    fn key() -> (Key, PrivateKey) {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[7; 32]));
        let private = PrivateKey::new(pair, "").expect("a key");
        (Key::new("devvm-key".to_owned(), private.clone()).expect("loads"), private)
    }

    #[test]
    fn names_its_keys_and_signs() {
        let (key, private) = key();
        let keys = [key];
        let list = answer(&keys, &[REQUEST_IDENTITIES]);
        assert_eq!(list[..5], [IDENTITIES_ANSWER, 0, 0, 0, 1]);
        assert!(list.ends_with(b"devvm-key"));

        let mut request = vec![SIGN_REQUEST];
        put(&mut request, keys[0].blob());
        put(&mut request, b"data");
        request.extend_from_slice(&[0; 4]);
        let answered = answer(&keys, &request);
        assert_eq!(answered[0], SIGN_RESPONSE);
        let mut rest = &answered[1..];
        let mut signature = take(&mut rest).expect("a signature");
        let signature = Signature::decode(&mut signature).expect("well formed");
        Verifier::verify(private.public_key(), b"data", &signature).expect("fits");
    }

    #[test]
    fn garbage_is_refused_and_never_panics() {
        let (key, _) = key();
        let keys = [key];
        let mut request = vec![SIGN_REQUEST];
        put(&mut request, keys[0].blob());
        put(&mut request, b"data");
        request.extend_from_slice(&[0; 4]);
        for cut in 0..request.len() {
            assert_eq!(answer(&keys, &request[..cut]), [FAILURE], "cut at {cut}");
        }
        for kind in (0..=u8::MAX).filter(|kind| ![REQUEST_IDENTITIES, SIGN_REQUEST].contains(kind)) {
            assert_eq!(answer(&keys, &[kind, 0, 0, 0, 1, 65]), [FAILURE], "message {kind}");
        }
        assert_eq!(answer(&keys, &[SIGN_REQUEST, 255, 255, 255, 255, 1]), [FAILURE]);
        let mut state = 1_u64;
        for length in 0..2000 {
            let noise: Vec<u8> = (0..length % 97)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    state.to_be_bytes()[0]
                })
                .collect();
            let _ = answer(&keys, &noise);
            let _ = frame(&noise);
        }
    }

    #[test]
    fn frames_are_bounded() {
        assert_eq!(frame(&[0, 0]), Ok(None));
        assert_eq!(frame(&[0, 0, 0, 2, 11]), Ok(None));
        assert_eq!(frame(&[0, 0, 0, 1, 11, 9]), Ok(Some((&[11][..], 5))));
        assert_eq!(frame(&[0, 0, 0, 0]), Err(()));
        assert_eq!(frame(&[0, 1, 0, 1]), Err(()));
    }
}

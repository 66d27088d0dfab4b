//! From key files to keys that can sign. One file that can't be used leaves the other keys usable.

use super::agent::{RSA_SHA2_256, RSA_SHA2_512, put};
use super::rsa::RsaSigner;
use russh::keys::signature::Signer;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// No key file is longer.
const FILE_LIMIT: usize = 64 * 1024;

/// A key, ready to sign.
pub(super) struct Key {
    name: String,
    blob: Vec<u8>,
    secret: Secret,
}

enum Secret {
    Rsa(Box<RsaSigner>),
    Other(Box<PrivateKey>),
}

impl Key {
    /// Takes a private key over under the name that `fleet.toml` gives it; the error is a sentence fragment.
    pub(super) fn new(name: String, key: PrivateKey) -> Result<Self, String> {
        let blob = key.public_key().to_bytes().map_err(|error| format!("has no public half ({error})"))?;
        let secret = match key.key_data() {
            KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) => Secret::Other(Box::new(key)),
            KeypairData::Rsa(pair) => Secret::Rsa(Box::new(
                RsaSigner::of(pair)
                    .ok_or("is an RSA key that can't be used: broken, or not of 2048 to 4096 bits")?,
            )),
            _ => return Err(format!("has a kind of key that can't be used here: {}", key.algorithm())),
        };
        Ok(Self { name, blob, secret })
    }

    /// Reads a key file.
    pub(super) fn read(name: &str, path: &Path) -> Result<Self, String> {
        let problem = |why: &dyn std::fmt::Display| format!("key file {} {why}", path.display());
        let text = read_bounded(path).map_err(|error| problem(&format!("can't be read: {error}")))?;
        let key = PrivateKey::from_openssh(text.as_slice()).map_err(|error| {
            problem(&format!(
                "is no OpenSSH private key ({error}); `ssh-keygen -p -f FILE` rewrites older formats"
            ))
        })?;
        if key.is_encrypted() {
            return Err(problem(
                &"is protected by a passphrase, and nobody is there to type it: store an unprotected copy that only \
                  breakglass can read, or load it into an ssh-agent and let that stand in for the keyholder",
            ));
        }
        Self::new(name.to_owned(), key).map_err(|why| problem(&why))
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The public half, as SSH sends it.
    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Signs; the answer is a signature as SSH sends it. `flags` choose the hash of an RSA signature; without one it
    /// would be SHA-1, which is refused.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match &self.secret {
            Secret::Other(key) => key.try_sign(data).ok()?.encode(&mut out).ok()?,
            Secret::Rsa(key) => {
                let (name, hash) = match flags {
                    _ if flags & RSA_SHA2_512 != 0 => ("rsa-sha2-512", HashAlg::Sha512),
                    _ if flags & RSA_SHA2_256 != 0 => ("rsa-sha2-256", HashAlg::Sha256),
                    _ => return None,
                };
                put(&mut out, name.as_bytes())?;
                put(&mut out, &key.sign(hash, data)?)?;
            }
        }
        Some(out)
    }
}

/// Reads into a buffer that never grows (growing would leave copies behind) and that is wiped when dropped.
fn read_bounded(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(vec![0; FILE_LIMIT]);
    let mut file = File::open(path)?;
    let mut length = 0;
    loop {
        match file.read(text.get_mut(length..).unwrap_or_default())? {
            0 => break,
            count => length += count,
        }
    }
    if length == FILE_LIMIT {
        return Err(std::io::Error::other("it is far too long for a key"));
    }
    text.truncate(length);
    Ok(text)
}

//! The password file: `name:hash`, the hash being argon2 in its PHC form or bcrypt as `htpasswd -B` writes it.
//!
//! A name that is not there costs as much time as a wrong password, so that names cannot be told by the clock.

use super::file::FromLines;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// bcrypt doubles its work with each step; 16 is four seconds already and more is a slip of the finger.
const HIGHEST_BCRYPT_COST: u32 = 16;
/// In KiB: four times the largest that anybody recommends.
const LARGEST_ARGON_MEMORY: u32 = 1 << 20;
/// In blocks of 1 KiB: what is kept for the next hash. More is given back after each.
const MOST_KEPT: usize = 64 * 1024;

/// The memory that hashes are worked out in, kept from one to the next: taken and given back each time, it would leave
/// holes in the heap that other allocations sit down in, and a flood of log-ins would swell the server hash by hash.
#[derive(Default)]
pub(super) struct Scratch(Vec<Block>);

#[derive(Clone)]
enum Hash {
    Argon(Box<PasswordHash>),
    Bcrypt(String),
}

/// First bytes of the digest of a line: a session that began with another line is worth nothing.
pub(super) type Stamp = [u8; 8];

/// The names and their hashes.
#[derive(Default)]
pub(super) struct Passwords {
    lines: BTreeMap<String, (Hash, Stamp)>,
}

/// A check that is ready to run on a thread that may block for a while.
pub(super) struct Check {
    hash: Hash,
    known: bool,
}

impl FromLines for Passwords {
    fn take(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let hash = parse(rest)?;
        if self.lines.contains_key(name) {
            return Err("the name stands further up already".to_owned());
        }
        self.lines.insert(name.to_owned(), (hash, stamp(rest)));
        Ok(())
    }
}

impl Passwords {
    pub(super) fn stamp_of(&self, name: &str) -> Option<Stamp> {
        self.lines.get(name).map(|(_, stamp)| *stamp)
    }

    /// The check for a name; for one that is not there a check that does the same work and fails.
    pub(super) fn check_for(&self, name: &str) -> Check {
        match self.lines.get(name) {
            Some((hash, _)) => Check { hash: hash.clone(), known: true },
            None => {
                let like = self.lines.values().next().map_or_else(nobody, |(hash, _)| hash.clone());
                Check { hash: like, known: false }
            }
        }
    }
}

impl Check {
    /// Does the work; blocks for tens of milliseconds.
    pub(super) fn passes(&self, password: &[u8], scratch: &mut Scratch) -> bool {
        let matches = match &self.hash {
            Hash::Argon(hash) => scratch.argon(hash, password).unwrap_or(false),
            Hash::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        };
        matches && self.known
    }
}

impl Scratch {
    /// Whether the password makes that hash; nothing where the hash is of no use.
    fn argon(&mut self, hash: &PasswordHash, password: &[u8]) -> Option<bool> {
        let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
        let params = Params::try_from(hash).ok()?;
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0 = vec![Block::default(); blocks];
        }
        let mut buffer = [0; Output::MAX_LENGTH];
        let made = buffer.get_mut(..params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN))?;
        let argon = Argon2::new(algorithm, version, params);
        argon.hash_password_into_with_memory(password, salt, made, self.0.as_mut_slice()).ok()?;
        if blocks > MOST_KEPT {
            self.0 = Vec::new();
        }
        Some(bool::from(made.ct_eq(expected.as_bytes())))
    }
}

/// A hash of nothing that anybody knows, for a file without a line to imitate.
fn nobody() -> Hash {
    let unknown: [u8; 32] = rand::random();
    match Argon2::default().hash_password(&unknown) {
        Ok(hash) => Hash::Argon(Box::new(hash)),
        Err(_) => Hash::Bcrypt(String::new()),
    }
}

fn parse(text: &str) -> Result<Hash, String> {
    if text.starts_with("$argon2") {
        let hash =
            PasswordHash::new(text).map_err(|error| format!("the argon2 hash cannot be read: {error}"))?;
        let params = argon2::Params::try_from(&hash).map_err(|error| format!("its parameters: {error}"))?;
        if params.m_cost() > LARGEST_ARGON_MEMORY {
            return Err("the argon2 hash asks for more than 1 GiB of memory".to_owned());
        }
        return Ok(Hash::Argon(Box::new(hash)));
    }
    if ["$2y$", "$2b$", "$2a$"].iter().any(|start| text.starts_with(start)) {
        let cost = text.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok());
        return match cost {
            Some(cost) if (4..=HIGHEST_BCRYPT_COST).contains(&cost) && text.len() == 60 => {
                Ok(Hash::Bcrypt(text.to_owned()))
            }
            _ => Err(format!("the bcrypt hash is malformed or its cost is over {HIGHEST_BCRYPT_COST}")),
        };
    }
    Err("the hash is neither argon2 (`$argon2id$…`) nor bcrypt (`$2y$…`)".to_owned())
}

fn stamp(rest: &str) -> Stamp {
    let digest = Sha256::digest(rest.as_bytes());
    let mut stamp = Stamp::default();
    for (to, from) in stamp.iter_mut().zip(digest) {
        *to = from;
    }
    stamp
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library itself makes of other parameters passes here too, with memory that was used before.
    #[test]
    fn every_form_of_argon_is_worked_out_as_the_library_does() {
        let scratch = &mut Scratch::default();
        for (algorithm, version, params) in [
            (Algorithm::Argon2id, Version::V0x13, Params::new(512, 3, 1, None)),
            (Algorithm::Argon2i, Version::V0x13, Params::new(64, 1, 2, Some(16))),
            (Algorithm::Argon2d, Version::V0x10, Params::new(128, 2, 4, Some(64))),
        ] {
            let argon = Argon2::new(algorithm, version, params.unwrap());
            let line = argon.hash_password(b"correct horse").unwrap().to_string();
            let mut file = Passwords::default();
            assert_eq!(file.take("mara", &line), Ok(()));
            assert!(file.check_for("mara").passes(b"correct horse", scratch), "{line}");
            assert!(!file.check_for("mara").passes(b"correct hors", scratch), "{line}");
        }
    }

    #[test]
    fn knows_both_kinds_of_hash_and_no_other() {
        let argon = Argon2::default().hash_password(b"correct horse").map(|h| h.to_string()).unwrap();
        let bcrypt = bcrypt::hash("battery", 4).unwrap().replacen("$2b$", "$2y$", 1);
        let (mut file, scratch) = (Passwords::default(), &mut Scratch::default());
        assert_eq!(file.take("mara", &argon), Ok(()));
        assert_eq!(file.take("ole", &bcrypt), Ok(()));
        assert!(file.check_for("mara").passes(b"correct horse", scratch));
        assert!(!file.check_for("mara").passes(b"battery", scratch));
        assert!(file.check_for("ole").passes(b"battery", scratch));
        assert!(
            !file.check_for("nobody").passes(b"correct horse", scratch),
            "imitates mara's hash and must still fail"
        );
        for bad in [
            "plaintext",
            "{SHA}xxxx",
            "$apr1$x$y",
            "$2y$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(Passwords::default().take("x", bad).is_err(), "{bad}");
        }
        assert!(file.take("mara", &bcrypt).is_err(), "a second line for a name would be ambiguous");
    }
}

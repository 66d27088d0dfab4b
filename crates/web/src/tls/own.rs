//! A certificate of our own: made once, kept beside the rest of the state, and known by its fingerprint.

use super::pair::Pair;
use breakglass_fleet::Tls;
use breakglass_protocol::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// Phones refuse certificates that are valid for longer than 825 days, whoever vouches for them:
/// <https://support.apple.com/en-us/103769>.
const DAYS: i64 = 820;
const DAY_SECONDS: i64 = 86_400;

/// Where it is kept.
pub(super) fn directory(state: &Path) -> PathBuf {
    state.join("tls")
}

/// The certificate in that directory; it may be read by anybody.
pub(super) fn certificate_file(dir: &Path) -> PathBuf {
    dir.join("certificate.pem")
}

/// What the page may be called: what the fleet file says, where it listens, and this machine's own names.
pub(super) fn names(tls: &Tls) -> Vec<String> {
    let listened = tls.listen.iter().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    let mut names: Vec<String> = tls.names.clone();
    names.extend(listened.map(|ip| ip.to_string()));
    names.push("localhost".to_owned());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = machine.trim();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    if !machine.is_empty() && machine.bytes().all(is_name) {
        names.push(machine.to_owned());
    }
    names.dedup();
    names
}

/// The one that is kept; where there is none yet, a new one, which is kept from now on.
///
/// # Errors
/// When what is there cannot be used, or a new one cannot be written. What is there is never written over.
pub(super) fn kept(dir: &Path, names: &[String], now: Timestamp) -> Result<Pair, String> {
    let (certificate, key) = (certificate_file(dir), dir.join("key.pem"));
    let missing = |path: &Path| matches!(std::fs::metadata(path), Err(e) if e.kind() == ErrorKind::NotFound);
    // Without the key the certificate is worth nothing; a key alone is what a crash between the two leaves behind.
    if missing(&key) || missing(&certificate) {
        let (chain, private) = make(names, now)?;
        let told = |error: std::io::Error| format!("{} cannot be written ({error})", dir.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(told)?;
        write(&key, 0o600, &private).and_then(|()| write(&certificate, 0o644, &chain)).map_err(told)?;
        tracing::info!(file = %certificate.display(), "made a certificate");
    }
    Pair::read(&certificate, &key)
}

/// One that is not kept.
pub(super) fn passing(names: &[String], now: Timestamp) -> Result<Pair, String> {
    let (chain, private) = make(names, now)?;
    Pair::of(chain.as_bytes(), private.as_bytes()).map_err(|fault| fault.to_string())
}

fn make(names: &[String], now: Timestamp) -> Result<(String, String), String> {
    let told = |error: rcgen::Error| format!("no certificate could be made ({error})");
    let key = KeyPair::generate().map_err(told)?;
    let mut params = CertificateParams::new(names).map_err(told)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "breakglass");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Clocks differ, and after a bad night by a lot: it is valid since yesterday.
    let today = now.unix_millis().div_euclid(1000);
    let at = |seconds: i64| {
        OffsetDateTime::from_unix_timestamp(seconds)
            .map_err(|error| format!("the clock of this server stands at no usable time ({error})"))
    };
    params.not_before = at(today - DAY_SECONDS)?;
    params.not_after = at(today + DAYS * DAY_SECONDS)?;
    let certificate = params.self_signed(&key).map_err(told)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Written beside and renamed: a crash half way leaves nothing that looks whole.
fn write(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn now() -> Timestamp {
        Timestamp::from_unix_millis(1_800_000_000_000)
    }

    #[test]
    fn it_is_made_once_and_the_same_ever_after() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("tls");
        let names = ["192.0.2.2".to_owned(), "localhost".to_owned()];
        let first = kept(&dir, &names, now()).unwrap();
        assert!(first.facts.self_signed && first.facts.fingerprint.len() == 95, "{:?}", first.facts);
        assert_eq!(first.facts.ends, now().plus_millis(820 * 86_400_000));
        let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o600, 0o644));
        assert_eq!(kept(&dir, &names, now()).unwrap().facts, first.facts);
        // What is there and cannot be used is a person's to look at: it is not written over.
        std::fs::write(dir.join("key.pem"), "garbage").unwrap();
        assert!(kept(&dir, &names, now()).unwrap_err().contains("key.pem"));
        assert_eq!(std::fs::read_to_string(dir.join("key.pem")).unwrap(), "garbage");
        // What a crash between the two files leaves behind is not in the way.
        std::fs::remove_file(dir.join("certificate.pem")).unwrap();
        assert_ne!(kept(&dir, &names, now()).unwrap().facts.fingerprint, first.facts.fingerprint);
        assert!(kept(Path::new("/proc/nowhere"), &names, now()).is_err());
        assert!(passing(&names, now()).is_ok());
    }

    #[test]
    fn a_key_of_another_certificate_is_told_apart() {
        let names = ["localhost".to_owned()];
        let ((chain, _), (_, other)) = (make(&names, now()).unwrap(), make(&names, now()).unwrap());
        let fault = Pair::of(chain.as_bytes(), other.as_bytes()).unwrap_err();
        assert!(fault.to_string().contains("not the one of this certificate"), "{fault}");
        assert!(Pair::of(b"", other.as_bytes()).is_err() && Pair::of(chain.as_bytes(), b"").is_err());
    }
}

//! Is this the host that we mean? A pure decision over the policy, what is pinned, what was shown, and the time.
//!
//! No certificate is trusted for more than it says: its type, authority, signature, validity, principals and critical
//! options are each looked at here, because the SSH library looks at none of them.

use breakglass_fleet::HostKeyPolicy;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

/// What is remembered of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Its key; `None` where the line in the file can't be read, which trusts nothing.
    pub(crate) key: Option<PublicKey>,
    /// Whether a person accepted it (it then outranks the policy) or it was pinned on first contact.
    pub(crate) accepted: bool,
}

/// The decision.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Trusted,
    /// Nothing is known of this host and its policy says that the first key is kept: trust it and pin it.
    TrustAndPin,
    /// It is not, as far as anyone can tell.
    Not {
        /// What would be trusted.
        pinned: String,
        /// What was shown, and what is wrong with it.
        shown: String,
    },
}

/// Decides. `principals` are the names that a certificate may carry for this host; `now` is in seconds since 1970.
pub(crate) fn judge(
    policy: &HostKeyPolicy,
    pin: Option<&Pin>,
    principals: &[String],
    shown: &PublicKeyOrCertificate,
    now: u64,
) -> Verdict {
    let key = shown.public_key();
    let same = |pin: &Pin| pin.key.as_ref().is_some_and(|pinned| pinned.key_data() == key.key_data());
    if pin.is_some_and(|pin| pin.accepted && same(pin)) {
        return Verdict::Trusted;
    }
    match policy {
        HostKeyPolicy::Fingerprint(expected) if is_fingerprint(&key, expected) => Verdict::Trusted,
        HostKeyPolicy::Fingerprint(expected) => {
            Verdict::Not { pinned: expected.clone(), shown: describe(&key) }
        }
        HostKeyPolicy::Ca(authority) => judge_certificate(authority, principals, shown, now),
        HostKeyPolicy::TofuAlarm => match pin {
            None => Verdict::TrustAndPin,
            Some(pin) if same(pin) => Verdict::Trusted,
            Some(Pin { key: Some(pinned), .. }) => {
                Verdict::Not { pinned: describe(pinned), shown: describe(&key) }
            }
            Some(Pin { key: None, .. }) => Verdict::Not {
                pinned: "a line in the host key file that can't be read".to_owned(),
                shown: describe(&key),
            },
        },
    }
}

fn judge_certificate(
    authority: &str,
    principals: &[String],
    shown: &PublicKeyOrCertificate,
    now: u64,
) -> Verdict {
    let Ok(authority) = PublicKey::from_openssh(authority) else {
        return Verdict::Not {
            pinned: "a host CA in fleet.toml that is no public key".to_owned(),
            shown: describe(&shown.public_key()),
        };
    };
    let pinned =
        format!("a host certificate of CA {} for {}", fingerprint(&authority), principals.join(" or "));
    let Some(certificate) = shown.certificate() else {
        return Verdict::Not {
            pinned,
            shown: format!("a key without certificate, {}", describe(&shown.public_key())),
        };
    };
    match fault_of(certificate, &authority, principals, now) {
        None => Verdict::Trusted,
        Some(fault) => Verdict::Not {
            pinned,
            shown: format!("{} with a certificate that {fault}", describe(&shown.public_key())),
        },
    }
}

/// What is wrong with a certificate, as the end of "a certificate that …".
fn fault_of(
    certificate: &Certificate,
    authority: &PublicKey,
    principals: &[String],
    now: u64,
) -> Option<String> {
    if certificate.cert_type() != CertType::Host {
        return Some("is for users, not for hosts".to_owned());
    }
    if certificate.signature_key() != authority.key_data() {
        let other = certificate.signature_key().fingerprint(HashAlg::Sha256);
        return Some(format!("another authority signed ({other})"));
    }
    if now < certificate.valid_after() {
        return Some("is not valid yet (compare the clocks)".to_owned());
    }
    if now >= certificate.valid_before() {
        return Some("has expired (renew it on the host)".to_owned());
    }
    // Looks at signature, authority and time; the latter two again, for a sentence of their own was wanted above.
    if certificate.validate_at(now, [&authority.fingerprint(HashAlg::Sha256)]).is_err() {
        return Some("has a signature that does not fit".to_owned());
    }
    if !certificate.valid_principals().iter().any(|name| principals.contains(name)) {
        return Some(format!("names other hosts: {}", certificate.valid_principals().join(", ")));
    }
    if certificate.critical_options().iter().next().is_some() {
        return Some("has critical options, of which none is known for hosts".to_owned());
    }
    None
}

/// `SHA256:…` of a key.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn describe(key: &PublicKey) -> String {
    format!("{} ({})", fingerprint(key), key.algorithm())
}

fn is_fingerprint(key: &PublicKey, expected: &str) -> bool {
    fingerprint(key).trim_end_matches('=') == expected.trim().trim_end_matches('=')
}

#[cfg(test)]
mod tests;

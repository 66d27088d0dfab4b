//! Each way in which a host can be the right one or not, with certificates made here.

use super::*;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::certificate::Builder;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

const NOW: u64 = 1_800_000_000;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").expect("a key")
}

fn plain(seed: u8) -> PublicKeyOrCertificate {
    key(seed).public_key().clone().into()
}

struct Made {
    authority: u8,
    kind: CertType,
    from: u64,
    until: u64,
    principals: &'static [&'static str],
    critical: bool,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            authority: 9,
            kind: CertType::Host,
            from: NOW - 10,
            until: NOW + 10,
            principals: &["pve"],
            critical: false,
        }
    }
}

impl Made {
    fn certificate(&self) -> PublicKeyOrCertificate {
        let host = key(1);
        let mut builder =
            Builder::new(vec![3; 16], host.public_key(), self.from, self.until).expect("a builder");
        builder.cert_type(self.kind).expect("once");
        for principal in self.principals {
            builder.valid_principal(*principal).expect("a name");
        }
        if self.principals.is_empty() {
            builder.all_principals_valid().expect("once");
        }
        if self.critical {
            builder.critical_option("force-command", "x").expect("an option");
        }
        builder.sign(&key(self.authority)).expect("signs").into()
    }
}

fn names() -> Vec<String> {
    vec!["pve".to_owned(), "192.0.2.10".to_owned()]
}

fn ca() -> HostKeyPolicy {
    HostKeyPolicy::Ca(key(9).public_key().to_openssh().expect("a line"))
}

#[test]
fn only_a_certificate_that_is_right_in_everything_is_trusted() {
    let judge = |made: Made| judge(&ca(), None, &names(), &made.certificate(), NOW);
    assert_eq!(judge(Made::default()), Verdict::Trusted);
    assert_eq!(judge(Made { principals: &["x", "192.0.2.10"], ..Made::default() }), Verdict::Trusted);
    let wrong = [
        (Made { authority: 8, ..Made::default() }, "another authority"),
        (Made { kind: CertType::User, ..Made::default() }, "for users"),
        (Made { from: NOW + 1, until: NOW + 9, ..Made::default() }, "not valid yet"),
        (Made { until: NOW, ..Made::default() }, "expired"),
        (Made { principals: &["pve2"], ..Made::default() }, "names other hosts: pve2"),
        (Made { principals: &[], ..Made::default() }, "names other hosts"),
        (Made { critical: true, ..Made::default() }, "critical options"),
    ];
    for (made, expected) in wrong {
        let Verdict::Not { shown, .. } = judge(made) else { panic!("trusted though: {expected}") };
        assert!(shown.contains(expected), "{shown} lacks {expected}");
    }
    let Verdict::Not { shown, .. } = super::judge(&ca(), None, &names(), &plain(1), NOW) else {
        panic!("a plain key is trusted where a certificate is due")
    };
    assert!(shown.contains("without certificate"), "{shown}");
}

#[test]
fn a_fingerprint_trusts_one_key() {
    let policy = HostKeyPolicy::Fingerprint(fingerprint(key(1).public_key()));
    assert_eq!(judge(&policy, None, &names(), &plain(1), NOW), Verdict::Trusted);
    assert!(matches!(judge(&policy, None, &names(), &plain(2), NOW), Verdict::Not { .. }));
    // A key that was pinned by itself under another policy is worth nothing here; one that a person accepted is.
    let pin = |accepted| Pin { key: Some(key(2).public_key().clone()), accepted };
    assert!(matches!(judge(&policy, Some(&pin(false)), &names(), &plain(2), NOW), Verdict::Not { .. }));
    assert_eq!(judge(&policy, Some(&pin(true)), &names(), &plain(2), NOW), Verdict::Trusted);
}

#[test]
fn the_first_key_is_pinned_and_any_other_is_an_alarm() {
    let policy = HostKeyPolicy::TofuAlarm;
    assert_eq!(judge(&policy, None, &names(), &plain(1), NOW), Verdict::TrustAndPin);
    let pin = Pin { key: Some(key(1).public_key().clone()), accepted: false };
    assert_eq!(judge(&policy, Some(&pin), &names(), &plain(1), NOW), Verdict::Trusted);
    let Verdict::Not { pinned, shown } = judge(&policy, Some(&pin), &names(), &plain(2), NOW) else {
        panic!("a changed key is trusted")
    };
    assert!(pinned.starts_with("SHA256:") && shown.starts_with("SHA256:") && pinned != shown);
    let damaged = Pin { key: None, accepted: false };
    assert!(matches!(judge(&policy, Some(&damaged), &names(), &plain(1), NOW), Verdict::Not { .. }));
}

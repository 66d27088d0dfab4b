//! From a route to a connection that is logged in: reach a place, agree on keys, judge the host, let the keyholder sign.
//!
//! Nothing is sent here that the far end would act upon, so all of it may be tried again.

use crate::address;
use crate::connection::{Connection, NoChannel};
use crate::end::{End, Stage, Stopped};
use crate::handler::{Handler, Learnt};
use crate::host_keys::HostKeys;
use crate::keyholder::{Identities, Keyholder};
use crate::limits::Limits;
use crate::quick_ack::QuickAck;
use crate::route::Route;
use breakglass_fleet::HostKeyPolicy;
use russh::client::{self, AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, SshId};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// The host key algorithms that can be verified, best first. RSA is not among them: every OpenSSH of the last ten years
/// has an Ed25519 host key too.
const HOST_KEY_ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

/// After how much traffic and time keys are agreed on anew. The time is long on purpose: a new key exchange is work for
/// the far end, and a held connection must not ask for it in the hour in which that end can hardly move.
const REKEY_BYTES: usize = 1 << 30;
const REKEY_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a place that closes new connections at once is tried again (an SSH server that is being scanned drops
/// connections at random: `MaxStartups`).
const DROPPED_RETRIES: u32 = 3;
const DROPPED_PAUSE: Duration = Duration::from_millis(150);

/// Why there is no connection, or no channel on it. Nothing ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Somebody would not.
    Refused(String),
    /// No way there.
    Unreachable(String),
    /// The host is not, or no longer, the one that is trusted.
    HostKey { host: String, pinned: String, shown: String },
    /// It took too long.
    TimedOut(Stage),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => Self::Refused { reason },
            Failure::Unreachable(reason) => Self::Unreachable { reason },
            Failure::HostKey { host, pinned, shown } => Self::HostKeyChanged { host, pinned, shown },
            Failure::TimedOut(stage) => Self::TimedOut { stage, stopped: Stopped::NotStarted },
        }
    }
}

impl From<NoChannel> for Failure {
    fn from(none: NoChannel) -> Self {
        match none {
            NoChannel::Full => Self::Refused("the SSH server gives no more sessions".to_owned()),
            NoChannel::Refused(why) => Self::Refused(why),
            NoChannel::Gone(why) => Self::Unreachable(why),
        }
    }
}

/// What dialling needs.
pub(crate) struct Dialer {
    pub(crate) keyholder: Keyholder,
    pub(crate) host_keys: HostKeys,
    pub(crate) limits: Limits,
}

impl Dialer {
    /// Makes a connection. `stage` follows how far it has come. The caller bounds the time.
    pub(crate) async fn dial(
        &self,
        route: &Route,
        stage: &watch::Sender<Stage>,
    ) -> Result<Arc<Connection>, Failure> {
        let mut identities = self.keyholder.identities(&route.way.key).await.map_err(Failure::Refused)?;
        let (mut handle, address, learnt) = self.reach(route, stage).await?;
        stage.send_replace(Stage::Authenticate);
        log_in(&mut handle, route, &mut identities, &learnt, address).await?;
        stage.send_replace(Stage::Open);
        tracing::debug!(component = route.way.component, %address, "connected");
        Ok(Connection::new(handle, address, learnt, &self.limits))
    }

    /// Reaches the host and agrees on keys with it. A host that is known by fingerprint only is asked for its keys of
    /// other algorithms too before it counts as changed.
    async fn reach(
        &self,
        route: &Route,
        stage: &watch::Sender<Stage>,
    ) -> Result<(Handle<Handler>, SocketAddr, Learnt), Failure> {
        let mut algorithms = self.algorithms(route);
        let mut changed = None;
        loop {
            stage.send_replace(Stage::Connect);
            let (stream, address) = self.connect(route, stage).await?;
            stage.send_replace(Stage::KeyExchange);
            match self.agree(route, stream, address, &algorithms).await {
                Ok((handle, learnt)) => return Ok((handle, address, learnt)),
                Err(failure @ Failure::HostKey { .. }) => {
                    let shown = algorithms.remove(0);
                    tracing::debug!(component = route.way.component, %shown, "not the expected host key");
                    if algorithms.is_empty() || !matches!(route.policy, HostKeyPolicy::Fingerprint(_)) {
                        return Err(failure);
                    }
                    changed = Some(failure);
                }
                Err(failure) => return Err(changed.unwrap_or(failure)),
            }
        }
    }

    async fn connect(
        &self,
        route: &Route,
        stage: &watch::Sender<Stage>,
    ) -> Result<(TcpStream, SocketAddr), Failure> {
        let mut pause = DROPPED_PAUSE;
        for _ in 0..DROPPED_RETRIES {
            match address::connect(&route.way.places, self.limits.stagger, stage).await {
                Err(fault) if fault.contains(address::DROPPED) => tokio::time::sleep(pause).await,
                outcome => return outcome.map_err(Failure::Unreachable),
            }
            pause *= 2;
        }
        address::connect(&route.way.places, self.limits.stagger, stage).await.map_err(Failure::Unreachable)
    }

    async fn agree(
        &self,
        route: &Route,
        stream: TcpStream,
        address: SocketAddr,
        algorithms: &[Algorithm],
    ) -> Result<(Handle<Handler>, Learnt), Failure> {
        let learnt = Learnt::default();
        let component = route.way.component.clone();
        let handler = Handler {
            host_keys: self.host_keys.clone(),
            component: component.clone(),
            policy: route.policy.clone(),
            principals: principals(route),
            learnt: learnt.clone(),
        };
        let config = Arc::new(config(route, algorithms));
        match client::connect_stream(config, QuickAck::new(stream), handler).await {
            Ok(handle) => Ok((handle, learnt)),
            Err(error) => Err(match (error, learnt.untrusted()) {
                (_, Some((pinned, shown))) => Failure::HostKey { host: component, pinned, shown },
                (russh::Error::NoCommonAlgo { kind, theirs, .. }, None) => Failure::Unreachable(format!(
                    "{address} has no {kind:?} algorithm that breakglass knows (it offers {}); an Ed25519 host key \
                     (`ssh-keygen -A` there) is the usual cure",
                    theirs.join(", ")
                )),
                (russh::Error::Disconnect | russh::Error::HUP, None) => Failure::Unreachable(format!(
                    "{address} closes the connection before the log-in; its sshd log knows why"
                )),
                (error, None) => {
                    Failure::Unreachable(format!("the key exchange with {address} fails: {error}"))
                }
            }),
        }
    }

    /// The algorithms to ask for: that of the pinned key first, for a host has several.
    fn algorithms(&self, route: &Route) -> Vec<Algorithm> {
        let pinned = self.host_keys.pinned_algorithm(&route.way.component);
        let mut algorithms = HOST_KEY_ALGORITHMS.to_vec();
        algorithms.sort_by_key(|algorithm| pinned.as_ref() != Some(algorithm));
        algorithms
    }
}

/// The names that a host certificate may carry: the component's, and those under which it is reached.
fn principals(route: &Route) -> Vec<String> {
    let hosts = route.way.places.iter().map(|place| place.host.clone());
    std::iter::once(route.way.component.clone()).chain(hosts).collect()
}

fn config(route: &Route, algorithms: &[Algorithm]) -> client::Config {
    let certificates: &[Algorithm] =
        if matches!(route.policy, HostKeyPolicy::Ca(_)) { algorithms } else { &[] };
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-breakglass_", env!("CARGO_PKG_VERSION")))),
        limits: russh::Limits::new(REKEY_BYTES, REKEY_BYTES, REKEY_TIME),
        window_size: 1 << 20,
        channel_buffer_size: 32,
        preferred: Preferred {
            key: Cow::Owned(algorithms.to_vec()),
            host_key_certificates: Cow::Owned(certificates.to_vec()),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

async fn log_in(
    handle: &mut Handle<Handler>,
    route: &Route,
    identities: &mut Identities,
    learnt: &Learnt,
    address: SocketAddr,
) -> Result<(), Failure> {
    let user = &route.way.user;
    let key = &route.way.key;
    for identity in identities.list.clone() {
        let hash = hash_for(handle, &identity).await;
        let signer = &mut identities.agent;
        let outcome = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                handle.authenticate_publickey_with(user.as_str(), key, hash, signer).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                handle.authenticate_certificate_with(user.as_str(), certificate, hash, signer).await
            }
        };
        match outcome {
            Ok(AuthResult::Success) => return Ok(()),
            Ok(AuthResult::Failure { partial_success: true, .. }) => {
                return Err(Failure::Refused(format!(
                    "{address} takes key {key} for {user} and wants a second proof besides; breakglass has none to give"
                )));
            }
            Ok(AuthResult::Failure { .. }) if handle.is_closed() => {
                return Err(Failure::Unreachable(format!(
                    "{address} broke off during the log-in: {}",
                    learnt.broke()
                )));
            }
            Ok(AuthResult::Failure { .. }) => {}
            Err(error) => {
                return Err(Failure::Refused(format!("the keyholder did not sign with key {key}: {error}")));
            }
        }
    }
    let said = learnt.banner().map(|banner| format!(" It says: \"{banner}\".")).unwrap_or_default();
    Err(Failure::Refused(format!(
        "{address} does not take key {key} ({}) for {user}.{said} Look whether its authorized_keys holds that key, and \
         whether a from= there names the address that it sees us come from",
        identities.fingerprints()
    )))
}

/// The hash to sign with: only RSA has a choice.
async fn hash_for(handle: &Handle<Handler>, identity: &AgentIdentity) -> Option<HashAlg> {
    if !matches!(identity.public_key().algorithm(), Algorithm::Rsa { .. }) {
        return None;
    }
    handle.best_supported_rsa_hash().await.ok().flatten().flatten().or(Some(HashAlg::Sha512))
}

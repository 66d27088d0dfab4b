//! Listening and holding connections: what a slow, silent or endless client may cost is bounded here.

use crate::config::WebConfig;
use crate::tls::{Certificate, Origin, plain};
use axum::Router;
use axum::body::Body;
use breakglass_protocol::Timestamp;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long open requests get to end once the server goes down.
const LAST_CALL: Duration = Duration::from_secs(5);
/// After an accept failed (no file descriptors left, say): a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What the first byte of a client that speaks TLS is.
const HANDSHAKE: u8 = 0x16;

/// The other end of a connection: the only address that is believed, and whether TLS of our own is between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    /// Who is at the far end, where a listed proxy says so; else the same address. It is counted with and written down,
    /// and gives nobody anything.
    pub(crate) client: IpAddr,
}

impl Peer {
    pub(crate) const fn new(address: SocketAddr, tls: bool) -> Self {
        Self { address, tls, client: address.ip() }
    }
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address}; the command line works without the page")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no address to listen on.
    #[error("no address to listen on: give `listen` in [web] of fleet.toml, or a [web.tls]")]
    NoAddress,
    /// Not even a passing certificate could be made.
    #[error("the page cannot speak TLS: {why}. Take [web.tls] out of fleet.toml to serve it without")]
    Tls {
        /// Why.
        why: String,
    },
}

/// Sockets that are open and do not answer yet.
#[derive(Debug)]
pub struct Listening {
    sockets: Vec<TcpListener>,
    /// Where, with the ports that were taken; without TLS.
    pub addresses: Vec<SocketAddr>,
    secure: Vec<TcpListener>,
    /// Where TLS is spoken.
    pub secure_addresses: Vec<SocketAddr>,
    pub(crate) certificate: Option<Arc<Certificate>>,
}

impl Listening {
    /// Opens sockets without TLS, so that the caller knows the ports before anything is served.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(listen: &[SocketAddr]) -> Result<Self, ServeError> {
        if listen.is_empty() {
            return Err(ServeError::NoAddress);
        }
        let (sockets, addresses) = bound(listen).await?;
        Ok(Self { sockets, addresses, secure: Vec::new(), secure_addresses: Vec::new(), certificate: None })
    }

    /// Opens all sockets that the configuration names, and finds the certificate for those with TLS.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn open(config: &WebConfig, now: Timestamp) -> Result<Self, ServeError> {
        let Some(tls) = &config.page.tls else { return Self::bind(&config.page.listen).await };
        let (sockets, addresses) = bound(&config.page.listen).await?;
        let (secure, secure_addresses) = bound(&tls.listen).await?;
        let certificate = Some(Certificate::open(tls, &config.state_dir, now).await?);
        Ok(Self { sockets, addresses, secure, secure_addresses, certificate })
    }

    /// A line for each address, for whoever started the server; with the fingerprint to compare in the browser.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let plain = self.addresses.iter().map(|address| format!("breakglass listens on http://{address}"));
        let mut lines: Vec<String> = plain.collect();
        let Some(certificate) = &self.certificate else { return lines };
        for address in &self.secure_addresses {
            lines.push(format!("breakglass listens on https://{address}"));
        }
        let kept = match certificate.origin() {
            Origin::Given => "from its files",
            Origin::Kept => "its own, compare it in the browser",
            Origin::Passing => "its own, and another one after a restart: it cannot be kept",
        };
        lines.push(format!("  certificate: {kept}; SHA-256 {}", certificate.facts().fingerprint));
        lines
    }

    /// Answers until `stop` is cancelled, then lets open requests end.
    pub(crate) async fn run(self, router: Router, config: &WebConfig, stop: CancellationToken) {
        let most = config.most_connections.clamp(1, 1 << 20);
        let places = Arc::new(Semaphore::new(most));
        let acceptor = match self.certificate.as_ref().map(Certificate::acceptor) {
            Some(Err(error)) => {
                tracing::error!(%error, "no TLS is spoken");
                None
            }
            Some(Ok(acceptor)) => Some(acceptor),
            None => None,
        };
        let secure = self.secure.into_iter().filter_map(|socket| Some((socket, Some(acceptor.clone()?))));
        let mut acceptors = JoinSet::new();
        for (socket, tls) in self.sockets.into_iter().map(|socket| (socket, None)).chain(secure) {
            let (stop, places) = (stop.clone(), Arc::clone(&places));
            let holding =
                Holding { router: router.clone(), head_timeout: config.head_timeout, stop: stop.clone() };
            acceptors.spawn(async move {
                loop {
                    let accepted = tokio::select! {
                        () = stop.cancelled() => return,
                        accepted = accept(&socket, &places) => accepted,
                    };
                    let Some((stream, address, place)) = accepted else { continue };
                    let (holding, tls) = (holding.clone(), tls.clone());
                    tokio::spawn(async move {
                        holding.hold(stream, address, tls).await;
                        drop(place);
                    });
                }
            });
        }
        while acceptors.join_next().await.is_some() {}
        // All places given back: all connections have ended.
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        if tokio::time::timeout(LAST_CALL, places.acquire_many(all)).await.is_err() {
            tracing::warn!(open = most - places.available_permits(), "connections were cut at the end");
        }
    }
}

async fn bound(listen: &[SocketAddr]) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), ServeError> {
    let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
    for &address in listen {
        let refuse = |source| ServeError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(refuse)?;
        addresses.push(socket.local_addr().map_err(refuse)?);
        sockets.push(socket);
    }
    Ok((sockets, addresses))
}

async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => {
            // Events are small and must not wait for each other.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(why = %error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// What every connection is held with.
#[derive(Clone)]
struct Holding {
    router: Router,
    head_timeout: Duration,
    stop: CancellationToken,
}

impl Holding {
    async fn hold(self, stream: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>) {
        match tls {
            None => self.converse(stream, Peer::new(address, false)).await,
            // In a box: what encryption needs is large, and every connection without it would hold room for it.
            Some(acceptor) => Box::pin(self.secure(stream, address, acceptor)).await,
        }
    }

    /// A connection at a port with TLS. Who speaks plain HTTP there is told where to go.
    async fn secure(self, stream: TcpStream, address: SocketAddr, acceptor: TlsAcceptor) {
        let stop = self.stop.clone();
        let greeting = async {
            let mut first = [0; 1];
            if stream.peek(&mut first).await.ok()? == 0 {
                return None;
            }
            if first != [HANDSHAKE] {
                return Some(Err(stream));
            }
            match acceptor.accept(stream).await {
                Ok(stream) => Some(Ok(stream)),
                Err(error) => {
                    tracing::debug!(peer = %address, why = %error, "no TLS came about");
                    None
                }
            }
        };
        let greeted = tokio::select! {
            () = stop.cancelled() => return,
            greeted = tokio::time::timeout(self.head_timeout, greeting) => greeted,
        };
        match greeted {
            Ok(Some(Ok(stream))) => self.converse(stream, Peer::new(address, true)).await,
            Ok(Some(Err(stream))) => {
                let service = service_fn(|request: Request<Incoming>| async move {
                    Ok::<_, Infallible>(plain::answer(&request))
                });
                let answering = self.builder().serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = tokio::time::timeout(self.head_timeout, answering) => {}
                }
            }
            Ok(None) | Err(_) => {}
        }
    }

    fn builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.head_timeout).max_buf_size(32 * 1024);
        builder
    }

    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request.map(Body::new))
        });
        let connection = self.builder().serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(peer = %peer.address, why = %error, "a connection ended early");
                }
            }
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_holds_room_for_what_it_needs_and_not_for_encryption() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let stop = CancellationToken::new();
        let holding = Holding { router: Router::new(), head_timeout: Duration::from_secs(1), stop };
        let held = size_of_val(&holding.hold(stream, address, None));
        // Ten thousand people may watch.
        assert!(held <= 3 << 10, "{held} bytes");
    }
}

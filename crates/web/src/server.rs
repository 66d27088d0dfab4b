//! Listening and holding connections: what a slow, silent or endless client may cost is bounded here.

use crate::config::WebConfig;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long open requests get to end once the server goes down.
const LAST_CALL: Duration = Duration::from_secs(5);
/// After an accept failed (no file descriptors left, say): a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address of the socket at the other end: the only address that is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

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
    #[error("no address to listen on: give `listen` in [web] of fleet.toml")]
    NoAddress,
}

/// Sockets that are open and do not answer yet.
#[derive(Debug)]
pub struct Listening {
    sockets: Vec<TcpListener>,
    /// Where, with the ports that were taken.
    pub addresses: Vec<SocketAddr>,
}

impl Listening {
    /// Opens the sockets, so that the caller knows the ports before anything is served.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(listen: &[SocketAddr]) -> Result<Self, ServeError> {
        if listen.is_empty() {
            return Err(ServeError::NoAddress);
        }
        let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
        for &address in listen {
            let refuse = |source| ServeError::Listen { address, source };
            let socket = TcpListener::bind(address).await.map_err(refuse)?;
            addresses.push(socket.local_addr().map_err(refuse)?);
            sockets.push(socket);
        }
        Ok(Self { sockets, addresses })
    }

    /// Answers until `stop` is cancelled, then lets open requests end.
    pub(crate) async fn run(self, router: Router, config: &WebConfig, stop: CancellationToken) {
        let most = config.most_connections.clamp(1, 1 << 20);
        let places = Arc::new(Semaphore::new(most));
        let mut acceptors = JoinSet::new();
        for socket in self.sockets {
            let (router, stop, places) = (router.clone(), stop.clone(), Arc::clone(&places));
            let head_timeout = config.head_timeout;
            acceptors.spawn(async move {
                loop {
                    let accepted = tokio::select! {
                        () = stop.cancelled() => return,
                        accepted = accept(&socket, &places) => accepted,
                    };
                    let Some((stream, peer, place)) = accepted else { continue };
                    let held = hold(stream, peer, router.clone(), head_timeout, stop.clone());
                    tokio::spawn(async move {
                        held.await;
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

async fn hold(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_timeout: Duration,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%peer, why = %error, "a connection ended early");
            }
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

//! Clients that are slow, large or silent.

use crate::support::{Request, Server, Who};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_let_go() {
    let server = Server::with(|config| config.head_timeout = Duration::from_millis(400)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is still open after {:?}", began.elapsed());
    assert_eq!(server.get("/healthz", &Who::default()).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_or_does_not_end_is_refused() {
    let server = Server::with(|config| config.body_timeout = Duration::from_millis(300)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\nname=").await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await;
    assert!(read.is_ok_and(|read| read.is_ok()));
    assert_eq!(answer, b"HTTP/1.1 408");
    let large = format!("name=mara&password={}", "x".repeat(80 * 1024));
    assert_eq!(server.send(Request::post("/login", &large)).await.status, 413);
}

#[tokio::test]
async fn places_are_given_back() {
    let server = Server::with(|config| config.most_connections = 4).await;
    for _ in 0..20 {
        assert_eq!(server.get("/healthz", &Who::default()).await.status, 200);
    }
    let held: Vec<TcpStream> =
        futures_util::future::join_all((0..4).map(|_| TcpStream::connect(server.address)))
            .await
            .into_iter()
            .flatten()
            .collect();
    assert_eq!(held.len(), 4);
    drop(held);
    assert_eq!(server.get("/healthz", &Who::default()).await.status, 200);
}

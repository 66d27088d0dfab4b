//! TLS by the server itself, seen by a client that checks certificates as browsers do.

use crate::support::{Answer, Request, Server, TOKEN, now};
use breakglass_fleet::{CertificateFiles, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PATIENCE: Duration = Duration::from_secs(20);

fn tls(files: Option<(&Path, &Path)>) -> Option<Tls> {
    let files =
        files.map(|(certificate, key)| CertificateFiles { certificate: certificate.into(), key: key.into() });
    Some(Tls { listen: vec![([127, 0, 0, 1], 0).into()], files, names: Vec::new() })
}

/// An authority of a test's own, and what it vouches for.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root, dir: TempDir::new().unwrap() }
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.dir.path().join("page.pem"), self.dir.path().join("page.key"))
    }

    /// Writes a certificate that is valid for so many days more, and gives it.
    fn write(&self, days: i64) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let today = now().unix_millis() / 1000;
        params.not_before = OffsetDateTime::from_unix_timestamp(today - 86_400).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(today + days * 86_400 + 3_600).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (page, private) = self.files();
        std::fs::write(page, certificate.pem()).unwrap();
        std::fs::write(private, key.serialize_pem()).unwrap();
        certificate.der().clone()
    }
}

fn connector(root: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn connect(server: &Server, root: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.secure.unwrap()).await?;
    connector(root).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
}

async fn send(server: &Server, root: &CertificateDer<'static>, request: Request) -> Answer {
    let mut stream = connect(server, root).await.unwrap();
    stream.write_all(request.text(server.secure.unwrap(), "close").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A server that ends a connection without TLS's own good-bye is told by this.
    stream.read_to_end(&mut bytes).await.unwrap();
    Answer::parse(&bytes)
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone().into_owned()
}

async fn certificate_of(server: &Server) -> serde_json::Value {
    let request = Request::get("/api/v1/dependencies").header("authorization", &format!("Bearer {TOKEN}"));
    let answer = server.send(request).await;
    let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let all = value["dependencies"].as_array().unwrap();
    all.iter().find(|dependency| dependency["name"] == "certificate").unwrap().clone()
}

/// Waits until what the page says of its certificate has these words.
async fn says(server: &Server, health: &str, words: &str) {
    let began = Instant::now();
    loop {
        let seen = certificate_of(server).await;
        if seen["health"] == health && seen["sentence"].as_str().unwrap().contains(words) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{health}, {words}: {seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_page_opens_by_address_with_a_certificate_of_its_own_that_stays() {
    let kept = TempDir::new().unwrap();
    let start = || {
        let state = kept.path().to_owned();
        Server::with(move |config| {
            config.page.tls = tls(None);
            config.state_dir = state;
            config.page.secure_cookies = false;
        })
    };
    let server = start().await;
    let file = kept.path().join("tls/certificate.pem");
    let own = CertificateDer::from_pem_file(&file).unwrap();
    let answer = send(&server, &own, Request::get("/healthz")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), None, "nobody could get past it");
    let answer = send(&server, &own, Request::post("/login", "name=mara&password=correct+horse")).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-breakglass=") && cookie.contains("; Secure"), "{cookie}");
    let inside = Request::get("/").header("cookie", &answer.cookies());
    assert_eq!(send(&server, &own, inside).await.status, 200);
    says(&server, "good", "vouches for itself").await;
    let plain = server.send(Request::post("/login", "name=mara&password=correct+horse")).await;
    assert!(plain.header("set-cookie").unwrap().starts_with("breakglass="), "beside TLS as it was");
    let told = server.send(Request::get("/login")).await.body;
    assert!(told.contains(&format!("https://{}", server.secure.unwrap())), "{told}");
    assert!(server.end().await);

    let again = start().await;
    assert_eq!(shown(&connect(&again, &own).await.unwrap()), own, "the same after a restart");
}

#[tokio::test]
async fn who_speaks_without_tls_is_told_where_to_go_and_who_says_nothing_is_let_go() {
    let kept = TempDir::new().unwrap();
    let state = kept.path().to_owned();
    let server = Server::with(move |config| {
        config.page.tls = tls(None);
        config.state_dir = state;
        config.head_timeout = Duration::from_millis(700);
    })
    .await;
    let port = server.secure.unwrap();
    let answer = Request::get("/incidents?x=1").send(port).await;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some(format!("https://{port}/incidents?x=1").as_str()));
    let answer = Request::post("/login", "name=mara&password=correct+horse").send(port).await;
    assert_eq!((answer.status, answer.header("location")), (400, None));
    assert!(answer.body.contains("could be read on the way"), "{}", answer.body);
    let tricked = Request::get("/").header("host", "evil.example/x?");
    assert!(
        tricked
            .send(port)
            .await
            .header("location")
            .is_none_or(|to| to.starts_with(&format!("https://{port}/")))
    );
    for greeting in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"SSH-2.0-x\r\n", &[0; 64]] {
        let mut stream = TcpStream::connect(port).await.unwrap();
        stream.write_all(greeting).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "{greeting:?} is still held");
    }
    let own = CertificateDer::from_pem_file(kept.path().join("tls/certificate.pem")).unwrap();
    assert_eq!(send(&server, &own, Request::get("/healthz")).await.status, 200);
    assert!(server.end().await);
}

#[tokio::test]
async fn new_files_are_taken_without_cutting_a_connection_and_bad_ones_leave_the_old() {
    let authority = Authority::new();
    let (page, key) = authority.files();
    let first = authority.write(90);
    let server = Server::with(|config| config.page.tls = tls(Some((&page, &key)))).await;
    let mut open = connect(&server, &authority.root).await.unwrap();
    assert_eq!(shown(&open), first);
    says(&server, "good", "is vouched for, for 90 days more").await;
    let answer = send(&server, &authority.root, Request::get("/healthz")).await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=604800"));
    assert_eq!(server.send(Request::get("/healthz")).await.header("strict-transport-security"), None);

    let second = authority.write(10);
    says(&server, "degraded", "ends in 10 days").await;
    assert_eq!(shown(&connect(&server, &authority.root).await.unwrap()), second);
    let answer = send(&server, &authority.root, Request::get("/healthz")).await;
    assert_eq!(answer.header("strict-transport-security"), None, "nobody is to be locked out in ten days");
    // The connection from before goes on.
    open.write_all(Request::get("/healthz").text(server.secure.unwrap(), "close").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(Answer::parse(&bytes).status, 200);

    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "garbage").unwrap();
    says(&server, "down", "the one before is shown on").await;
    assert_eq!(shown(&connect(&server, &authority.root).await.unwrap()), second);
    std::fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    says(&server, "down", "not the one of this certificate").await;
    std::fs::remove_file(&page).unwrap();
    says(&server, "down", "page.pem").await;
    std::fs::write(&key, good).unwrap();
    let third = authority.write(60);
    says(&server, "good", "for 60 days more").await;
    assert_eq!(shown(&connect(&server, &authority.root).await.unwrap()), third);
}

#[tokio::test]
async fn without_its_files_the_page_opens_with_a_certificate_of_its_own_until_they_come() {
    let authority = Authority::new();
    let (page, key) = authority.files();
    let server = Server::with(|config| {
        config.page.tls = tls(Some((&page, &key)));
        // Not even that can be kept here.
        config.state_dir = "/proc/nowhere".into();
    })
    .await;
    says(&server, "down", "page.pem").await;
    let refused = connect(&server, &authority.root).await;
    assert!(refused.is_err(), "nobody vouches for the one that is shown");
    let written = authority.write(90);
    says(&server, "good", "is vouched for").await;
    assert_eq!(shown(&connect(&server, &authority.root).await.unwrap()), written);
}

//! E-mail, and what is encrypted. The relay here is a small receiver of the tests that holds an SMTP conversation on loopback as RFC 5321
//! has it; it is no mail server. Its TLS is real, with an authority of its own.

use crate::hook::{Does, Hook};
use crate::office::{Place, SECRET, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use breakglass_incident::Delivery::{GivenUp, Sent, Waiting};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How the relay behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Plain,
    Tls,
    StartTls,
}

#[derive(Clone)]
struct Relay {
    port: u16,
    line: Line,
    said: Arc<Mutex<Vec<String>>>,
    /// What it answers to the end of a message, in turn; then 250.
    answers: Arc<Mutex<Vec<&'static str>>>,
    acceptor: TlsAcceptor,
}

/// A certificate for `localhost` from an authority of its own, whose certificate is written to `file`.
fn acceptor(file: &std::path::Path) -> TlsAcceptor {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    std::fs::write(file, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Relay {
    async fn start(line: Line, answers: &[&'static str], authority: &std::path::Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            line,
            said: Arc::default(),
            answers: Arc::new(Mutex::new(answers.to_vec())),
            acceptor: acceptor(authority),
        };
        let serving = relay.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.answer(stream).await });
            }
        });
        relay
    }

    async fn answer(&self, stream: TcpStream) -> Option<()> {
        if self.line == Line::Tls {
            let mut stream = BufStream::new(self.acceptor.accept(stream).await.ok()?);
            return self.talk(&mut stream, true, true).await.map(drop);
        }
        let mut stream = BufStream::new(stream);
        if self.talk(&mut stream, self.line == Line::Plain, true).await? {
            let mut stream = BufStream::new(self.acceptor.accept(stream.into_inner()).await.ok()?);
            self.talk(&mut stream, true, false).await?;
        }
        Some(())
    }

    /// Talks until the other end goes, or wants TLS: then `true`.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufStream<S>,
        safe: bool,
        greets: bool,
    ) -> Option<bool> {
        if greets {
            say(stream, "220 relay.test ESMTP").await?;
        }
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            self.said.lock().unwrap().push(line.clone());
            let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match word.as_str() {
                "EHLO" if safe => {
                    say(stream, "250-relay.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN").await?
                }
                "EHLO" => say(stream, "250-relay.test\r\n250 STARTTLS").await?,
                "STARTTLS" => {
                    say(stream, "220 go on").await?;
                    return Some(true);
                }
                "AUTH" => say(stream, "235 welcome").await?,
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let mut text = String::new();
                    while !text.ends_with("\r\n.\r\n") {
                        stream.read_line(&mut text).await.ok().filter(|read| *read > 0)?;
                    }
                    self.said.lock().unwrap().push(text);
                    let mut answers = self.answers.lock().unwrap().clone();
                    let answer = if answers.is_empty() { "250 taken" } else { answers.remove(0) };
                    *self.answers.lock().unwrap() = answers;
                    say(stream, answer).await?;
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Some(false);
                }
                _ => say(stream, "250 fine").await?,
            }
        }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn messages(&self) -> Vec<String> {
        self.said().into_iter().filter(|text| text.contains("\r\n.\r\n")).collect()
    }
}

async fn say<S: AsyncWrite + AsyncRead + Unpin>(stream: &mut BufStream<S>, line: &str) -> Option<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// The section of the fleet file; `name` is the relay's.
fn mail(name: &str, port: u16, tls: &str, more: &str) -> String {
    format!(
        "ca_file = \"DIR/ca.pem\"\n[[notify.mail]]\nname = \"mail\"\nrelay = \"{name}\"\nport = {port}\ntls = \"{tls}\"\n\
         from = \"breakglass@example.org\"\nto = [\"oncall@example.org\", \"boss@example.org\"]\n{more}"
    )
}

/// A place whose file knows the port only after the relay has started.
async fn place(line: Line, answers: &[&'static str], name: &str, more: &str) -> (Place, Relay) {
    let authority = tempfile::tempdir().unwrap();
    let file = authority.path().join("ca.pem");
    let relay = Relay::start(line, answers, &file).await;
    let tls = match line {
        Line::Plain => "none",
        Line::Tls => "tls",
        Line::StartTls => "starttls",
    };
    let place = Place::new(&mail(name, relay.port, tls, more));
    std::fs::copy(file, place.path().join("ca.pem")).unwrap();
    (place, relay)
}

const ACCOUNT: &str = "user = \"breakglass\"\npassword_file = \"DIR/secret\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_through_the_relay_in_each_way_of_encryption() {
    for (line, account) in [(Line::Plain, ""), (Line::Tls, ACCOUNT), (Line::StartTls, ACCOUNT)] {
        let (place, relay) = place(line, &[], "localhost", account).await;
        let running = run(&place);
        let incident = running.opens("devvm").await;
        assert_eq!(running.wait_told("mail", 1).await[0].0, Sent);
        let said = relay.said();
        let message = relay.messages().remove(0);
        for wanted in [
            "Subject: [home] devvm stopped answering\r\n",
            "From: breakglass@example.org\r\n",
            "To: oncall@example.org, boss@example.org\r\n",
            "Message-ID: <bg-",
            "Auto-Submitted: auto-generated\r\n",
            "Importance: high\r\n",
            &format!("https://breakglass.example.org/incidents/{incident}\r\n"),
        ] {
            assert!(message.contains(wanted), "{wanted}: {message}");
        }
        assert!(said.iter().any(|line| line.starts_with("RCPT TO:<boss@example.org>")), "{said:?}");
        let login = STANDARD.encode(format!("\0breakglass\0{SECRET}"));
        let logged_in = said.iter().any(|line| line.contains(&login));
        assert_eq!(logged_in, !account.is_empty(), "{said:?}");
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_busy_is_tried_again_and_one_that_refuses_is_not() {
    let (place, relay) = place(Line::Plain, &["451 later", "250 taken", "554 no"], "localhost", "").await;
    let running = run(&place);
    running.press().await;
    let told = running.wait_told("mail", 1).await;
    assert_eq!((told[0].0, told[0].1), (Sent, 2));
    let id =
        |text: &str| text.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned).unwrap();
    let messages = relay.messages();
    assert_eq!(id(&messages[0]), id(&messages[1]));
    running.press().await;
    let told = running.wait_told("mail", 2).await;
    assert!(told[1].0 == GivenUp && told[1].2.contains("refuses the message"), "{told:?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_goes_to_a_relay_that_is_not_who_it_should_be() {
    // Another authority than the one that is trusted.
    let (place, relay) = place(Line::Tls, &[], "localhost", ACCOUNT).await;
    let _ = acceptor(&place.path().join("ca.pem"));
    let running = run(&place);
    running.press().await;
    let told = running.wait_told("mail", 1).await;
    assert!(told[0].0 == Waiting && told[0].2.contains("ertificate"), "{told:?}");
    assert!(relay.said().is_empty(), "{:?}", relay.said());
    running.end().await;

    // A relay that does not offer the encryption that is asked for.
    let plain = Relay::start(Line::Plain, &[], &place.path().join("ca.pem")).await;
    let place = Place::new(&mail("localhost", plain.port, "starttls", ACCOUNT));
    let _ = acceptor(&place.path().join("ca.pem"));
    let running = run(&place);
    running.press().await;
    let told = running.wait_told("mail", 1).await;
    assert_ne!(told[0].0, Sent, "{told:?}");
    assert!(plain.said().iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_believed_by_its_certificate() {
    let authority = tempfile::tempdir().unwrap();
    let file = authority.path().join("ca.pem");
    let acceptor = acceptor(&file);
    let behind = Hook::start(&[Does::Says(200)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let inside = behind.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outer = acceptor.accept(stream).await.ok()?;
                let mut inner = TcpStream::connect(("127.0.0.1", inside)).await.ok()?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok()
            });
        }
    });
    let text = format!(
        "ca_file = \"DIR/ca.pem\"\n{}",
        crate::office::hook("oncall", &format!("https://localhost:{port}/hook"))
    );
    let place = Place::new(&text);
    // An authority that has nothing to do with it.
    let _ = self::acceptor(&place.path().join("ca.pem"));
    let running = run(&place);
    running.press().await;
    let told = running.wait_told("oncall", 1).await;
    assert!(told[0].0 == Waiting && behind.got().is_empty(), "{told:?}");
    // The right one, put there while the server runs.
    std::fs::copy(&file, place.path().join("ca.pem")).unwrap();
    assert_eq!(running.wait_told("oncall", 2).await[1].0, Sent);
    assert_eq!(behind.got().len(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_never_greets_is_given_its_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let held = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::time::timeout(Duration::from_millis(1), stream.read_u8()).await;
            all.push(stream);
        }
    });
    let place = Place::new(&mail("localhost", port, "none", ""));
    let running = run(&place);
    running.press().await;
    let began = Instant::now();
    let told = running.wait_told("mail", 1).await;
    assert!(
        told[0].0 == Waiting && began.elapsed() >= Duration::from_secs(3),
        "three tries of 1.5 s: {told:?}"
    );
    running.end().await;
    held.abort();
}

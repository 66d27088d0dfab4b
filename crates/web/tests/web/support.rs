//! A server on a port of its own with a fleet that nobody answers for, and a client that sends exactly what it is told.

use axum::routing::{get, post};
use axum::{Extension, Router};
use breakglass_e2e::stage;
pub(crate) use breakglass_e2e::stage::now;
use breakglass_fleet::TrustedHeader;
use breakglass_incident::{Actor, EventBody, IncidentId};
use breakglass_recovery::Desk;
use breakglass_web::{Extra, ExtraLink, Listening, Visitor, WebConfig, csrf_field, extra_page, serve_on};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const FLEET: &str = r#"
[fleet]
name = "test"
[[component]]
name = "pve"
kind = "hypervisor"
addresses = ["127.0.0.1:1"]
[[component]]
name = "devvm"
kind = "vm"
addresses = ["127.0.0.1:1"]
needs = ["pve"]
[[secret]]
name = "power-key"
[[secret]]
name = "repair-key"
[[door]]
name = "devvm-power"
kind = "power"
to = "pve"
controls = "devvm"
backend = "qm"
vm = 102
user = "root"
key = "power-key"
deadline = "2 s"
[[door]]
name = "devvm-repair"
kind = "repair"
to = "devvm"
user = "breakglass"
key = "repair-key"
deadline = "2 s"
[[door]]
name = "devvm-diag"
kind = "diag"
to = "devvm"
user = "breakglass-diag"
key = "repair-key"
deadline = "2 s"
[agent.outside]
repair = "ask"
"#;

pub(crate) const TOKEN: &str = "kLm4Zr0w9s8d7f6g5h4j3k2l1";
/// The token of an outside agent.
pub(crate) const AGENT_TOKEN: &str = "qWe4Zr0w9s8d7f6g5h4j3k2l1";
/// The token of a monitoring system.
pub(crate) const METRICS_TOKEN: &str = "mEt4Zr0w9s8d7f6g5h4j3k2l1";
/// Further tokens, named after the role that a test gives them.
pub(crate) const ROLE_TOKENS: [(&str, &str); 3] = [
    ("viewer", "v1ew1e0d9c8b7a6s5d4f3g2h"),
    ("operator", "0per8t7y6u5i4o3p2a1s9d8"),
    ("admin", "4dm1n5s6d7f8g9h0j1k2l3"),
];
pub(crate) const HEADER: &str = "x-remote-user";
pub(crate) const GROUPS: &str = "x-remote-groups";
pub(crate) const CLIENT: &str = "x-forwarded-for";
/// The listed proxy; everything else comes from 127.0.0.1.
pub(crate) const PROXY: &str = "127.0.0.2";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Where TLS is spoken, if it is.
    pub(crate) secure: Option<SocketAddr>,
    pub(crate) desk: Desk,
    pub(crate) dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut WebConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let desk = stage::desk(FLEET, dir.path()).unwrap();
        let bcrypt = bcrypt::hash("battery staple", 4).unwrap().replacen("$2b$", "$2y$", 1);
        std::fs::write(
            dir.path().join("passwords"),
            format!(
                "# who may log in\nmara:{}\nole:{bcrypt}\nbroken\n",
                stage::password_hash("correct horse").unwrap()
            ),
        )
        .unwrap();
        let digest =
            |token: &str| Sha256::digest(token).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let tokens = [("deploy", TOKEN)].into_iter().chain(ROLE_TOKENS);
        let tokens: String = tokens.map(|(name, token)| format!("{name}:{}\n", digest(token))).collect();
        let tokens = format!("{tokens}laptop:{}:agent\n", digest(AGENT_TOKEN));
        let tokens = format!("{tokens}prometheus:{}:metrics\n", digest(METRICS_TOKEN));
        std::fs::write(dir.path().join("tokens"), tokens).unwrap();
        let mut config = WebConfig::from_fleet(&desk.fleet);
        config.page.listen = vec![([127, 0, 0, 1], 0).into()];
        config.page.password_file = Some(dir.path().join("passwords"));
        config.page.token_file = Some(dir.path().join("tokens"));
        config.page.trusted_header = Some(TrustedHeader {
            name: HEADER.to_owned(),
            groups: Some(GROUPS.to_owned()),
            client: Some(CLIENT.to_owned()),
            proxies: vec![PROXY.parse().unwrap()],
        });
        config.state_dir = dir.path().join("state");
        change(&mut config);
        let listening = Listening::open(&config, now()).await.unwrap();
        let address = *listening.addresses.first().unwrap();
        let secure = listening.secure_addresses.first().copied();
        let (stop, stopped) = oneshot::channel();
        let serving = serve_on(listening, desk.clone(), config, extra(), async {
            let _ = stopped.await;
        });
        let running = tokio::spawn(serving);
        Self { address, secure, desk, dir, stop: Some(stop), running }
    }

    /// Ends the server; false where it did not end in time.
    pub(crate) async fn end(mut self) -> bool {
        drop(self.stop.take());
        tokio::time::timeout(Duration::from_secs(8), &mut self.running).await.is_ok()
    }

    pub(crate) async fn incident(&self) -> IncidentId {
        let (id, _) = self.desk.journal.open_incident("devvm", "it does not answer", Actor::Watch).await;
        id
    }

    pub(crate) async fn note(&self, id: IncidentId, text: &str) -> u64 {
        let body = EventBody::Note { text: text.to_owned() };
        self.desk.journal.append(Some(id), Actor::Human("mara".to_owned()), body).await.seq().0
    }

    /// Sends it, and holds the answer against the document of the API.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        let asked = format!("{} {}", request.method, request.path);
        let (method, path) = (request.method, request.path.clone());
        let answer = request.send(self.address).await;
        crate::document::holds(method, &path, &answer).unwrap_or_else(|why| panic!("{asked}: {why}"));
        answer
    }

    pub(crate) async fn get(&self, path: &str, who: &Who) -> Answer {
        self.send(Request::get(path).by(who)).await
    }

    pub(crate) async fn post(&self, path: &str, who: &Who, form: &str) -> Answer {
        self.send(Request::post(path, form).by(who)).await
    }

    /// Logs in and reads the proof of intent from a page.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Who {
        let form = format!("name={name}&password={}", password.replace(' ', "+"));
        let answer = self.send(Request::post("/login", &form)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let who = Who { cookie: Some(answer.cookies()), ..Who::default() };
        self.with_csrf(who).await
    }

    pub(crate) async fn by_proxy(&self, name: &str) -> Who {
        self.by_proxy_with_groups(name, None).await
    }

    pub(crate) async fn by_proxy_with_groups(&self, name: &str, groups: Option<&str>) -> Who {
        let extra = groups.map(|groups| (GROUPS, groups.to_owned())).into_iter().collect();
        let who = Who { header: Some(name.to_owned()), from: Some(PROXY), extra, ..Who::default() };
        self.with_csrf(who).await
    }

    async fn with_csrf(&self, who: Who) -> Who {
        let page = self.get("/", &who).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").expect("a form on the board");
        let csrf = rest.split_once('"').unwrap().0.to_owned();
        Who { csrf: Some(csrf), ..who }
    }
}

fn extra() -> Extra {
    let shown = |Extension(visitor): Extension<Visitor>| async move {
        extra_page(&visitor, "Demo", &maud::html! { form { (csrf_field(&visitor)) } })
    };
    let router = Router::new().route("/demo", get(shown)).route("/demo", post(|| async { "done" }));
    Extra { router, link: Some(ExtraLink { label: "Demo".to_owned(), href: "/demo".to_owned() }) }
}

/// Whose headers a request carries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    pub(crate) cookie: Option<String>,
    pub(crate) bearer: Option<String>,
    pub(crate) header: Option<String>,
    /// The source address, where it is not 127.0.0.1.
    pub(crate) from: Option<&'static str>,
    pub(crate) csrf: Option<String>,
    pub(crate) extra: Vec<(&'static str, String)>,
}

impl Who {
    pub(crate) fn agent() -> Self {
        Self { bearer: Some(AGENT_TOKEN.to_owned()), ..Self::default() }
    }

    pub(crate) fn token() -> Self {
        Self::bearer(TOKEN)
    }

    pub(crate) fn bearer(token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..Self::default() }
    }
}

#[derive(Debug)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    form: bool,
    from: Option<&'static str>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: "GET",
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
            form: false,
            from: None,
        }
    }

    pub(crate) fn post(path: &str, form: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        Self { method: "POST", path: path.to_owned(), headers, body: form.to_owned(), form: true, from: None }
    }

    pub(crate) fn json(path: &str, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self {
            method: "POST",
            path: path.to_owned(),
            headers,
            body: body.to_owned(),
            form: false,
            from: None,
        }
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn by(mut self, who: &Who) -> Self {
        self.from = who.from;
        if let Some(cookie) = &who.cookie {
            self = self.header("cookie", cookie);
        }
        if let Some(bearer) = &who.bearer {
            self = self.header("authorization", &format!("Bearer {bearer}"));
        }
        if let Some(name) = &who.header {
            self = self.header(HEADER, name);
        }
        for (name, value) in &who.extra {
            self = self.header(name, value);
        }
        match &who.csrf {
            Some(csrf) if self.form => self.body = format!("{}&csrf={csrf}", self.body),
            Some(csrf) if self.method == "POST" => self = self.header("x-csrf-token", csrf),
            _ => {}
        }
        self
    }

    pub(crate) async fn open(self, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{}:0", self.from.unwrap_or("127.0.0.1")).parse().unwrap()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(self.text(address, "close").as_bytes()).await.unwrap();
        stream
    }

    /// As it travels; `connection` is `close` or `keep-alive`.
    pub(crate) fn text(&self, address: SocketAddr, connection: &str) -> String {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: {connection}\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{}", self.body.len(), self.body));
        text
    }

    /// Sends it and reads the whole answer; of a stream that does not end, what came within a moment.
    pub(crate) async fn send(self, address: SocketAddr) -> Answer {
        let mut stream = self.open(address).await;
        let mut bytes = Vec::new();
        let mut chunk = [0; 16 * 1024];
        let mut patience = Duration::from_secs(20);
        while let Ok(Ok(read)) = tokio::time::timeout(patience, stream.read(&mut chunk)).await {
            if read == 0 {
                break;
            }
            bytes.extend_from_slice(chunk.get(..read).unwrap());
            if find(&bytes, b"text/event-stream").is_some() {
                patience = Duration::from_millis(300);
            }
        }
        Answer::parse(&bytes)
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {}", bytes.escape_ascii()));
        let (head, body) = bytes.split_at(end);
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = body.get(4..).unwrap_or_default();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let bytes = if chunked { unchunked(body) } else { body.to_vec() };
        Self { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All cookies that were set, as a browser sends them back.
    pub(crate) fn cookies(&self) -> String {
        let set = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        set.filter_map(|(_, value)| value.split(';').next()).collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn leads_to_login(&self) -> bool {
        self.status == 303 && self.header("location").is_some_and(|to| to.starts_with("/login"))
    }
}

pub(crate) fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = find(body, b"\r\n") {
        let size = std::str::from_utf8(body.get(..end).unwrap())
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let from = end + 2;
        out.extend_from_slice(body.get(from..(from + size).min(body.len())).unwrap_or_default());
        body = body.get(from + size + 2..).unwrap_or_default();
    }
    out
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

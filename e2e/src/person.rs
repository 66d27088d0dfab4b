//! A person at a server: logged in by password, with the proof of intent that a page gives, and listening to an incident.
//! What a token starts may only ask, so whoever tests what an agent does for people comes in this way.

use crate::http::{Answer, request};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever is logged in. What they hold outlives the server.
pub struct Person {
    address: SocketAddr,
    cookie: String,
    csrf: String,
}

impl Person {
    /// Logs in.
    ///
    /// # Errors
    /// When the server does not answer, or does not let them in.
    pub fn log_in(address: SocketAddr, name: &str, password: &str) -> Result<Self> {
        let form = format!("name={name}&password={}", password.replace(' ', "+"));
        let form = ("application/x-www-form-urlencoded", form.as_str());
        let answer = request(address, "POST", "/login", &[], Some(form), PATIENCE)?;
        ensure!(answer.status == 303, "{} did not get in: {}", name, answer.body);
        let set = answer.headers.iter().filter_map(|line| line.split_once(": "));
        let cookies = set.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let cookie: Vec<&str> = cookies.filter_map(|(_, value)| value.split(';').next()).collect();
        let mut person = Self { address, cookie: cookie.join("; "), csrf: String::new() };
        let page = person.get("/")?;
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").context("no form on the board")?;
        person.csrf = rest.split_once('"').map(|(csrf, _)| csrf.to_owned()).unwrap_or_default();
        Ok(person)
    }

    /// A page or piece of one.
    ///
    /// # Errors
    /// When no answer came.
    pub fn get(&self, path: &str) -> Result<Answer> {
        request(self.address, "GET", path, &[("Cookie", &self.cookie)], None, PATIENCE)
    }

    /// A JSON POST.
    ///
    /// # Errors
    /// When no answer came, or one that is no success; with what it said.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let headers = [("Cookie", self.cookie.as_str()), ("X-CSRF-Token", &self.csrf)];
        let body = body.to_string();
        let answer =
            request(self.address, "POST", path, &headers, Some(("application/json", &body)), PATIENCE)?;
        ensure!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        answer.json()
    }

    /// Opens the incident of a target, or finds the one that is open.
    ///
    /// # Errors
    /// As [`Person::post`].
    pub fn incident(&self, target: &str) -> Result<u64> {
        let opened =
            self.post("/api/v1/incidents", &serde_json::json!({ "target": target, "reason": "a test" }))?;
        opened.get("incident").and_then(Value::as_u64).context("no incident")
    }

    /// Starts a turn there; gives its number.
    ///
    /// # Errors
    /// As [`Person::post`].
    pub fn ask(&self, incident: u64, text: &str) -> Result<u64> {
        let path = format!("/api/v1/incidents/{incident}/turns");
        let started = self.post(&path, &serde_json::json!({ "ask": text }))?;
        started.get("turn").and_then(Value::as_u64).context("no turn")
    }

    /// Listens to an incident after event `after`, until the server goes away.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn listen(&self, incident: u64, after: u64) -> Result<Heard> {
        let mut stream = TcpStream::connect(self.address)?;
        let head = format!(
            "GET /api/v1/incidents/{incident}/events?after={after} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\
             Accept: text/event-stream\r\n\r\n",
            self.address, self.cookie
        );
        stream.write_all(head.as_bytes())?;
        let heard = Heard::default();
        let events = Arc::clone(&heard.0);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let event =
                    line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok());
                // Live frames have no number: they promise nothing.
                if let Some(event) = event.filter(|event| event.get("seq").is_some()) {
                    events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                }
            }
        });
        Ok(heard)
    }
}

/// The durable events that were heard so far.
#[derive(Default)]
pub struct Heard(Arc<Mutex<Vec<Value>>>);

impl Heard {
    /// All of them, in their order.
    #[must_use]
    pub fn so_far(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

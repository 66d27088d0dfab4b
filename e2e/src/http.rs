//! A plain HTTP/1.1 client for tests: one request, one connection, over a blocking socket with a deadline. It keeps
//! the tests honest by sharing nothing with the server.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer: status code, header lines as sent, body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines as they came.
    pub headers: Vec<String>,
    /// The body, bytes replaced where they are no UTF-8.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("status {}: {}", self.status, self.body))
    }

    /// The value of a header, by lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// One request.
///
/// # Errors
/// When no complete answer came within `deadline`.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, &str)>,
    deadline: Duration,
) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, deadline).context("connecting")?;
    stream.set_read_timeout(Some(deadline))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some((media, text)) = body {
        head.push_str(&format!("Content-Type: {media}\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
    } else {
        head.push_str("\r\n");
    }
    stream.write_all(head.as_bytes())?;
    read_answer(&mut BufReader::new(stream))
}

fn read_answer(reader: &mut impl BufRead) -> Result<Answer> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let Some(status) = status else { bail!("no HTTP answer: {line:?}") };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        headers.push(line.trim_end().to_owned());
    }
    let chunked =
        headers.iter().any(|line| line.to_ascii_lowercase().starts_with("transfer-encoding: chunked"));
    let mut bytes = Vec::new();
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).context("a chunk's size")?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            bytes.extend(chunk.into_iter().take(size));
        }
    } else {
        // Some servers leave the connection open whatever they are asked: what they announced is all there is.
        let announced = headers.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<u64>().ok())?
        });
        reader.take(announced.unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    }
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&bytes).into_owned() })
}

//! Part `guest-agent`: whether the agent inside the guest answers, within a second.
//!
//! The guest answers it, so the answer is hostile: bounded, stripped, never acted upon. Only `guest-ping` and
//! `guest-info` are asked; nothing that could touch the guest's disk.

use super::{Order, PartEnd, Sheet};
use crate::console::plain_line;
use breakglass_qmp::Deadlined;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// A living agent answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer that is read.
const ANSWER_LIMIT: usize = 64 * 1024;

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let Some(socket) = &order.plan.guest_agent else {
        sheet.line("no guest agent is configured");
        return PartEnd::NotHere;
    };
    let began = Instant::now();
    let answer = ask(socket, began + PATIENCE.min(order.time / 2));
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(info) => {
            sheet.line(json!({ "answered": true, "millis": millis, "guest-info": info }));
            PartEnd::Captured
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            sheet.line("the guest agent's socket is not there");
            PartEnd::NotHere
        }
        Err(error) => {
            sheet.line(json!({ "answered": false, "millis": millis, "why": error.to_string() }));
            PartEnd::TimedOut
        }
    }
}

fn ask(socket: &Path, deadline: Instant) -> io::Result<Value> {
    let mut stream = Deadlined::connect(socket, deadline)?;
    let id = u64::from(std::process::id());
    // 0xFF makes the agent forget half a request of whoever asked before; it sends one before its own answer.
    stream.write_all(b"\xff")?;
    stream.write_all(
        format!("{}\n", json!({"execute": "guest-sync-delimited", "arguments": {"id": id}})).as_bytes(),
    )?;
    let mut received = Vec::new();
    loop {
        let line = read_line(&mut stream, &mut received)?;
        let after = line.rsplit(|&b| b == 0xff).next().unwrap_or_default();
        let said: Option<Value> = serde_json::from_slice(after).ok();
        if said.and_then(|said| said.get("return")?.as_u64()) == Some(id) {
            break;
        }
    }
    stream.write_all(b"{\"execute\": \"guest-ping\"}\n")?;
    read_line(&mut stream, &mut received)?;
    stream.write_all(b"{\"execute\": \"guest-info\"}\n")?;
    let line = plain_line(&read_line(&mut stream, &mut received)?);
    let info: Value =
        serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(info.get("return").cloned().unwrap_or(Value::Null))
}

fn read_line(stream: &mut Deadlined, received: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = received.iter().position(|&b| b == b'\n') {
            let rest = received.split_off(end + 1);
            return Ok(std::mem::replace(received, rest));
        }
        if received.len() > ANSWER_LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the agent's answer is too long"));
        }
        let mut chunk = [0_u8; 4096];
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => received.extend_from_slice(chunk.get(..length).unwrap_or_default()),
        }
    }
}

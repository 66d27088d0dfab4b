//! Prints how many megabytes of journal-like lines a second pass through, over five runs: `cargo run --release -p
//! breakglass-redact --example throughput`.

use breakglass_redact::{Shape, Stream};
use std::time::Instant;

const SIZE: usize = 64 * 1024 * 1024;
const LINES: [&str; 10] = [
    "sshd[412]: Accepted publickey for ops from 10.0.0.9 port 51234 ssh2: ED25519 SHA256:q1Zr8nD0yVQn5mJ2bUuS1xFz0kq9wL3eT7cA4hRgYpM",
    "systemd[1]: nginx.service: Main process exited, code=exited, status=1/FAILURE",
    "kernel: usb 1-1.2: New USB device found, idVendor=046d, idProduct=c31c, bcdDevice=64.00",
    "nginx[77]: 10.0.0.9 - - \"GET /api/v1/items?page=2&limit=50 HTTP/1.1\" 200 1234 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
    "dockerd[99]: time=\"2026-11-22T02:10:48Z\" level=info msg=\"ignoring event\" container=5b9acc575fbf topic=/tasks/delete",
    "CRON[41]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "kubelet[9]: I1122 02:10:48.123456 1234 pod_startup_latency.go:102] \"Observed pod startup duration\" pod=\"default/web-7d9f8b6c5-x2x4z\"",
    "postfix/smtp[3]: 4F1A22C0D1: to=<a@example.org>, relay=mx.example.org[192.0.2.1]:25, delay=1.2, status=sent (250 OK)",
    "app[7]: {\"level\":\"info\",\"msg\":\"request done\",\"request_id\":\"d5e80729-c263-4654-ac02-8b4e1445c236\",\"took_ms\":12}",
    "app[7]: connecting user=app password=not-a-real-one host=db",
];

fn main() {
    let mut text = Vec::with_capacity(SIZE);
    let mut second = 0usize;
    while text.len() < SIZE {
        // A line in a thousand has a secret.
        let line = if second.is_multiple_of(1000) { LINES.len() - 1 } else { second % (LINES.len() - 1) };
        let head =
            format!("Nov 22 {:02}:{:02}:{:02} pve1 ", second / 3600 % 24, second / 60 % 60, second % 60);
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(LINES.get(line).copied().unwrap_or_default().as_bytes());
        text.push(b'\n');
        second += 1;
    }
    let mut runs: Vec<f64> = (0..5).map(|_| megabytes_a_second(&text)).collect();
    runs.sort_by(f64::total_cmp);
    if let [slowest, .., fastest] = runs.as_slice() {
        let median = runs.get(runs.len() / 2).unwrap_or(slowest);
        println!("{median:.0} MB/s in the middle of 5 runs, {slowest:.0} to {fastest:.0}");
    }
}

fn megabytes_a_second(text: &[u8]) -> f64 {
    let (mut stream, mut out) = (Stream::new(Shape::Text), Vec::with_capacity(128 * 1024));
    let begun = Instant::now();
    for piece in text.chunks(65_536) {
        stream.push(piece, &mut out);
        out.clear();
    }
    let _ = stream.finish(&mut out);
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "megabytes, to be read by a person")]
    let megabytes = text.len() as f64 / 1e6;
    megabytes / seconds
}

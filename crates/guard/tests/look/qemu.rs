//! A real QEMU with a screen, held before its first instruction; and sockets that only look like its monitor.

use breakglass_qmp::Client;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Qemu {
    pub(crate) process: Child,
    pub(crate) socket: PathBuf,
    pub(crate) console: PathBuf,
}

impl Qemu {
    pub(crate) fn start(dir: &Path) -> Self {
        let (socket, console, disk) = (dir.join("qmp"), dir.join("console"), dir.join("disk"));
        std::fs::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
        let process = Command::new("/usr/bin/qemu-system-x86_64")
            .args([
                "-machine",
                "q35",
                "-accel",
                "tcg,tb-size=32",
                "-m",
                "32",
                "-nodefaults",
                "-no-user-config",
            ])
            .args(["-display", "none", "-device", "VGA"])
            .arg("-drive")
            .arg(format!("if=none,id=disk0,format=raw,file={}", disk.display()))
            .args(["-device", "virtio-blk-pci,drive=disk0"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let qemu = Self { process, socket, console };
        let until = Instant::now() + Duration::from_secs(8);
        while Client::open(&qemu.socket, until).is_err() {
            assert!(Instant::now() < until, "QEMU's monitor did not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        qemu
    }

    /// Its process id and start time, as the guard identifies it.
    pub(crate) fn identity(&self) -> serde_json::Value {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let start: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
        serde_json::json!({ "pid": self.process.id(), "start_ticks": start })
    }

    /// Whether its monitor answers, and says what.
    pub(crate) fn state(&self) -> String {
        let until = Instant::now() + Duration::from_secs(3);
        Client::open(&self.socket, until).unwrap().query_status().unwrap().status
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

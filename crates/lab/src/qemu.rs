//! The command line of a lab's QEMU. Pure: paths and numbers in, words out.

use std::path::Path;

/// Where one VM's files are and which ports it has.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) name: &'a str,
    pub(crate) number: u32,
    pub(crate) directory: &'a Path,
    pub(crate) kernel: &'a Path,
    pub(crate) memory_mib: u32,
    pub(crate) ssh_port: u16,
    pub(crate) refusing_port: u16,
    /// Whether the guest does without its workload.
    pub(crate) idle: bool,
}

/// The name of the drive that the guest keeps its data on.
pub(crate) const DATA_DRIVE: &str = "data";

impl Machine<'_> {
    /// A file of this VM: `102.pid`, say.
    pub(crate) fn path(&self, suffix: &str) -> String {
        self.directory.join(format!("{}.{suffix}", self.number)).to_string_lossy().into_owned()
    }

    /// The arguments after the program's name.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let monitor = |suffix: &str| format!("unix:{},server=on,wait=off", self.path(suffix));
        // No `quiet`: triage reads boot, panic and out-of-memory lines from the serial console, and the screendump
        // shows the last of them on tty0. `panic=0` keeps a panicked kernel where it is, as a server's default does.
        // The rest is time: self-tests of ciphers, patching for real processors, and auditing cost seconds under
        // emulation and change nothing that a recovery could notice. `noautogroup`: a server's services are not kept
        // apart by terminal, as a desk's programs are; else a runaway job would hardly disturb sshd.
        let kernel_line = format!(
            "console=tty0 console=ttyS0,115200 loglevel=6 panic=0 psi=1 rdinit=/init lab.idle={} \
             cryptomgr.notests mitigations=off nokaslr audit=0 apparmor=0 noautogroup",
            u8::from(self.idle)
        );
        let network = format!(
            "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22,hostfwd=tcp:127.0.0.1:{}-:9",
            self.ssh_port, self.refusing_port
        );
        [
            ("-name", self.name.to_owned()),
            ("-machine", "q35".to_owned()),
            // The default translation buffer is a quarter of the memory of this machine, per VM.
            ("-accel", "tcg,tb-size=64".to_owned()),
            ("-cpu", "max".to_owned()),
            ("-m", self.memory_mib.to_string()),
            ("-smp", "1".to_owned()),
            ("-display", "none".to_owned()),
            ("-device", "VGA".to_owned()),
            ("-kernel", self.kernel.to_string_lossy().into_owned()),
            ("-initrd", self.path("initramfs")),
            ("-append", kernel_line),
            // The guest's flushes are answered without waiting for this machine's disk: a killed QEMU loses nothing
            // by it, and a lab does not wear out a laptop.
            ("-drive", format!("id={DATA_DRIVE},if=none,format=raw,cache=unsafe,file={}", self.path("raw"))),
            ("-device", format!("virtio-blk-pci,drive={DATA_DRIVE}")),
            ("-netdev", network),
            ("-device", "virtio-net-pci,netdev=net0,romfile=".to_owned()),
            ("-chardev", format!("file,id=console,append=on,path={}", self.path("console"))),
            ("-serial", "chardev:console".to_owned()),
            ("-chardev", format!("socket,id=control,server=on,wait=off,path={}", self.path("control"))),
            ("-serial", "chardev:control".to_owned()),
            ("-qmp", monitor("qmp")),
            ("-qmp", monitor("lab.qmp")),
            ("-pidfile", self.path("pid")),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .chain(["-nodefaults".to_owned(), "-no-user-config".to_owned()])
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Machine;
    use std::path::Path;

    #[test]
    fn numbers_that_contain_each_other_get_files_of_their_own() {
        let machine = |number| Machine {
            name: "devvm",
            number,
            directory: Path::new("/lab"),
            kernel: Path::new("/vmlinuz"),
            memory_mib: 256,
            ssh_port: 2200,
            refusing_port: 2209,
            idle: true,
        };
        let line = machine(102).arguments().join(" ");
        assert!(line.contains("-pidfile /lab/102.pid") && !line.contains("1020"), "{line}");
        assert!(line.contains("restrict=on") && line.contains("lab.idle=1"), "{line}");
        assert!(machine(1020).arguments().contains(&"/lab/1020.pid".to_owned()));
    }
}

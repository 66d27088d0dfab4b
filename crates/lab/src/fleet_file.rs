//! The fleet file of a lab, as text: this crate does not depend on the one that reads it.

use crate::Vm;
use crate::hypervisor::Hypervisor;
use anyhow::Result;
use std::fmt::Write as _;

/// Renders the file; `guests` are the VMs with the fingerprints of their host keys.
pub(crate) fn render(hypervisor: &Hypervisor, fingerprint: &str, guests: &[(&Vm, String)]) -> Result<String> {
    let mut text = String::new();
    let state = hypervisor.directory.join("state");
    writeln!(text, "[fleet]\nname = \"lab\"\nstate_dir = {:?}\n", state.to_string_lossy())?;
    writeln!(
        text,
        "[[component]]\nname = \"pve\"\nkind = \"hypervisor\"\naddresses = [\"127.0.0.1:{}\"]\nhost_key = {fingerprint:?}\n",
        hypervisor.ssh_port
    )?;
    for (name, file) in [("power-key", &hypervisor.power_key), ("repair-key", &hypervisor.repair_key)] {
        writeln!(text, "[[secret]]\nname = \"{name}\"\nfile = {:?}\n", file.to_string_lossy())?;
    }
    for (vm, fingerprint) in guests {
        let name = vm.name();
        writeln!(
            text,
            "[[component]]\nname = \"{name}\"\nkind = \"vm\"\naddresses = [\"127.0.0.1:{}\"]\nneeds = [\"pve\"]\n\
             refusing_port = \"127.0.0.1:{}\"\nhost_key = {fingerprint:?}\n",
            vm.ssh_port(),
            vm.refusing_port()
        )?;
        writeln!(
            text,
            "[[door]]\nname = \"{name}-power\"\nkind = \"power\"\nto = \"pve\"\ncontrols = \"{name}\"\nbackend = \"qmp\"\n\
             vm = {}\nuser = \"root\"\nkey = \"power-key\"",
            vm.number()
        )?;
        if guests.len() > 1 {
            writeln!(text, "vm_name = \"{name}\"")?;
        }
        writeln!(
            text,
            "\n[[door]]\nname = \"{name}-repair\"\nkind = \"repair\"\nto = \"{name}\"\nuser = \"breakglass\"\n\
             key = \"repair-key\"\nharness = true\n"
        )?;
    }
    writeln!(text, "[watch]\ninterval = \"1 s\"\nconfirm = 2\nlearn = \"10 s\"")?;
    Ok(text)
}

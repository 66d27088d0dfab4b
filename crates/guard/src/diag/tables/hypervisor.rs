//! The set `hypervisor`: what runs on a Proxmox or libvirt host. Verbs that change a machine are the power door's.

use crate::diag::grammar::{Command, NOTHING, PROGRAM};
use crate::diag::plan::{Needs, Privilege};

const HYPERVISOR: Needs = Needs { unix_sockets: true, privilege: Some(Privilege::Hypervisor), ..NOTHING };

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "qm",
        set: "hypervisor",
        needs: HYPERVISOR,
        rows: &["
            --full =? one(0|1) @list
            --verbose @status
            --current @config
        "],
        verbs: "
            list :
            status : ident
            config : ident
            pending : ident
            listsnapshot : ident
        ",
        ..PROGRAM
    },
    Command {
        names: "pct",
        set: "hypervisor",
        needs: HYPERVISOR,
        rows: &["
            --verbose @status
            --current @config
        "],
        verbs: "
            list :
            status : ident
            config : ident
            pending : ident
            listsnapshot : ident
            cpusets :
        ",
        ..PROGRAM
    },
    Command {
        names: "pvesm",
        set: "hypervisor",
        needs: HYPERVISOR,
        rows: &["
            --storage = name @status
            --content = list(images|rootdir|vztmpl|backup|iso|snippets) @status,list
            --enabled = one(0|1) @status
            --vmid = ident @list
        "],
        verbs: "
            status :
            list : name
        ",
        ..PROGRAM
    },
    Command { names: "pvecm", set: "hypervisor", needs: HYPERVISOR, verbs: "status :\nnodes :", ..PROGRAM },
    Command { names: "ha-manager", set: "hypervisor", needs: HYPERVISOR, verbs: "status :", ..PROGRAM },
    Command { names: "pveversion", set: "hypervisor", needs: HYPERVISOR, rows: &["-v --verbose"], ..PROGRAM },
    Command {
        names: "virsh",
        set: "hypervisor",
        lead: "--readonly --connect=qemu:///system",
        needs: HYPERVISOR,
        rows: &["
            -r --readonly %drop
            --all @list,pool-list,net-list
            --inactive @list,pool-list,net-list,dumpxml
            --state-running @list
            --state-shutoff @list
            --state-paused @list
            --name @list,pool-list,net-list
            --uuid @list
            --title @list
            --id @list
            --reason @domstate
            --details @domblklist,vol-list,pool-list
            --human @domblkinfo
        "],
        verbs: "
            list :
            dominfo : name
            domstate : name
            domstats : name*8
            domblklist : name
            domblkinfo : name word
            domblkstat : name word?
            domiflist : name
            domifstat : name interface
            domifaddr : name
            dommemstat : name
            domjobinfo : name
            domtime : name
            vcpuinfo : name
            vcpucount : name
            dumpxml : name
            snapshot-list : name
            nodeinfo :
            nodememstats :
            nodecpustats :
            pool-list :
            pool-info : name
            vol-list : name
            net-list :
            net-info : name
            net-dhcp-leases : name
            version :
            uri :
        ",
        ..PROGRAM
    },
];

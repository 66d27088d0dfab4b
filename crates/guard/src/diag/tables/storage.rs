//! The set `storage`: file systems, disks, pools, volumes.

use crate::diag::grammar::{Command, NOTHING, PROGRAM};
use crate::diag::plan::{Needs, Privilege};

const DISKS: Needs = Needs { privilege: Some(Privilege::Disks), ..NOTHING };

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "df",
        set: "storage",
        rows: &["
            -a --all
            -h --human-readable
            -H --si
            -i --inodes
            -k
            -m
            -l --local
            -P --portability
            -T --print-type
            -B --block-size = word
            -t --type = word
            -x --exclude-type = word
            --total
            --output =? list(source|fstype|itotal|iused|iavail|ipcent|size|used|avail|pcent|file|target)
        "],
        verbs: ": path*8",
        ..PROGRAM
    },
    Command {
        names: "du",
        set: "storage",
        rows: &["
            -a --all
            -c --total
            -d --max-depth = count(20)
            -h --human-readable
            -k
            -m
            -s --summarize
            -S --separate-dirs
            -x --one-file-system
            --inodes
            --si
            -t --threshold = signed
            -B --block-size = word
            --exclude = pattern
        "],
        verbs: ": path+8",
        ..PROGRAM
    },
    Command {
        names: "lsblk",
        set: "storage",
        rows: &["
            -a --all
            -b --bytes
            -d --nodeps
            -D --discard
            -e --exclude = columns
            -f --fs
            -i --ascii
            -I --include = columns
            -J --json
            -l --list
            -m --perms
            -M --merge
            -n --noheadings
            -N --nvme
            -o --output = columns
            -O --output-all
            -p --paths
            -P --pairs
            -r --raw
            -s --inverse
            -S --scsi
            -t --topology
            -T --tree =? columns
            -v --virtio
            -x --sort = columns
            -z --zoned
            -E --dedup = columns
        "],
        verbs: ": device*16",
        ..PROGRAM
    },
    Command {
        names: "findmnt",
        set: "storage",
        rows: &["
            -a --ascii
            -A --all
            -b --bytes
            -D --df
            -e --evaluate
            -f --first-only
            -i --invert
            -J --json
            -k --kernel
            -l --list
            -m --mtab
            -n --noheadings
            -o --output = columns
            -O --options = columns
            --output-all
            -P --pairs
            -r --raw
            -R --submounts
            -s --fstab
            -S --source = device
            -T --target = path
            -M --mountpoint = path
            -t --types = columns
            -u --notruncate
            -U --uniq
            -v --nofsroot
            --real
            --pseudo
            --tree
        "],
        verbs: ": path? / device / pool",
        ..PROGRAM
    },
    Command {
        names: "mount",
        set: "storage",
        rows: &["
            -l --show-labels
            -t --types = columns
        "],
        ..PROGRAM
    },
    Command {
        names: "blkid",
        set: "storage",
        // Else it would write what it found into its cache.
        lead: "-c /dev/null",
        needs: DISKS,
        rows: &["
            -s --match-tag = word
            -o --output = one(full|value|list|device|export)
        "],
        verbs: ": device*16",
        ..PROGRAM
    },
    Command {
        names: "smartctl",
        set: "storage",
        needs: DISKS,
        rows: &["
            -a --all
            -x --xall
            -i --info
            -H --health
            -A --attributes
            -c --capabilities
            -l --log = one(error|selftest|selective|directory|xerror|xselftest|background|envrep|sasphy|sataphy|scttemp|scttempsts|scttemphist|devstat|defects|ssd|nvmelog|genstats|farm|gplog,0x04)
            -d --device = disktype
            -f --format = one(old|brief|hex)
            -n --nocheck = one(never|sleep|standby|idle)
            -q --quietmode = one(errorsonly|silent|noserial)
            -j --json =? one(c|g|o|s|v|y|i|u)
            --scan
            --scan-open
            --identify
        "],
        verbs: ": device?",
        rules: "need --all --xall --info --health --attributes --capabilities --log --scan --scan-open --identify: only reads here; ask `smartctl -a /dev/sda`",
        ..PROGRAM
    },
    Command {
        names: "zpool",
        set: "storage",
        needs: DISKS,
        rows: &["
            -x @status
            -v @status,list,iostat
            -D @status
            -e @status
            -i @status
            -s @status
            -t @status
            -L @status,list,iostat
            -P @status,list,iostat
            -g @status,list,iostat
            -j @status,list,get
            -p @status,list,iostat,get
            -H @list,iostat,get
            -l @iostat
            -q @iostat
            -r @iostat
            -y @iostat
            -o = columns @list,get
        "],
        verbs: "
            status : pool*8
            list : pool*8
            iostat : pool*8 / count(1-10) count(1-10) / pool count(1-10) count(1-10)
            get : columns pool*8
            version :
        ",
        ..PROGRAM
    },
    Command {
        names: "zfs",
        set: "storage",
        needs: DISKS,
        rows: &["
            -H @list,get
            -p @list,get
            -r @list,get
            -j @list,get
            -d = count(20) @list,get
            -o = columns @list,get
            -s = columns @list,get
            -S = columns @list
            -t = list(filesystem|snapshot|snap|volume|bookmark|all) @list,get
        "],
        verbs: "
            list : pool*16
            get : columns pool*16
            mount :
            version :
        ",
        ..PROGRAM
    },
    Command {
        names: "btrfs",
        set: "storage",
        needs: DISKS,
        rows: &["
            -b @usage,df,show
            -h @usage,df
            -T @usage
            --raw @usage,df,show
            --iec @usage,df,show
            --si @usage,df,show
            -m @show
            -d @show
            -p @list
            -a @list
            -c @list
            -g @list
            -o @list
            -u @list
            -q @list
            -t @list
            -s @list
            -r @list
            -R @status
            -d @status
            -v @status
            -c @stats
        "],
        verbs: "
            filesystem|fi show : path? / device
            filesystem|fi usage : path+4
            filesystem|fi df : path
            subvolume|su|sub list : path
            subvolume|su|sub show : path
            device|dev stats : path / device
            device|dev usage : path+4
            scrub status : path / device
            balance status : path
            version :
        ",
        ..PROGRAM
    },
    Command {
        names: "lvs vgs pvs",
        set: "storage",
        needs: DISKS,
        rows: &["
            -a --all
            -v --verbose
            --noheadings
            --segments
            --units = one(h|H|b|B|k|K|m|M|g|G|t|T|s)
            --nosuffix
            --reportformat = one(basic|json)
        "],
        verbs: ": pool*8",
        ..PROGRAM
    },
    Command {
        names: "mdadm",
        set: "storage",
        needs: DISKS,
        rows: &["
            -D --detail
            -Q --query
            -E --examine
            -s --scan
            -v --verbose
            -b --brief
            -Y --export
        "],
        verbs: ": device*8",
        rules: "need --detail --query --examine: only reads here; ask `mdadm --detail /dev/md0`",
        ..PROGRAM
    },
];

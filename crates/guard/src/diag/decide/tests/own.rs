//! Rows of our own: each dangerous option of each command in every spelling that its program would understand, what agents
//! type, and single attacks.

use super::*;

/// A request that is allowed as it stands, and options that it must never be given, with what they would do.
const DANGEROUS: &[(&str, &str)] = &[
    // runs, connects elsewhere, reads another tree, changes, blocks
    (
        "systemctl status nginx",
        "--host -H --machine -M --root --image --image-policy --now --force --wait --job-mode --kill-whom --signal --what --user --global --preset-mode --check-inhibitors --message --firmware-setup --boot-loader-entry --drop-in --stdin --mkdir --read-only --runtime --dry-run --watch -C --capsule -s -i -f --marked --show-transaction",
    ),
    (
        "journalctl -n 5",
        "--file --directory -D --root --image --image-policy --namespace --machine -M -m --merge --vacuum-size --vacuum-time --vacuum-files --rotate --flush --sync --relinquish-var --smart-relinquish-var --setup-keys --interval --verify --verify-key --force --follow -f --update-catalog --dump-catalog --list-catalog --new-id128 --no-tail --header --cursor-file -i --list-namespaces",
    ),
    (
        "dmesg -T",
        "--clear -C --read-clear -c --console-off -D --console-on -E --console-level -n --file -F --kmsg-file -K --buffer-size -s --follow -w --follow-new -W --human -H --since-boot",
    ),
    ("ps -ef", "-E --environment e -N --deselect --info --context -Z -X -V --zzz"),
    ("top -b -n 1", "-s --secure-mode -h -V -r --apply-defaults -A"),
    (
        "ss -tln",
        "--kill -K --filter -F --diag -D --events -E --net -N --bpf -b --cgroup --tipc --xdp --vsock-kill --context -z -Z --bpf-maps",
    ),
    (
        "ip addr show",
        "-batch -b -ba -netns -n -all -a -force -rc -rcvbuf -loops -l -echo -iec -timestamp -t -tshort -oneline=x -Version -V -B -M",
    ),
    (
        "nft list ruleset",
        "--file -f --interactive -i --check -c --includepath -I --define -D --echo -e --debug -d --optimize -o --filename",
    ),
    (
        "iptables -S",
        "--append -A --delete -D --insert -I --replace -R --flush -F --zero -Z --new-chain -N --delete-chain -X --policy -P --rename-chain -E --modprobe --check -C --jump -j --set-counters -c --match -m --wait-interval -W",
    ),
    ("ping -c 1 example.org", "-f -b -R -r -l -p -m -A -B -d -F -N -Q -S -T -U -a -C -e -H --flood"),
    (
        "dig example.org",
        "-f -k -y -b -p -c -m -i -u -h -v +tls-ca +tls-certfile +tls-keyfile +tls-hostname +https +https-get +http-plain +subnet +trace +nssearch +keepopen +ednsopt +cookie +proxy +proxy-plain +qid +domain +sigchase +topdown +trusted-key +padding +zflag +besteffort",
    ),
    ("host example.org", "-l -a -C -d -R -s -r -m -N -p -k"),
    ("getent passwd", "-s --service -i --no-idn -A"),
    (
        "resolvectl status",
        "--interface -i --protocol --service-address --cache --search --raw --service -p --json=x --set-dns",
    ),
    ("hostnamectl status", "-H --host -M --machine --static --transient --pretty -s --no-ask-password=x"),
    ("timedatectl status", "-H --host -M --machine --adjust-system-clock --monitor"),
    ("loginctl list-sessions", "-H --host -M --machine --kill-whom --signal -s --follow"),
    ("df -h", "--sync --files0-from --no-sync=x --debug"),
    (
        "du -sh /srv",
        "--files0-from --exclude-from -X -L --dereference -D -H --dereference-args --time-style=+%s%n%n --max",
    ),
    ("lsblk", "--sysroot --properties-by=file -H --filter -Q --highlight --ct --ct-filter --hyperlink"),
    (
        "findmnt",
        "--tab-file -F --task -N --poll -p --timeout -w --nofsroot=x --verify -x --filter -Q --vfs-all=x --kernel=x",
    ),
    (
        "mount",
        "-a --all -o --options --bind -B --move -M --rbind -R -f --fake -n --no-mtab -r --read-only -w --rw -T --fstab --target --source -L --label -U --uuid -N --namespace -i --internal-only --make-shared -c -v",
    ),
    (
        "blkid",
        "-c --cache-file -g --garbage-collect -p --probe -k -L --label -U --uuid -w -S --size -O --offset -i --info -H --hint -D",
    ),
    (
        "smartctl -a /dev/sda",
        "-s --set -S --saveauto -o --offlineauto -t --test -X --abort -C --captive -T --tolerance -b --badsum -r --report -F --firmwarebug -B --drivedb -v --vendorattribute -P --presets -g --get -h -V -u",
    ),
    ("zpool status", "-c -T --power -z -w -f -R --dedup"),
    ("zfs list", "-f -k -l -u -R -v -c --all"),
    ("btrfs device stats /srv", "-z --reset -T=x --offline -Z -f --force"),
    (
        "lvs",
        "-o --options --config --devicesfile --devices --profile --select -S --sort -O --readonly=x --lockopt --commandprofile --driverloaded -A --autobackup -y --yes -d --debug --nolocking --reportformat=x --binary=x --foreign",
    ),
    (
        "mdadm --detail /dev/md0",
        "--create -C --assemble -A --build -B --manage --grow -G --incremental -I --monitor -F --follow --stop -S --run -R --readonly -o --readwrite -w --zero-superblock --fail -f --remove -r --add -a --re-add --config -c --kill-subarray --update --action --wait -W --export=/x --test -t --sparc2.2 --auto-detect --udev-rules --dump --restore --examine-bitmap -X",
    ),
    ("sensors", "-c --config-file -s --set --bus-list --allow-no-sensors -h -v"),
    ("lspci", "-i -p -A -O -H -H1 -F -M -G -x -xxx -xxxx -Q -vvi"),
    ("lsusb", "-D -V --version -d=x --device"),
    ("lscpu", "-s --sysroot --hierarchic=x -x=y --gen"),
    ("lsmod", "-s --syslog -v -w --all"),
    ("uname -a", "--help --version -x"),
    ("date", "-s --set -f --file -r --reference --debug --resolution"),
    ("id", "-Z --context -a -z --zero"),
    ("who", "-m --lookup --message --ips=x -x --writable"),
    ("last", "-f --file -T --tab-separated --system=x -1f -c --file=x"),
    (
        "docker ps",
        "--host -H --context -c --config --tls --tlscacert --tlscert --tlskey --tlsverify --debug -D --log-level -l=x --format=x -v=/:/x",
    ),
    ("docker logs x", "--follow -f -fn --details --host -H --context --config"),
    ("docker stats --no-stream", "--host -H --config --all=x --follow -f"),
    ("docker inspect x", "--host --context --config --follow --type=volume --type=plugin -H"),
    (
        "podman ps",
        "--root --runroot --runtime --storage-driver --storage-opt --url --connection -c --remote -r --hooks-dir --conmon --cgroup-manager --network-cmd-path --tmpdir --volumepath --identity --ssh --events-backend --module --noout --out --syslog --external=x --sync --watch -w --ns",
    ),
    (
        "kubectl get pods",
        "--kubeconfig --context --cluster --user --server -s --token --as --as-group --as-uid --certificate-authority --client-certificate --client-key --insecure-skip-tls-verify --tls-server-name --username --password --cache-dir --profile --profile-output --v -v --vmodule --log-file --log-dir --filename -f --kustomize -k --recursive -R --raw --template --watch -w --watch-only --server-print --subresource --allow-missing-template-keys --output-watch-events --show-managed-fields --warnings-as-errors --match-server-version --request-timeout --disable-compression",
    ),
    (
        "kubectl logs x",
        "--follow -f --insecure-skip-tls-verify-backend --pod-running-timeout --ignore-errors --limit-bytes=x --kubeconfig --token --server",
    ),
    ("kubectl describe pod x", "--filename -f -k -R --kubeconfig -o --output"),
    ("qm list", "--vmid --skiplock --config --start --noproxy --output-format"),
    ("qm config 102", "--snapshot --skiplock --delete --revert --digest"),
    ("pct config 102", "--snapshot --set --delete"),
    ("pvesm status", "--format --target --delete --output"),
    (
        "virsh list --all",
        "--connect -c --debug -d --log -l --keepalive-interval -k -K -t --timing --escape -e --managed-save=x --tree",
    ),
    ("virsh dumpxml vm", "--security-info --update-cpu --migratable --xpath --wrap"),
    (
        "rpm -q bash",
        "--eval -E --define -D --undefine --load --macros --rcfile --root -r --dbpath --pipe --install -i=x -U --upgrade -F --freshen -e --erase --rebuilddb --initdb --import --setperms --setugids --restore -V --verify -p --package --queryformat --qf --scripts --triggers --predefine --showrc --querytags --ftpproxy --specfile",
    ),
    (
        "dpkg -l bash",
        "-i --install --unpack --configure -r --remove -P --purge --root --admindir --instdir --force-all --pre-invoke --post-invoke --path-exclude --log --status-logger --status-fd --command-fd -c --contents -x --extract -e --control -f --field -I --info -W --add-architecture --set-selections --clear-selections --verify -V --update-avail --merge-avail --no-debsig=x --triggers-only -b --build",
    ),
    (
        "dpkg-query -W bash",
        "--admindir --root -f --showformat --load-avail -c --control-path --control-list --control-show",
    ),
    ("nixos-version", "--help --set -v"),
    ("cat /etc/hosts", "-x -f --files --help --version -o --output"),
    ("head /etc/hosts", "-z --zero-terminated -f --follow --presume-input-pipe ---presume-input-pipe"),
    (
        "tail /var/log/syslog",
        "-f --follow -F --retry --pid -s --sleep-interval --max-unchanged-stats -z --zero-terminated --debug --disable-inotify",
    ),
    ("wc /etc/hosts", "--files0-from --total --debug -f"),
    ("zcat /var/log/syslog.2.gz", "-f --force -S --suffix -r --recursive -o -d -k --keep -n -l"),
    (
        "grep x /etc/hosts",
        "-f --file -R --dereference-recursive -d --directories -D --devices -P --perl-regexp -z --null-data -Z --null --exclude-from --label -T --initial-tab -U --binary --binary-files -u --unix-byte-offsets -X --line-regex",
    ),
    (
        "ls /var/log",
        "-L --dereference -H --dereference-command-line --hyperlink -D --dired -Z --context --zero -I --ignore --hide -w --width -T --tabsize --block-size --indicator-style --quoting-style -b --escape -f -N --literal --time-style=+%s --author",
    ),
    ("stat /etc/hosts", "-f --file-system --cached -Z"),
    (
        "find /var/log",
        "-exec -execdir -ok -okdir -delete -fls -fprint -fprint0 -fprintf -samefile -inum -files0-from -L -H -D -O3 -follow -regex -iregex -lname -ilname -newerXY -neweraa -anewer -cnewer -context -fstype -noleaf -daystart -depth -d -warn -regextype -readable -writable -executable -used -xtype -help -version --help",
    ),
    (
        "uptime | sort",
        "-o --output -T --temporary-directory --compress-program --files0-from --parallel -S --buffer-size --batch-size -R --random-sort --random-source -m --merge -c --check -C -z --zero-terminated --debug -g",
    ),
    ("uptime | uniq", "--group -z --zero-terminated --help --output -o"),
    ("uptime | cut -f1", "-z --zero-terminated -n --help --output -o"),
    (
        "uptime | grep x",
        "-f --file -r --recursive -R -d --directories -D --devices --include --exclude --exclude-from --exclude-dir -P -z --null-data --label",
    ),
    ("uptime | wc -l", "--files0-from --total --debug"),
    ("uptime | head", "-f --follow -z"),
    ("uptime | tail", "-f --follow -F --retry --pid -s"),
    ("uptime | tr a b", "--help --version -x"),
    ("uptime | nl", "-f -h -d -l -p --section-delimiter"),
    ("uptime | tac", "-s --separator -r --regex -b --before"),
    ("uptime | cat", "-x --files /etc/hosts"),
    ("vmstat", "-f --forks -m --slabs -p --partition -V -h"),
    ("iostat", "-f +f -j -g -o -H -t=x -V"),
    ("mpstat", "-o -V --o JSON"),
    ("free", "-s --seconds -c --count -V --help"),
    ("uptime", "-c --container -V -h --help"),
    (
        "pstree",
        "-Z --security-context -G --vt100 -C --color -N --ns-sort -S --ns-changes -H --highlight-pid -V",
    ),
];

/// Every spelling under which a program would understand an option.
fn spellings(command: &Command, option: &str) -> Vec<String> {
    let mut all = vec![
        option.to_owned(),
        format!("{option} /tmp/x"),
        format!("{option}=/tmp/x"),
        format!("'{option}'"),
    ];
    if let Some(long) = option.strip_prefix("--") {
        // GNU completes abbreviations.
        let ends = (3..long.len()).map(|end| format!("--{}", &long[..end]));
        all.extend(ends.filter(|it| !command.rows().any(|row| row.spellings().any(|name| name == it))));
    } else if option.len() == 2 && option.starts_with('-') {
        all.push(format!("{option}/tmp/x"));
        all.push(format!("{option}1"));
        for row in command.rows() {
            for known in
                row.spellings().filter(|name| name.len() == 2 && row.kind.is_empty() && name.starts_with('-'))
            {
                all.push(format!("{known}{}", &option[1..]));
            }
        }
    }
    all
}

#[test]
fn no_dangerous_option_is_understood_in_any_spelling() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for (request, options) in DANGEROUS {
        assert!(
            judge(request.as_bytes()).is_ok(),
            "the control itself is refused: {request}: {:?}",
            judge(request.as_bytes())
        );
        let stage = request.rsplit(" | ").next().unwrap();
        let name = stage.split(' ').next().unwrap();
        let (command, _) = tables::find(name, request.contains('|')).unwrap();
        for option in options.split(' ') {
            for spelled in spellings(command, option) {
                let begin = request.len() - stage.len() + name.len();
                let before =
                    format!("{}{name} {spelled}{}", &request[..begin - name.len()], &request[begin..]);
                for attack in [format!("{request} {spelled}"), before] {
                    tried += 1;
                    if judge(attack.as_bytes()).is_ok() {
                        wrong.push(attack);
                    }
                }
            }
        }
    }
    assert!(tried > 8_000, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn own_rows_are_decided_as_they_say() {
    let mut wrong = Vec::new();
    let rows = rows("diag-own.tsv", 400);
    for row in &rows {
        let is_allowed = judge(&row.cells[1]).is_ok();
        if is_allowed != (row.text(0) == "allow") {
            wrong.push(format!(
                "{}\t{}\t{:?}",
                row.text(0),
                row.text(1),
                judge(&row.cells[1]).err().map(|it| it.to_string())
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

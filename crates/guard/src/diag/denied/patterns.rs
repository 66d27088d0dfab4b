//! What nobody reads through this door, and what of procfs and sysfs may be read, as data.
//!
//! A pattern is a path whose components may have `*`, `?` and `#` (one digit); it covers what it names and everything
//! below. One that begins with `/` stands at the root; any other matches at every depth, since a copy, a mount, a
//! snapshot or a container's layer of a secret is as secret as the secret (`/persist/etc/shadow`, `/host/etc/shadow`).

/// Why, and the patterns for which that is why.
pub(super) const DENIED: &[(&str, &str)] = &[
    (
        "it holds password hashes or says who may become root",
        "etc/shadow etc/gshadow etc/tcb etc/security/opasswd etc/sudoers etc/sudoers.d etc/doas.conf etc/master.passwd \
         var/backups var/lib/systemd/home var/lib/AccountsService var/log/btmp* etc/samba/smbpasswd \
         etc/pve/user.cfg etc/pve/priv .htpasswd htpasswd .htdigest",
    ),
    (
        "it holds ssh keys or what ssh trusts",
        "ssh_host_*_key .ssh id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk identity.priv authorized_keys \
         authorized_keys2 etc/ssh/authorized_keys.d etc/ssh/*_key etc/ssh/*_ca etc/dropbear *.ppk",
    ),
    (
        "it holds private keys",
        "*.key *.keys *.p12 *.pfx *.jks *.keystore *.kdbx *.kdb *.keytab *.keyring *.psk *.pkcs12 *.pk8 *.age \
         *.asc.key *privkey* *private_key* *private-key* *-key.pem *_key.pem key.pem etc/ssl/private \
         etc/pki/private etc/pki/*/private etc/letsencrypt etc/acme* .acme.sh var/lib/acme acme.json var/lib/letsencrypt \
         var/lib/dehydrated etc/dehydrated etc/certbot etc/opendkim/keys etc/dkimkeys var/lib/rspamd/dkim \
         var/lib/caddy var/lib/tor etc/salt/pki etc/puppet/ssl etc/puppetlabs/puppet/ssl etc/chef crypto_keyfile.bin \
         etc/luks etc/luks-keys etc/cryptsetup-keys.d etc/crypttab etc/keys etc/secureboot var/lib/sbctl \
         usr/share/secureboot/keys etc/pki/nssdb .pki .step",
    ),
    (
        "it holds the host's secrets",
        "run/secrets run/secrets.d run/secrets-for-users* run/agenix run/agenix.d run/keys run/credentials \
         run/credstore* etc/credstore* usr/lib/credstore* var/lib/systemd/credential.secret \
         var/lib/systemd/random-seed var/lib/sops-nix var/lib/sops* .config/sops .config/age etc/sops* etc/age* \
         keys.txt etc/secrets etc/nixos/secrets var/lib/secrets var/secrets secrets.y*ml secrets.json secrets.toml \
         secrets.env secret.y*ml secret.json credentials.json credentials.y*ml gitlab-secrets.json \
         service-account*.json etc/ansible/*vault* *vault_pass* *.vault run/systemd/ask-password* etc/machine-secret",
    ),
    (
        "it is an environment file, which services keep their passwords in",
        ".env .env.* *.env .envrc .env-* env.production env.local",
    ),
    (
        "it holds a user's credentials or history",
        ".gnupg .aws .azure .oci .kube .docker .config/gcloud .config/gh .config/hub .config/glab-cli .config/rclone \
         .config/op .config/doctl .config/hcloud .config/Bitwarden* .password-store .netrc _netrc .pgpass .my.cnf \
         .mylogin.cnf .git-credentials .config/git/credentials .npmrc .pypirc .yarnrc.yml .cargo/credentials* .gem/credentials \
         .terraform.d .terraformrc .m2 .gradle/gradle.properties .boto .s3cfg .smbcredentials *.smbcredentials \
         .vault-token .consul-token .nomad-token .config/containers .rediscli_auth .Xauthority .ICEauthority \
         .local/share/keyrings .local/share/atuin .local/share/fish .config/syncthing .local/state/syncthing \
         *_history .history .zhistory .histfile .lesshst .viminfo .rediscli_history .node_repl_history \
         .mozilla .thunderbird .librewolf .config/chromium .config/google-chrome* .config/BraveSoftware \
         .config/microsoft-edge* .config/vivaldi .config/opera .config/Signal .config/Slack .config/discord .var/app \
         snap/firefox snap/chromium .cache/mozilla .purple .weechat .config/weechat .irssi .msmtprc .mbsyncrc \
         .fetchmailrc .offlineimaprc .muttrc .claude .codex .config/anthropic .config/github-copilot \
         run/user/* krb5cc_* Maildir var/mail var/spool/mail var/vmail var/spool/postfix var/spool/exim*",
    ),
    (
        "it holds the network's keys or passwords",
        "etc/wireguard etc/amnezia etc/NetworkManager/system-connections run/NetworkManager/system-connections \
         usr/lib/NetworkManager/system-connections var/lib/NetworkManager etc/wpa_supplicant* etc/iwd var/lib/iwd etc/hostapd \
         etc/openvpn etc/tinc etc/zerotier* var/lib/zerotier-one var/lib/tailscale etc/headscale var/lib/headscale \
         var/lib/netbird etc/netbird etc/cloudflared .cloudflared etc/ipsec.secrets etc/ipsec.d etc/swanctl \
         etc/strongswan* etc/racoon etc/ppp/*-secrets etc/ppp/peers etc/chatscripts etc/xl2tpd var/lib/bluetooth \
         etc/krb5.keytab etc/krb5kdc var/lib/krb5kdc var/heimdal var/kerberos etc/samba/private var/lib/samba/private \
         etc/samba/*cred* etc/cifs* etc/bind/*key* etc/named/*key* etc/rndc* var/lib/sss etc/sssd etc/nslcd.conf \
         etc/ldap.secret etc/pam_ldap.* etc/libnss-ldap.* etc/freeradius etc/raddb etc/snmp var/lib/snmp \
         var/lib/net-snmp etc/systemd/network/*.netdev etc/munge etc/ceph etc/corosync/authkey etc/pacemaker \
         etc/iscsi etc/target etc/nut etc/fence*",
    ),
    (
        "it holds a service's passwords",
        "etc/postfix/sasl* etc/postfix/*passw* etc/exim4/passwd* etc/dovecot/*passw* etc/dovecot/private etc/dovecot/dovecot-sql* \
         etc/dovecot/dovecot-ldap* etc/mysql/debian.cnf etc/restic* etc/borg* etc/borgmatic* etc/rclone* .config/borg \
         etc/backup* etc/duplicity etc/kopia etc/grafana etc/vault* opt/vault etc/consul* etc/nomad* \
         etc/gitlab etc/pgbouncer/userlist* etc/odbc.ini etc/zabbix/*psk* etc/mumble* etc/turnserver.conf \
         etc/coturn etc/redis* etc/valkey* etc/rabbitmq .erlang.cookie etc/couchdb etc/ddclient* etc/inadyn* \
         etc/msmtprc etc/ssmtp etc/aliyun* etc/boto.cfg etc/s3* etc/aws etc/gcloud etc/azure etc/waagent* \
         var/lib/waagent var/lib/cloud run/cloud-init etc/oci etc/letsencrypt wp-config.php config.inc.php \
         LocalSettings.php database.yml master.key parameters.yml localsettings.py local_settings.py \
         homeserver.yaml *.signing.key registration.yaml *-registration.yaml doublepuppet.yaml",
    ),
    (
        "it is the state of a cluster or its credentials",
        "etc/kubernetes/pki etc/kubernetes/*.conf etc/kubernetes/*.y*ml etc/kubernetes/bootstrap* etc/kubernetes/enc* \
         etc/rancher var/lib/rancher run/k3s var/lib/kubelet var/lib/k0s etc/k0s var/snap/microk8s \
         var/lib/etcd* etc/etcd* etc/ssl/etcd var/lib/minikube etc/cni/net.d/*kubeconfig* kubeconfig kubeconfig.* *.kubeconfig \
         var/lib/calico etc/calico var/lib/talos",
    ),
    (
        "it is a container engine's or a hypervisor's own tree",
        "var/lib/docker var/lib/docker-volumes var/lib/containers var/lib/containerd var/lib/crio var/lib/cri-dockerd \
         var/lib/nerdctl .local/share/containers .local/share/docker run/docker run/docker.sock run/podman run/containerd \
         run/containers run/crio run/runc run/crun run/libpod etc/docker/key.json etc/containers/auth.json auth.json \
         var/lib/lxc var/lib/lxcfs var/lib/lxd var/snap/lxd var/lib/incus var/lib/machines var/lib/portables \
         var/lib/vz var/lib/libvirt etc/libvirt/secrets etc/libvirt/qemu run/libvirt run/qemu-server var/lib/swtpm* \
         var/lib/tpm* var/lib/pve-cluster etc/pve/local/*.key overlay2 var/lib/nixos-containers *.qcow2 *.vmdk *.vdi",
    ),
    (
        "it is a database's own files",
        "var/lib/postgres* var/lib/pgsql var/lib/mysql* var/lib/mariadb var/lib/percona* var/lib/mongo* var/lib/redis* \
         var/lib/valkey* var/lib/influxdb* var/lib/elasticsearch var/lib/opensearch var/lib/clickhouse var/lib/cassandra \
         var/lib/scylla var/lib/couchdb var/lib/neo4j var/lib/ldap var/lib/slapd* var/lib/openldap var/lib/rabbitmq \
         var/lib/cockroach* var/lib/arangodb* etc/openldap/slapd.d etc/ldap/slapd.d database.sqlite *.sqlite3-wal",
    ),
    (
        "it is a copy of memory or of a disk",
        "core.#* *.core *.coredump var/lib/systemd/coredump vmcore* var/crash/*.crash var/crash/*/* var/crash/*core* \
         var/lib/apport swapfile* swap.img *.swap pagefile.sys hiberfil.sys boot/initrd* boot/initramfs* \
         run/initramfs /core var/tmp/core tmp/core *.hprof *.journal",
    ),
    ("it is the guard's own", "etc/breakglass var/lib/breakglass var/log/breakglass run/breakglass"),
    ("devices are never read", "/dev host/dev"),
    (
        "it shows a process's memory, environment or files",
        "proc/*/environ proc/*/mem proc/*/maps proc/*/smaps* proc/*/numa_maps proc/*/map_files proc/*/pagemap proc/*/auxv \
         proc/*/root proc/*/cwd proc/*/exe proc/*/fd proc/*/fdinfo proc/*/ns proc/*/stack proc/*/syscall \
         proc/*/mountinfo proc/*/mountstats proc/*/clear_refs proc/*/attr proc/*/coredump_filter \
         proc/*/patch_state proc/*/timers proc/*/task/*/environ proc/*/task/*/mem proc/*/task/*/maps proc/*/task/*/root \
         proc/*/task/*/cwd proc/*/task/*/exe proc/*/task/*/fd proc/*/task/*/fdinfo proc/*/task/*/ns \
         proc/*/task/*/stack proc/*/task/*/syscall proc/*/task/*/smaps* proc/*/task/*/auxv proc/*/task/*/attr \
         proc/*/task/*/pagemap proc/*/task/*/children proc/*/task/*/mountinfo",
    ),
    (
        "it is a part of the kernel that is not for reading",
        "proc/kcore proc/kmsg proc/kallsyms proc/keys proc/key-users proc/kpage* proc/sysrq-trigger proc/timer_list \
         proc/sched_debug proc/vmallocinfo proc/slabinfo proc/iomem proc/ioports proc/bus proc/fs/nfsd proc/acpi \
         proc/sys/fs/binfmt_misc proc/sys/net/ipv4/tcp_fastopen_key proc/sys/net/ipv6/conf/*/stable_secret proc/xen \
         proc/net/rpc proc/*/net/rpc proc/vmcore proc/irq/*/spurious \
         /sys/kernel/debug /sys/kernel/tracing /sys/kernel/security /sys/kernel/config /sys/kernel/btf \
         /sys/firmware /sys/fs/bpf /sys/fs/pstore /sys/fs/selinux /sys/fs/fuse /sys/power /sys/hypervisor",
    ),
];

/// Certificates as such are public; where a `.pem` is not known to be one it is taken for a key.
pub(super) const PEM: &str = "it may hold a private key";
pub(super) const PUBLIC_PEM: &str = "etc/ssl/certs etc/pki/tls/certs etc/pki/ca-trust etc/ca-certificates \
     usr/share/ca-certificates usr/local/share/ca-certificates usr/lib/ssl/certs";

/// Services whose whole state is secret, wherever a service's state is kept.
pub(super) const STATE: &str = "it is the state of a service that keeps secrets";
pub(super) const SERVICES: &str = "n8n .n8n zammad matrix-synapse* synapse matrix-conduit conduwuit dendrite mautrix-* matrix-appservice-* \
     matrix-authentication-service matrix-authentication* mas matrix-hookshot heisenbridge \
     vaultwarden bitwarden bitwarden_rs vault authelia authentik keycloak kanidm zitadel dex step-ca step lldap \
     gitea forgejo gitlab gitlab-runner jenkins drone woodpecker* actions-runner nextcloud owncloud \
     hass homeassistant home-assistant zigbee2mqtt esphome node-red mosquitto grafana sentry \
     minio garage seaweedfs paperless* immich mastodon pleroma akkoma peertube roundcube mailcow* \
     stalwart* maddy chasquid syncthing unifi transmission qbittorrent sonarr radarr lidarr prowlarr \
     traefik postgres mysql redis odoo invoiceninja firefly* actual* vikunja miniflux freshrss wallabag outline \
     hedgedoc etherpad* netbox librenms zabbix icinga* rundeck awx semaphore pritunl wg-easy headscale";
/// Where a service's state is kept: the directory that holds one directory a service.
pub(super) const STATE_PARENTS: &str =
    "var/lib var/lib/private srv opt etc home data usr/local/etc root volumes mnt/data var/opt";

/// A tree that survives where the root file system does not: denied whole, but for what is judged as if it stood at `/`.
pub(super) const KEPT: &str = "it is below the tree of kept state, in which services have their secrets";
pub(super) const KEPT_ROOTS: &str = "persist persistent @persist @persistent";
pub(super) const KEPT_OPEN: &str = "var/log var/crash etc/machine-id etc/systemd/system etc/hosts";

/// Endings of a copy: what is before them is judged too.
pub(super) const COPIES: &[&str] = &[
    "~",
    "-",
    ".bak",
    ".backup",
    ".old",
    ".orig",
    ".save",
    ".saved",
    ".copy",
    ".tmp",
    ".new",
    ".swp",
    ".swo",
    ".gz",
    ".xz",
    ".bz2",
    ".zst",
    ".lz4",
    ".zip",
    ".tar",
    ".tgz",
    ".gpg",
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-bak",
    ".rpmsave",
    ".rpmnew",
    ".rpmorig",
    ".ucf-old",
    ".ucf-dist",
    ".pacsave",
    ".pacnew",
    "_bak",
    "_backup",
    "-backup",
    ".dist",
];

/// Of procfs and sysfs exactly these are read; a path is judged as resolved, so devices have both spellings.
pub(super) const PSEUDO: &str = "\
    /proc/cpuinfo /proc/meminfo /proc/loadavg /proc/uptime /proc/stat /proc/version /proc/cmdline /proc/mounts \
    /proc/swaps /proc/partitions /proc/diskstats /proc/filesystems /proc/devices /proc/modules /proc/interrupts \
    /proc/softirqs /proc/vmstat /proc/zoneinfo /proc/buddyinfo /proc/pagetypeinfo /proc/locks /proc/misc \
    /proc/mdstat /proc/crypto /proc/consoles /proc/cgroups /proc/schedstat /proc/config.gz /proc/mtrr /proc/dma \
    /proc/execdomains /proc/version_signature /proc/pressure/* /proc/net/* /proc/net/stat/* /proc/*/net/* \
    /proc/*/net/stat/* /proc/net/bonding/* /proc/*/net/bonding/* /proc/net/vlan/* /proc/*/net/vlan/* \
    /proc/spl/kstat/zfs/* /proc/spl/kstat/zfs/*/* /proc/fs/nfsfs/* /proc/fs/ext4/*/* /proc/fs/jbd2/*/* /proc/scsi/scsi \
    /proc/driver/rtc /proc/irq/*/smp_affinity_list /proc/sysvipc/* /proc/sys/** \
    /proc/#*/status /proc/#*/stat /proc/#*/statm /proc/#*/cmdline /proc/#*/comm /proc/#*/limits /proc/#*/cgroup \
    /proc/#*/oom_score /proc/#*/oom_score_adj /proc/#*/io /proc/#*/schedstat /proc/#*/sched /proc/#*/wchan \
    /proc/#*/loginuid /proc/#*/sessionid /proc/#*/mounts /proc/#*/cpuset /proc/#*/cpu_resctrl_groups \
    /proc/#*/task/#*/status /proc/#*/task/#*/stat /proc/#*/task/#*/comm /proc/#*/task/#*/wchan /proc/#*/task/#*/schedstat \
    /proc/self/status /proc/self/stat /proc/self/limits /proc/self/cgroup /proc/self/mounts /proc/self/net/* \
    /sys/fs/cgroup/** /sys/kernel/mm/** /sys/module/*/version /sys/module/*/srcversion \
    /sys/module/*/refcnt /sys/module/*/initstate /sys/module/*/parameters/* /sys/module/zfs/parameters/* \
    /sys/devices/system/cpu/** /sys/devices/system/node/** /sys/devices/system/clocksource/** /sys/devices/system/edac/** \
    /sys/devices/system/memory/block_size_bytes /sys/class/dmi/id/* /sys/devices/virtual/dmi/id/* \
    /sys/kernel/hostname /sys/kernel/uevent_seqnum /sys/fs/ext4/*/* /sys/fs/xfs/*/stats/* /sys/fs/btrfs/*/**";

/// What a device's own directory may be read for: the class, by its directory's name, then the attributes.
pub(super) const DEVICE_ATTRIBUTES: &[(&str, &str)] = &[
    (
        "net",
        "operstate carrier carrier_changes carrier_up_count carrier_down_count speed duplex mtu address flags ifindex iflink \
             type tx_queue_len dormant link_mode broadcast gro_flush_timeout statistics/* bonding/* bridge/* brport/* queues/*/* \
             device/vendor device/device device/numa_node device/sriov_numvfs phys_port_name phys_switch_id",
    ),
    (
        "block",
        "stat size ro removable inflight queue/* md/* */stat */size */ro */start dm/name dm/uuid dm/suspended loop/backing_file \
               device/model device/state device/vendor device/rev device/timeout",
    ),
    (
        "hwmon",
        "name *_input *_label *_max *_min *_crit *_alarm *_average *_fault pwm# pwm#_enable fan#_target",
    ),
    ("thermal", "temp type mode policy cur_state max_state trip_point_*"),
    (
        "power_supply",
        "status capacity type online health present voltage_now current_now power_now energy_now energy_full \
                      energy_full_design charge_now charge_full cycle_count model_name manufacturer technology",
    ),
    ("scsi_host", "state proc_name unique_id active_mode link_power_management_policy"),
    ("scsi_device", "state model vendor"),
    ("fc_host", "port_state speed port_type fabric_name"),
    ("nvme", "state model firmware_rev transport address numa_node queue_count"),
    ("infiniband", "node_desc fw_ver ports/*/state ports/*/rate ports/*/phys_state ports/*/link_layer"),
    ("rtc", "name date time since_epoch hctosys"),
    ("watchdog", "identity state status timeout timeleft bootstatus nowayout"),
    ("drm", "status enabled dpms modes gpu_busy_percent mem_info_vram_used mem_info_vram_total"),
    ("edac", "*"),
    ("bdi", "*/read_ahead_kb */min_ratio */max_ratio"),
    ("powercap", "name energy_uj max_energy_range_uj enabled constraint_*"),
    ("leds", "brightness max_brightness trigger"),
    ("tty", "active"),
    ("iommu", "*"),
];

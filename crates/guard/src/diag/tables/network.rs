//! The set `network`: sockets, addresses, routes, the firewall's rules, names, reachability.

use crate::diag::grammar::{Command, NAME_SERVICE, NETLINK, NETWORK, NOTHING, PROGRAM, SOCKETS, Style};
use crate::diag::plan::{Needs, Privilege};

const FIREWALL: Needs = Needs { netlink: true, privilege: Some(Privilege::NetAdmin), ..NOTHING };

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "ss",
        set: "network",
        needs: NETLINK,
        rows: &["
            -t --tcp
            -u --udp
            -w --raw
            -x --unix
            -d --dccp
            -S --sctp
            -M --mptcp
            -0 --packet
            -4 --ipv4
            -6 --ipv6
            -a --all
            -l --listening
            -n --numeric
            -r --resolve
            -p --processes
            -T --threads
            -e --extended
            -m --memory
            -i --info
            -o --options
            -s --summary
            -H --no-header
            -O --oneline
            -Q --no-queues
            -f --family = one(unix|inet|inet6|link|netlink|vsock)
            -A --query --socket = list(all|inet|tcp|udp|raw|unix|packet|netlink|unix_dgram|unix_stream|unix_seqpacket|packet_raw|packet_dgram|dccp|sctp|vsock|mptcp)
        "],
        verbs: ": socket*24",
        ..PROGRAM
    },
    Command {
        names: "ip",
        set: "network",
        style: Style::Words,
        needs: NETLINK,
        rows: &["
            -4
            -6
            -0
            -s -stats -statistics
            -d -details
            -o -oneline
            -h -human
            -br -brief
            -j -json
            -p -pretty
            -r -resolve
            -N -Numeric
            -c -color =? one(always|auto|never) %drop
            -f -family = one(inet|inet6|link|bridge|mpls)
            dev = interface @addr,link,route,neigh,maddr
            up @addr,link
            master = interface @addr,link,neigh
            vrf = interface @addr,link,route,neigh
            type = one(bridge|bond|vlan|vxlan|veth|dummy|wireguard|tun|macvlan|ipvlan|vrf|team|can|gre|sit) @link,addr
            scope = one(global|link|host|site) @addr,route
            dynamic @addr
            permanent @addr,neigh
            deprecated @addr
            tentative @addr
            label = interface @addr
            to = address @addr,neigh
            table = one(main|local|default|all|cache|0|253|254|255) @route
            table = ident @rule
            proto = one(kernel|boot|static|dhcp|ra|bird|zebra|babel|bgp|ospf|isis|rip|eigrp) @route
            via = address @route
            src = address @route
            root = address @route
            match = address @route
            exact = address @route
            nud = one(reachable|stale|delay|probe|failed|incomplete|permanent|noarp|none|all) @neigh
            proxy @neigh
        "],
        verbs: "
            addr|address|a show|list|ls|lst|s? : interface?
            link|l show|list|ls|lst|s? : interface?
            route|r|ro get : address
            route|r|ro show|list|ls|lst|s? : address?
            rule|ru show|list|ls|lst|s? :
            neigh|neighbour|neighbor|n show|list|ls|lst|s? : address?
            maddr|maddress show|list|ls|lst? :
            netns list :
        ",
        ..PROGRAM
    },
    Command {
        names: "nft",
        set: "network",
        style: Style::Words,
        needs: FIREWALL,
        rows: &["
            -a --handle
            -n --numeric
            -nn
            -s --stateless
            -t --terse
            -j --json
            -S --service
            -N --reversedns
            -u --guid
            -y --numeric-priority
            -p --numeric-protocol
            -T --numeric-time
        "],
        verbs: "
            list ruleset : one(ip|ip6|inet|arp|bridge|netdev)?
            list tables : one(ip|ip6|inet|arp|bridge|netdev)?
            list chains : one(ip|ip6|inet|arp|bridge|netdev)?
            list sets : one(ip|ip6|inet|arp|bridge|netdev)?
            list maps : one(ip|ip6|inet|arp|bridge|netdev)?
            list counters : one(ip|ip6|inet|arp|bridge|netdev)?
            list quotas : one(ip|ip6|inet|arp|bridge|netdev)?
            list limits : one(ip|ip6|inet|arp|bridge|netdev)?
            list flowtables : one(ip|ip6|inet|arp|bridge|netdev)?
            list table : one(ip|ip6|inet|arp|bridge|netdev)? name
            list chain : one(ip|ip6|inet|arp|bridge|netdev)? name name
            list set : one(ip|ip6|inet|arp|bridge|netdev)? name name
            list map : one(ip|ip6|inet|arp|bridge|netdev)? name name
            list counter : one(ip|ip6|inet|arp|bridge|netdev)? name name
        ",
        ..PROGRAM
    },
    Command {
        names: "iptables ip6tables",
        set: "network",
        needs: FIREWALL,
        rows: &["
            -S --list-rules =+ chain
            -L --list =+ chain
            -n --numeric
            -v --verbose
            -x --exact
            -t --table = one(filter|nat|mangle|raw|security)
            --line-numbers
        "],
        rules: "
            need --list-rules --list: only lists rules here; ask `iptables -S` or `iptables -nvL`
            not --numeric --exact --line-numbers with --list-rules: takes no such option with -S; leave it out
        ",
        ..PROGRAM
    },
    Command {
        names: "ping",
        set: "network",
        needs: NAME_SERVICE,
        rows: &["
            -c = count(1-20)
            -w = count(1-25)
            -W = decimal(10)
            -i = decimal(5)
            -s = count(0-1472)
            -t = count(1-255)
            -I = interface
            -M = one(do|dont|want|probe)
            -4
            -6
            -n
            -q
            -O
            -D
        "],
        verbs: ": host",
        rules: "
            need -c: never ends without a count; ask `ping -c 3 HOST`
            not -4 with -6: cannot use both families; leave one out
            add -w=20 unless -w
        ",
        ..PROGRAM
    },
    Command {
        names: "dig",
        set: "network",
        lead: "-r",
        needs: NETWORK,
        rows: &[
            "
            -4
            -6
            -x = address
            -t = one(A|AAAA|MX|NS|TXT|SOA|PTR|CNAME|SRV|CAA|DS|DNSKEY|TLSA|SSHFP|NAPTR|SVCB|HTTPS|a|aaaa|mx|ns|txt|soa|ptr|cname|srv|caa|ds|dnskey|tlsa|sshfp|naptr|svcb|https)
            -q = query
            +short
            +noshort
            +all
            +noall
            +answer
            +noanswer
            +authority
            +noauthority
            +additional
            +noadditional
            +question
            +noquestion
            +comments
            +nocomments
            +cmd
            +nocmd
            +stats
            +nostats
            +dnssec
            +nodnssec
            +cdflag
            +adflag
            +noadflag
            +rec
            +norec
            +recurse
            +norecurse
            +tcp
            +notcp
            +vc
            +edns
            +noedns
            +multiline
            +nomultiline
            +nosearch
            +ttlid
            +nottlid
            +rrcomments
            +norrcomments
            +ttlunits
            +identify
            +time = count(1-10)
            +timeout = count(1-10)
            +tries = count(1-3)
            +retry = count(0-2)
            +bufsize = count(4096)
            +ndots = count(5)
        ",
        ],
        verbs: ": server? / server? one(A|AAAA|MX|NS|TXT|SOA|PTR|CNAME|SRV|CAA|DS|DNSKEY|TLSA|SSHFP|NAPTR|SVCB|HTTPS|a|aaaa|mx|ns|txt|soa|ptr|cname|srv|caa|ds|dnskey|tlsa|sshfp|naptr|svcb|https)? query one(A|AAAA|MX|NS|TXT|SOA|PTR|CNAME|SRV|CAA|DS|DNSKEY|TLSA|SSHFP|NAPTR|SVCB|HTTPS|a|aaaa|mx|ns|txt|soa|ptr|cname|srv|caa|ds|dnskey|tlsa|sshfp|naptr|svcb|https)? server?",
        ..PROGRAM
    },
    Command {
        names: "host",
        set: "network",
        needs: NETWORK,
        rows: &["
            -4
            -6
            -v
            -t = one(A|AAAA|MX|NS|TXT|SOA|PTR|CNAME|SRV|CAA|DS|DNSKEY|TLSA|SSHFP|a|aaaa|mx|ns|txt|soa|ptr|cname|srv|caa)
            -W = count(1-10)
        "],
        verbs: ": query",
        ..PROGRAM
    },
    Command {
        names: "getent",
        set: "network",
        needs: NAME_SERVICE,
        verbs: ": one(passwd|group|hosts|ahosts|ahostsv4|ahostsv6|services|protocols|networks|rpc) word*8",
        ..PROGRAM
    },
    Command {
        names: "resolvectl",
        set: "network",
        lead: "--no-pager",
        needs: SOCKETS,
        rows: &["
            --no-pager %drop
            --legend = one(yes|no|true|false)
            -4
            -6
            -t --type = one(A|AAAA|MX|NS|TXT|SOA|PTR|CNAME|SRV|CAA|a|aaaa|mx|ns|txt|soa|ptr|cname|srv|caa) @query
        "],
        verbs: "
            status : interface*8
            query : query+8
            statistics :
            dns : interface?
            domain : interface?
            :
        ",
        ..PROGRAM
    },
];

# The read-only door of breakglass on NixOS.
#
#   imports = [ ./breakglass-guard.nix ];
#   services.breakglass-guard.diag = {
#     enable = true;
#     package = ./breakglass-guard;   # the static binary, as `cargo xtask guard` builds it
#     keys.agent-1 = { key = "ssh-ed25519 AAAA…"; from = [ "192.0.2.0/24" ]; };
#   };
{ config, lib, pkgs, ... }:

let
  cfg = config.services.breakglass-guard.diag;
  user = "breakglass-diag";
  home = "/var/lib/breakglass/home";
  guard = pkgs.runCommand "breakglass-guard" { } ''
    install -D -m 0755 ${cfg.package} $out/bin/breakglass-guard
  '';
  # The guard believes root's files only; /etc/breakglass/guard.toml leads into the store, which is root's.
  settings = (pkgs.formats.toml { }).generate "guard.toml" {
    diag = cfg.settings // lib.optionalAttrs cfg.broker { broker = "/run/breakglass/broker.sock"; };
  };
  keyLine = label: { key, from }:
    "restrict,command=\"${guard}/bin/breakglass-guard diag --config /etc/breakglass/guard.toml --label ${label}\""
    + lib.optionalString (from != [ ]) ",from=\"${lib.concatStringsSep "," from}\""
    + " ${key}";
  keys = pkgs.writeText "breakglass-diag.keys"
    (lib.concatStringsSep "\n" (lib.mapAttrsToList keyLine cfg.keys) + "\n");
in
{
  options.services.breakglass-guard.diag = {
    enable = lib.mkEnableOption "the read-only door of breakglass";
    package = lib.mkOption {
      type = lib.types.path;
      description = "The static binary of the guard.";
    };
    keys = lib.mkOption {
      description = "The keys that may look, by the label that the record names them with.";
      type = lib.types.attrsOf (lib.types.submodule {
        options = {
          key = lib.mkOption { type = lib.types.str; description = "The public key."; };
          from = lib.mkOption {
            type = lib.types.listOf lib.types.str;
            default = [ ];
            description = "Addresses and networks that it may come from; none: any.";
          };
        };
      });
      default = { };
    };
    settings = lib.mkOption {
      type = lib.types.attrs;
      default = { };
      description = "The keys of [diag] in guard.toml.";
    };
    broker = lib.mkEnableOption "the broker, for what needs privilege";
  };

  config = lib.mkIf cfg.enable {
    assertions = [{
      assertion = lib.all (label: builtins.match "[A-Za-z0-9_][A-Za-z0-9._@-]{0,59}" label != null) (lib.attrNames cfg.keys);
      message = "services.breakglass-guard.diag.keys: a label has letters, digits and ._@- only";
    }];

    users.groups.${user} = { };
    users.users.${user} = {
      isSystemUser = true;
      group = user;
      extraGroups = [ "systemd-journal" ];
      inherit home;
      createHome = false;
      # A shell that reads no start-up files for a command; `useDefaultShell` would be bash.
      shell = "/bin/sh";
      hashedPassword = "*";
    };

    environment.etc."breakglass/guard.toml".source = settings;
    environment.etc."ssh/breakglass/breakglass-diag.keys" = { source = keys; mode = "0444"; };

    services.openssh.enable = true;
    services.openssh.extraConfig = lib.mkBefore ''
      Match User ${user}
        AuthenticationMethods publickey
        PubkeyAuthentication yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        HostbasedAuthentication no
        AuthorizedKeysFile /etc/ssh/breakglass/breakglass-diag.keys
        AuthorizedKeysCommand none
        TrustedUserCAKeys none
        ForceCommand none
        ChrootDirectory none
        AcceptEnv BREAKGLASS_TAKES_NO_VARIABLE
        PermitTTY no
        PermitUserRC no
        DisableForwarding yes
        AllowTcpForwarding no
        AllowStreamLocalForwarding no
        AllowAgentForwarding no
        X11Forwarding no
        PermitTunnel no
        GatewayPorts no
        PermitOpen none
        PermitListen none
        Banner none
      Match all
    '';

    systemd.tmpfiles.rules = [
      "d /run/breakglass-guard 0711 root root -"
      "d /run/breakglass-guard/record 0711 root root -"
      "d /run/breakglass-guard/record/guard-${user} 0700 ${user} ${user} -"
      "d /run/breakglass-guard/looks 0711 root root -"
      "d /run/breakglass-guard/looks/${user} 0700 ${user} ${user} -"
      "d /var/lib/breakglass 0755 root root -"
      "d ${home} 0555 root root -"
      "d /var/log/breakglass 0711 root root -"
      "f /var/log/breakglass/guard-${user}.jsonl 0600 ${user} ${user} -"
    ];

    systemd.sockets.breakglass-broker = lib.mkIf cfg.broker {
      description = "What the read-only door may ask of root";
      wantedBy = [ "sockets.target" ];
      listenStreams = [ "/run/breakglass/broker.sock" ];
      socketConfig = {
        SocketUser = "root";
        SocketGroup = user;
        SocketMode = "0660";
        Accept = true;
        MaxConnections = 8;
      };
    };
    systemd.services."breakglass-broker@" = lib.mkIf cfg.broker {
      description = "One request of the read-only door that needs privilege";
      serviceConfig = {
        ExecStart = "${guard}/bin/breakglass-guard broker --config /etc/breakglass/guard.toml";
        StandardInput = "socket";
        StandardOutput = "socket";
        StandardError = "journal";
        NoNewPrivileges = true;
        ProtectSystem = "strict";
        ReadWritePaths = [ "-/var/log/breakglass" "-/run/breakglass-guard" ];
        ProtectHome = true;
        PrivateTmp = true;
        UMask = "0077";
        RuntimeMaxSec = 120;
        TasksMax = 32;
        MemoryMax = "768M";
        OOMScoreAdjust = 500;
      };
    };
  };
}

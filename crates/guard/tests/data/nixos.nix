# Evaluates the NixOS module with the few functions of nixpkgs that it calls, which stand in here for nixpkgs itself: what
# is tested is what the module says, not how NixOS merges it with other modules.
{ module, label, broker }:

let
  lib = {
    types = {
      path = null;
      str = null;
      attrs = null;
      attrsOf = _: null;
      listOf = _: null;
      submodule = _: null;
    };
    mkOption = option: option;
    mkEnableOption = description: { inherit description; default = false; };
    mkIf = condition: value: if condition then value else { };
    mkBefore = value: value;
    optionalAttrs = condition: value: if condition then value else { };
    optionalString = condition: value: if condition then value else "";
    mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);
    inherit (builtins) all attrNames concatStringsSep;
  };
  pkgs = {
    runCommand = name: _: _: "/nix/store/0-${name}";
    writeText = _: text: text;
    formats.toml = _: { generate = _: value: value; };
  };
  config.services.breakglass-guard.diag = {
    enable = true;
    package = "/guard";
    keys.${label} = { key = "ssh-ed25519 AAAA"; from = [ "192.0.2.0/24" "2001:db8::/32" ]; };
    settings.deny = [ "/srv/secret" ];
    inherit broker;
  };
in
(import module { inherit config lib pkgs; }).config

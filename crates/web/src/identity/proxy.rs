//! The trusted header: a name that the single sign-on in front has found out, believed only when the request comes
//! from the socket address of a listed proxy. Other headers that claim an address are never looked at.

use axum::http::{HeaderMap, HeaderName};
use breakglass_fleet::TrustedHeader;
use std::net::IpAddr;

/// Which header, from whom.
pub(super) struct TrustedProxies {
    header: Option<HeaderName>,
    groups: Option<HeaderName>,
    proxies: Vec<IpAddr>,
}

/// So many groups are looked at; who has more has them from a proxy that ran wild.
const MOST_GROUPS: usize = 256;

impl TrustedProxies {
    pub(super) fn new(config: &TrustedHeader) -> Self {
        let header = config.name.parse().ok();
        if header.is_none() {
            tracing::error!(
                header = config.name,
                "the trusted header's name is no header name: nobody is trusted by it"
            );
        }
        let groups = config.groups.as_ref().and_then(|name| name.parse().ok());
        Self { header, groups, proxies: config.proxies.iter().map(IpAddr::to_canonical).collect() }
    }

    /// The name, where one proxy that is listed gave exactly one.
    pub(super) fn name_in(&self, headers: &HeaderMap, peer: IpAddr) -> Option<String> {
        let mut values = headers.get_all(self.header.as_ref()?).iter();
        let (value, more) = (values.next()?, values.next());
        if !self.proxies.contains(&peer.to_canonical()) {
            tracing::warn!(%peer, "a trusted header came from an address that is not a listed proxy: ignored");
            return None;
        }
        let name = value.to_str().ok()?.trim();
        // Two headers of that name mean that the proxy let the client's own one through: neither is believed.
        (more.is_none() && super::is_name(name)).then(|| name.to_owned())
    }

    /// The groups that the proxy lists beside a name, with commas or bars between them. Call it for a request whose
    /// name was believed.
    pub(super) fn groups_in(&self, headers: &HeaderMap) -> Vec<String> {
        let Some(name) = &self.groups else { return Vec::new() };
        let mut values = headers.get_all(name).iter();
        // As with the name: of two headers one is the client's own, and neither is believed.
        let (Some(value), None) = (values.next(), values.next()) else { return Vec::new() };
        let Ok(text) = value.to_str() else { return Vec::new() };
        let groups = text.split([',', '|']).map(str::trim).filter(|group| !group.is_empty());
        groups.take(MOST_GROUPS).map(str::to_owned).collect()
    }
}

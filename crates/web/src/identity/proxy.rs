//! The trusted header: a name that the single sign-on in front has found out, believed only when the request comes
//! from the socket address of a listed proxy. Other headers that claim an address are never looked at.

use axum::http::{HeaderMap, HeaderName};
use breakglass_fleet::TrustedHeader;
use std::net::IpAddr;

/// Which header, from whom.
pub(super) struct TrustedProxies {
    header: Option<HeaderName>,
    proxies: Vec<IpAddr>,
}

impl TrustedProxies {
    pub(super) fn new(config: &TrustedHeader) -> Self {
        let header = config.name.parse().ok();
        if header.is_none() {
            tracing::error!(
                header = config.name,
                "the trusted header's name is no header name: nobody is trusted by it"
            );
        }
        Self { header, proxies: config.proxies.iter().map(IpAddr::to_canonical).collect() }
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
}

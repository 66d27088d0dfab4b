//! The headers that every answer carries, so that what a target or a guest wrote can do nothing in a browser.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Nothing is loaded from elsewhere, nothing inline runs, no other page may frame or receive ours.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; \
                           form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// For bytes that a guest may have forged: not even our own scripts.
pub(crate) const ARTIFACT_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// Adds what is missing; a handler may have set a policy or a lifetime of its own.
pub(crate) fn harden(headers: &mut HeaderMap) {
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=()",
        ),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (header::CACHE_CONTROL, "no-store")]
    {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

//! The style sheet, the script, the mark and what makes the page installable, inside the binary; each under a name that
//! holds the hash of its content, so that a browser may keep it for ever and never has an old one.
//!
//! They are squeezed once for whoever takes gzip. Pages are not: a page has the proof of intent of its forms beside bytes
//! that a target wrote, and the length of the two squeezed together tells about the first (ADR-0022).

use crate::icon;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

/// One file.
pub(crate) struct Asset {
    /// Its address, `/assets/NAME.HASH.EXTENSION`.
    pub(crate) href: String,
    media: &'static str,
    bytes: Vec<u8>,
    /// The same by gzip, where that is smaller.
    squeezed: Option<Vec<u8>>,
}

/// All files.
pub(crate) struct Assets {
    pub(crate) style: Asset,
    pub(crate) script: Asset,
    pub(crate) mark: Asset,
    /// For a phone that does not draw vectors on its home screen.
    pub(crate) touch_icon: Asset,
    pub(crate) manifest: Asset,
    icon: Asset,
    large_icon: Asset,
}

/// The files of this build.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mark = asset("mark", "svg", "image/svg+xml", include_bytes!("../assets/mark.svg").to_vec());
    let icon = |side| asset("icon", "png", "image/png", icon::png(side));
    let (touch_icon, small, large) = (icon(180), icon(192), icon(512));
    let manifest = manifest(&mark, &small, &large);
    Assets {
        style: asset(
            "style",
            "css",
            "text/css; charset=utf-8",
            include_bytes!("../assets/style.css").to_vec(),
        ),
        script: asset(
            "page",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("../assets/page.js").to_vec(),
        ),
        manifest: asset("breakglass", "webmanifest", "application/manifest+json", manifest.into_bytes()),
        mark,
        touch_icon,
        icon: small,
        large_icon: large,
    }
});

/// What a phone needs to put the page on its home screen. There is no service worker: a page from a cache would look live
/// (ADR-0022).
fn manifest(mark: &Asset, small: &Asset, large: &Asset) -> String {
    let icon = |asset: &Asset, sizes: &str, purpose: &str| serde_json::json!({ "src": asset.href, "sizes": sizes, "type": asset.media, "purpose": purpose });
    serde_json::json!({
        "name": "breakglass",
        "short_name": "breakglass",
        "description": "The way back in.",
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#0a0f11",
        "theme_color": "#0a0f11",
        "icons": [
            icon(mark, "any", "any"), icon(small, "192x192", "any"), icon(large, "512x512", "any"),
            icon(large, "512x512", "maskable"),
        ],
    })
    .to_string()
}

fn asset(name: &str, extension: &str, media: &'static str, bytes: Vec<u8>) -> Asset {
    let mut hash = String::new();
    for byte in Sha256::digest(&bytes).iter().take(8) {
        let _ = write!(hash, "{byte:02x}");
    }
    let mut squeezer = GzEncoder::new(Vec::new(), Compression::best());
    let squeezed = squeezer.write_all(&bytes).and_then(|()| squeezer.finish()).ok();
    let squeezed = squeezed.filter(|squeezed| squeezed.len() < bytes.len());
    Asset { href: format!("/assets/{name}.{hash}.{extension}"), media, bytes, squeezed }
}

/// `GET /assets/{name}`
pub(crate) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Assets { style, script, mark, touch_icon, manifest, icon, large_icon } = &*ASSETS;
    let all = [style, script, mark, touch_icon, manifest, icon, large_icon];
    let Some(asset) =
        all.into_iter().find(|asset| asset.href.strip_prefix("/assets/") == Some(name.as_str()))
    else {
        return (StatusCode::NOT_FOUND, "no such file in this version; load the page again\n")
            .into_response();
    };
    let lasting = [
        (header::CONTENT_TYPE, asset.media),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    match asset.squeezed.as_deref().filter(|_| takes_gzip(&headers)) {
        Some(squeezed) => (lasting, [(header::CONTENT_ENCODING, "gzip")], squeezed).into_response(),
        None => (lasting, asset.bytes.as_slice()).into_response(),
    }
}

/// Whether the client named gzip, and did not name it to refuse it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = quality.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_whoever_takes_it() {
        for (value, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("x-gzipped", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}

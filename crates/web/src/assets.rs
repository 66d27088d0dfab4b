//! The style sheet, the script and the mark, inside the binary; each under a name that holds the hash of its content,
//! so that a browser may keep it for ever and never has an old one.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// One file.
pub(crate) struct Asset {
    /// Its address, `/assets/NAME.HASH.EXTENSION`.
    pub(crate) href: String,
    media: &'static str,
    bytes: &'static [u8],
}

/// All files.
pub(crate) struct Assets {
    pub(crate) style: Asset,
    pub(crate) script: Asset,
    pub(crate) mark: Asset,
}

/// The files of this build.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: asset("style", "css", "text/css; charset=utf-8", include_bytes!("../assets/style.css")),
    script: asset("page", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/page.js")),
    mark: asset("mark", "svg", "image/svg+xml", include_bytes!("../assets/mark.svg")),
});

fn asset(name: &str, extension: &str, media: &'static str, bytes: &'static [u8]) -> Asset {
    let mut hash = String::new();
    for byte in Sha256::digest(bytes).iter().take(8) {
        let _ = write!(hash, "{byte:02x}");
    }
    Asset { href: format!("/assets/{name}.{hash}.{extension}"), media, bytes }
}

/// `GET /assets/{name}`
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let all = [&ASSETS.style, &ASSETS.script, &ASSETS.mark];
    match all.into_iter().find(|asset| asset.href.strip_prefix("/assets/") == Some(name.as_str())) {
        Some(asset) => {
            let kept = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, asset.media), (header::CACHE_CONTROL, kept)], asset.bytes)
                .into_response()
        }
        None => {
            (StatusCode::NOT_FOUND, "no such file in this version; load the page again\n").into_response()
        }
    }
}

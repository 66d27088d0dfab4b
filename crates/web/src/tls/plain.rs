//! What somebody is told who speaks plain HTTP at a port with TLS, as one does who types an address without `https`.

use axum::body::Body;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};

/// Sends a browser on to the same address with TLS; whoever sent more than a question is told that it was readable.
pub(crate) fn answer<B>(request: &Request<B>) -> Response<Body> {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let there = there(request);
    let (status, text) = match (&there, looks) {
        (Some(there), true) => {
            (StatusCode::TEMPORARY_REDIRECT, format!("This port speaks TLS: {there}\n"))
        }
        (None, true) => (StatusCode::BAD_REQUEST, "This port speaks TLS: open it with https://\n".to_owned()),
        (_, false) => (
            StatusCode::BAD_REQUEST,
            "This port speaks TLS: use https://. Nothing was done. What you sent could be read on the way: if there was \
             a password or a token in it, make a new one.\n"
                .to_owned(),
        ),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(there) = there.filter(|_| looks).and_then(|there| HeaderValue::from_str(&there).ok()) {
        headers.insert(header::LOCATION, there);
    }
    response
}

fn there<B>(request: &Request<B>) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let usable = !host.is_empty() && host.len() < 256 && host.bytes().all(fine) && path.starts_with('/');
    usable.then(|| format!("https://{host}{path}"))
}

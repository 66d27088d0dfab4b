//! What a request of the API brings, taken apart: where it does not fit, the answer is JSON that says so, as all others are.

use crate::problem::{ApiProblem, Problem};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// What stands between the slashes of the address.
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let taken = Path::<T>::from_request_parts(parts, state).await;
        taken.map(|Path(taken)| Self(taken)).map_err(|rejection| {
            let what_now = "Numbers in an address are whole and not negative. Nothing was done.";
            Problem::new(StatusCode::BAD_REQUEST, format!("{}.", rejection.body_text()), what_now).into()
        })
    }
}

/// What stands behind the question mark.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let taken = Query::<T>::from_request_parts(parts, state).await;
        taken.map(|Query(taken)| Self(taken)).map_err(|rejection| {
            let what_now = "See the document of the API, /api/v1/openapi.json. Nothing was done.";
            Problem::new(StatusCode::BAD_REQUEST, format!("{}.", rejection.body_text()), what_now).into()
        })
    }
}

/// The body: a JSON object.
pub(crate) struct Said<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiProblem> {
        let said = Json::<T>::from_request(request, state).await;
        said.map(|Json(said)| Self(said)).map_err(|rejection| refused(&rejection))
    }
}

/// The body, where it may be left out.
pub(crate) struct MaySay<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaySay<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiProblem> {
        let bytes = axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
            Problem::new(StatusCode::BAD_REQUEST, format!("{}.", rejection.body_text()), "Nothing was done.")
        })?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        // Without asking for the media type: scripts press with `curl --data`.
        Json::<T>::from_bytes(&bytes).map(|Json(said)| Self(said)).map_err(|rejection| refused(&rejection))
    }
}

/// The first number that is too large, 2^64; `u64::MAX` itself is no `f64`.
const BEYOND: f64 = 18_446_744_073_709_551_616.0;

/// A whole number as JSON means it: `5.0` is one too, and some programs write it so.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(from)? else { return Ok(None) };
    match (number.as_u64(), number.as_f64()) {
        (Some(number), _) => Ok(Some(number)),
        (None, Some(float)) if float >= 0.0 && float.fract() == 0.0 && float < BEYOND => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "both were just ruled out"
            )]
            let number = float as u64;
            Ok(Some(number))
        }
        _ => Err(serde::de::Error::custom(format!("{number} is not a whole number from 0 to {}", u64::MAX))),
    }
}

fn refused(rejection: &JsonRejection) -> ApiProblem {
    let what_now = "Send a JSON object with content-type application/json; /api/v1/openapi.json says what it holds. Nothing was done.";
    Problem::new(rejection.status(), format!("{}.", rejection.body_text()), what_now).into()
}

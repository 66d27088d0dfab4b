//! The pages, the JSON API, live events and identity.

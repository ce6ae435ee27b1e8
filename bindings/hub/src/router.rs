//! Which address is answered by what.

use crate::answer::Problem;
use crate::app::App;
use crate::auth::authenticate;
use crate::limits::{MAX_BODY_BYTES, in_time};
use crate::routes::{delete, metadata, put, read, search, transact};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};

/// All of it.
pub(crate) fn router(app: App) -> Router {
    let fhir = Router::new()
        .route("/{kind}/{id}", get(read).put(put).delete(delete))
        .route("/{kind}", get(search))
        .route("/", post(transact))
        .layer(middleware::from_fn_with_state(app.clone(), authenticate))
        .route("/metadata", get(metadata));
    let without_slash =
        post(transact).layer(middleware::from_fn_with_state(app.clone(), authenticate));
    // Under the same limits: a base URL works with and without the slash behind it.
    let limited = Router::new()
        .route("/fhir", without_slash)
        .nest("/fhir/", fhir)
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .merge(limited)
        .fallback(|| async {
            Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "no such address on this server",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "not-supported",
                "this method is not supported here yet",
            )
        })
        .with_state(app)
}

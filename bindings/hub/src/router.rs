//! Which address is answered by what.

use crate::answer::Problem;
use crate::app::App;
use crate::auth::authenticate;
use crate::limits::{admit, receive, work};
use crate::log::{Log, line};
use crate::negotiate::negotiate;
use crate::people;
use crate::routes;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

/// All of it.
pub(crate) fn router(app: App, log: Log) -> Router {
    let base = || post(routes::bundle).get(routes::across_types);
    let records = Router::new()
        .route(
            "/{kind}/{id}",
            get(routes::read)
                .put(routes::put)
                .patch(routes::patch)
                .delete(routes::delete),
        )
        .route("/{kind}/{id}/_history", get(routes::history_of_record))
        .route("/{kind}/{id}/_history/{version}", get(routes::version))
        .route(
            "/{kind}",
            get(routes::find)
                .post(routes::create)
                .put(routes::put_found)
                .patch(routes::patch_found)
                .delete(routes::delete_found),
        )
        .route("/{kind}/_search", post(routes::find_by_form))
        .route("/{kind}/_history", get(routes::history_of_type))
        .route("/$members", post(people::members))
        .route("/$anchor", post(people::anchor))
        .route("/_history", get(routes::history_of_all))
        .route("/_search", post(routes::across_types))
        .route("/", base());
    // Outermost last: who asks is known before a body is read, and the body is here before anything is done.
    let known = |router: Router<App>| {
        router
            .layer(from_fn(negotiate))
            .layer(from_fn_with_state(app.clone(), work))
            .layer(from_fn_with_state(app.clone(), receive))
            .layer(DefaultBodyLimit::max(app.limits.body_bytes))
            .layer(from_fn_with_state(app.clone(), authenticate))
    };
    let metadata = get(routes::metadata).layer(from_fn(negotiate));
    // A base URL works with and without the slash behind it.
    let without_slash = known(Router::new().route("/fhir", base()));
    let enrol = post(people::enrol).layer(DefaultBodyLimit::max(people::MAX_BYTES));
    let fhir = known(records)
        .route("/metadata", metadata)
        .route("/$enrol", enrol);
    let operator = Router::new()
        .route("/people", get(people::list))
        .route("/enrol", post(people::make_code))
        .route("/approve", post(people::approve))
        .route("/revoke", post(people::revoke));
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .merge(without_slash)
        .nest("/fhir/", fhir)
        .nest("/operator", known(operator))
        .fallback(|| async {
            let text = "no such address on this server";
            Problem::new(StatusCode::NOT_FOUND, "not-found", text)
        })
        .method_not_allowed_fallback(|| async {
            let text = "this method is not supported at this address";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", text)
        })
        .layer(from_fn_with_state(app.clone(), admit))
        .layer(from_fn_with_state(log, line))
        .with_state(app)
}

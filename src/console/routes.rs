//! Which address answers what: one table, from which the router is made and by which the document is
//! held to the truth.

use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};

use super::guard::guard;
use super::{
    Counter, FORM_MAX, alive, boards, duty, entries, events, incidents, metrics, page, problem,
    ready, registered,
};

/// One row of the table.
struct Route {
    method: Method,
    path: &'static str,
    answer: MethodRouter<Counter>,
}

fn on_get(path: &'static str, answer: MethodRouter<Counter>) -> Route {
    Route { method: Method::GET, path, answer }
}

fn on_post(path: &'static str, answer: MethodRouter<Counter>) -> Route {
    Route { method: Method::POST, path, answer }
}

/// What the network sees as well.
fn open() -> Vec<Route> {
    vec![
        on_get("/a/{pass}", get(page::show)),
        on_post("/a/{pass}", post(page::say)),
        on_get("/healthz", get(alive)),
        on_get("/readyz", get(ready)),
    ]
}

/// What only programs on the box see.
fn api() -> Vec<Route> {
    vec![
        on_get("/api/openapi.json", get(document)),
        on_get("/api/v1/boards", get(boards::list)),
        on_post("/api/v1/boards/{board}/heard", post(boards::heard)),
        on_get("/api/v1/devices", get(registered::devices)),
        on_get("/api/v1/devices/{device}/history", get(registered::history)),
        on_get("/api/v1/events", get(events::follow)),
        on_get("/api/v1/incidents", get(incidents::list)),
        on_get("/api/v1/incidents/{incident}", get(incidents::one)),
        on_post("/api/v1/incidents/{incident}/{move}", post(incidents::say)),
        on_get("/api/v1/journal", get(entries::list)),
        on_get("/api/v1/people", get(registered::people)),
        on_get("/api/v1/problems", get(problem::list)),
        on_get("/api/v1/residents", get(registered::residents)),
        on_get("/api/v1/roster", get(duty::roster)),
        on_get("/api/v1/status", get(duty::status)),
        on_get("/metrics", get(metrics::show)),
    ]
}

fn router(routes: Vec<Route>) -> Router<Counter> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.answer))
}

/// What answers on loopback.
pub(super) fn here(counter: Counter) -> Router {
    let api = router(api())
        .method_not_allowed_fallback(problem::no_method)
        .fallback(problem::no_page)
        .layer(from_fn(guard));
    finished(router(open()).merge(api), counter)
}

/// What answers on the network.
pub(super) fn lan(counter: Counter) -> Router {
    finished(router(open()), counter)
}

fn finished(router: Router<Counter>, counter: Counter) -> Router {
    router.layer(axum::extract::DefaultBodyLimit::max(FORM_MAX)).with_state(counter)
}

/// The document that describes all of this, OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`.
async fn document() -> axum::response::Response {
    let version = env!("CARGO_PKG_VERSION");
    super::answer::typed("application/json", DOCUMENT.replacen("0.0.0", version, 1))
}

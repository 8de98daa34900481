//! Which address answers what: one table, from which the router is made and by which the document is
//! held to the truth.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};

use super::guard::guard;
use super::{
    Counter, FORM_MAX, alive, boards, duty, entries, events, incidents, metrics, page, problem,
    ready, registered, signals, work,
};

/// One row of the table: a method, an address, and what answers there.
struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "the document is held to it"))]
    method: Method,
    path: &'static str,
    answer: MethodRouter<Counter>,
}

fn on_get<H: Handler<T, Counter>, T: 'static>(path: &'static str, answer: H) -> Route {
    Route { method: Method::GET, path, answer: get(answer) }
}

fn on_post<H: Handler<T, Counter>, T: 'static>(path: &'static str, answer: H) -> Route {
    Route { method: Method::POST, path, answer: post(answer) }
}

/// What the network sees as well.
fn open() -> Vec<Route> {
    vec![
        on_get("/a/{pass}", page::show),
        on_post("/a/{pass}", page::say),
        on_get("/healthz", alive),
        on_get("/readyz", ready),
        Route {
            answer: post(signals::take).layer(DefaultBodyLimit::max(signals::SIGNAL_MAX)),
            ..on_post("/api/v1/signals", signals::take)
        },
    ]
}

/// What only programs on the box see.
fn api() -> Vec<Route> {
    vec![
        on_get("/api/openapi.json", document),
        on_get("/api/v1/beds", registered::beds),
        on_get("/api/v1/boards", boards::list),
        on_post("/api/v1/boards/{board}/heard", boards::heard),
        on_get("/api/v1/contacts", registered::contacts),
        on_get("/api/v1/devices", registered::devices),
        on_get("/api/v1/devices/heard", registered::strangers),
        on_get("/api/v1/devices/{device}/dry-run", work::dry_run),
        on_get("/api/v1/devices/{device}/history", registered::history),
        on_post("/api/v1/devices/{device}/swap", work::swap),
        on_get("/api/v1/events", events::follow),
        on_get("/api/v1/incidents", incidents::list),
        on_get("/api/v1/incidents/{incident}", incidents::one),
        on_post("/api/v1/incidents/{incident}/{move}", incidents::say),
        on_get("/api/v1/journal", entries::list),
        on_get("/api/v1/people", registered::people),
        on_get("/api/v1/problems", problem::list),
        on_get("/api/v1/residents", registered::residents),
        on_get("/api/v1/roster", duty::roster),
        on_get("/api/v1/status", duty::status),
        on_get("/api/v1/works", work::list),
        on_post("/api/v1/works", work::begin),
        on_get("/api/v1/works/{work}", work::one),
        on_post("/api/v1/works/{work}/end", work::end),
        on_post("/api/v1/joining", work::join),
        on_get("/metrics", metrics::show),
    ]
}

fn router(routes: Vec<Route>) -> Router<Counter> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.answer))
}

/// What answers on loopback.
pub(super) fn here(counter: Counter) -> Router {
    let api = router(api())
        .method_not_allowed_fallback(problem::no_method)
        .route_layer(from_fn(guard))
        .fallback(problem::no_page);
    finished(router(open()).merge(api), counter)
}

/// What answers on the network.
pub(super) fn lan(counter: Counter) -> Router {
    finished(router(open()), counter)
}

fn finished(router: Router<Counter>, counter: Counter) -> Router {
    router.layer(DefaultBodyLimit::max(FORM_MAX)).with_state(counter)
}

/// The document that describes all of this, OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`.
async fn document() -> axum::response::Response {
    let version = env!("CARGO_PKG_VERSION");
    super::answer::typed("application/json", DOCUMENT.replacen("0.0.0", version, 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_document_has_every_row_of_the_table_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let row = |route: Route| (route.path.to_owned(), route.method.to_string());
        let answered: BTreeSet<_> = open().into_iter().chain(api()).map(row).collect();
        assert_eq!(documented, answered);
    }
}

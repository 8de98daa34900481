//! Who may ask the API until there is sign-in: programs on this box.
//!
//! It listens on loopback only. A browser on the box, however, also runs pages from elsewhere, and
//! such a page can have its own name lead to 127.0.0.1 (DNS rebinding): so the name asked under must
//! be this box's. A form of a foreign page may be sent anywhere without asking: so whatever changes
//! something is sent as JSON, which a browser does for a foreign page only with our leave, and we give
//! none. A proxy that lets the network at the one-tap pages may let it at the rest by mistake: what
//! was forwarded is refused.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, Wrong};

/// What a proxy adds to what it passes on.
const FORWARDED_BY: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Lets in who may ask.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    match judge(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn judge(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|_| hosts.next().is_none());
    let in_uri = uri.authority().is_none_or(|authority| is_here(authority.as_str()));
    let Some(host) = host.filter(|host| in_uri && is_here(host)) else {
        return Err(Wrong::ForeignHost.because("ask at http://127.0.0.1 or http://localhost"));
    };
    if !is_text(uri.path()) {
        return Err(Wrong::NoPage.because("an address is UTF-8, percent-encoded"));
    }
    if FORWARDED_BY.iter().any(|name| headers.contains_key(name)) {
        let detail = "only programs on the box may ask: let a proxy pass on /a/ and nothing else";
        return Err(Wrong::Forwarded.because(detail));
    }
    if is_from_elsewhere(host, headers) {
        return Err(Wrong::CrossSite.because("only pages of this hub may ask"));
    }
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    if changes && !is_json(headers) {
        return Err(Wrong::NotJson.because("send the body as content-type: application/json"));
    }
    Ok(())
}

/// Whether the bytes that an address stands for are UTF-8; one that ends within an escape is none.
fn is_text(path: &str) -> bool {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| {
            let digits = behind.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit))?;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        });
        (rest, _) = match escaped {
            None => (behind, bytes.push(*first)),
            Some(Some(byte)) => (&behind[2..], bytes.push(byte)),
            Some(None) => return false,
        };
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// Whether `host:port` is a name of this box's loopback.
fn is_here(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser says that another site's page asks.
fn is_from_elsewhere(host: &str, headers: &HeaderMap) -> bool {
    let foreign_origin = headers.get_all(header::ORIGIN).iter().any(|origin| {
        let there = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        there.is_none_or(|there| !there.eq_ignore_ascii_case(host))
    });
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    foreign_origin || matches!(site, Some("cross-site" | "same-site"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let bare = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    bare.is_some_and(|bare| bare.eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: Method, headers: &[(&str, &str)]) -> Result<(), Problem> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        judge(&method, &Uri::from_static("/api/v1/status"), &map)
    }

    #[test]
    fn only_names_of_this_boxs_loopback_are_answered() {
        for here in ["127.0.0.1:7580", "localhost", "LOCALHOST:1", "[::1]:7580", "127.9.9.9"] {
            assert_eq!(judged(Method::GET, &[("host", here)]), Ok(()), "{here}");
        }
        for foreign in [
            "evil.example",
            "evil.example:7580",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "192.168.1.2:7580",
            "0.0.0.0",
            "",
        ] {
            assert!(judged(Method::GET, &[("host", foreign)]).is_err(), "{foreign}");
        }
        assert!(judged(Method::GET, &[]).is_err(), "no name at all");
        assert!(judged(Method::GET, &[("host", "localhost"), ("host", "evil")]).is_err());
        let uri = Uri::from_static("http://evil.example/api/v1/status");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().unwrap());
        assert!(judge(&Method::GET, &uri, &headers).is_err());
    }

    #[test]
    fn an_address_that_is_no_text_is_none() {
        for (path, text) in [
            ("/api/v1/boards/%E8%B5%B0/heard", true),
            ("/%", false),
            ("/%4", false),
            ("/%+1", false),
            ("/%FF", false),
            ("/%E8%B5", false),
        ] {
            assert_eq!(is_text(path), text, "{path}");
        }
    }

    #[test]
    fn a_foreign_page_a_form_and_what_was_forwarded_are_refused() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:7580");
        assert_eq!(judged(Method::POST, &[host, json]), Ok(()));
        assert_eq!(
            judged(Method::POST, &[host, json, ("origin", "http://127.0.0.1:7580")]),
            Ok(())
        );
        for foreign in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8000"),
            ("sec-fetch-site", "cross-site"),
            ("x-forwarded-for", "10.0.0.1"),
            ("via", "1.1 proxy"),
        ] {
            assert!(judged(Method::POST, &[host, json, foreign]).is_err(), "{foreign:?}");
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
            assert!(judged(Method::POST, &[host, ("content-type", kind)]).is_err(), "{kind}");
        }
        assert!(judged(Method::POST, &[host]).is_err());
    }
}

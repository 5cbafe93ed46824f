//! The origin of a request. Outside the API we refuse requests that a page of another site sent.
//!
//! A browser sends requests on behalf of any page that it shows. Those cannot harm the API, since a UserSig is not a cookie.
//! They could harm what is open to every request from this machine.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::uri::{Authority, Uri};

/// True unless a page of another site sent the request. Browsers name the site in these headers; other clients omit them.
pub(super) fn is_same_origin(request: &HttpRequest) -> bool {
    let fetch_site = header(request, "sec-fetch-site");
    let origin = header(request, "origin");
    fetch_site.is_none_or(|site| matches!(site, "same-origin" | "none"))
        && origin.is_none_or(|origin| {
            let origin = origin.parse::<Uri>().ok().and_then(|uri| uri.into_parts().authority);
            origin.is_some() && origin == host(request)
        })
}

/// True if the request comes from this machine, no proxy has forwarded it, and its `Host` names this machine. The owner of
/// another site can point a host name of their own at 127.0.0.1 (DNS rebinding), but the browser then sends that name, not
/// `localhost`.
pub(super) fn is_local(request: &HttpRequest) -> bool {
    if request.headers().keys().any(|name| is_of_a_proxy(name.as_str())) {
        return false;
    }
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    request.peer_addr().is_some_and(|peer| is_loopback(peer.ip()))
        && host(request).is_some_and(|host| {
            let name = host.host();
            let ip = name.trim_start_matches('[').trim_end_matches(']').parse();
            name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(is_loopback)
        })
}

/// Whether a proxy adds a header with this name (in lower case) to the requests that it forwards.
fn is_of_a_proxy(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

fn host(request: &HttpRequest) -> Option<Authority> {
    header(request, "host")?.parse().ok()
}

/// The value of a header. A value that is not ASCII becomes the empty string, which matches nothing.
fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(peer: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let from = TestRequest::get().peer_addr(format!("{peer}:5").parse().unwrap());
        let headers = headers.iter().copied();
        headers.fold(from, TestRequest::append_header).to_http_request()
    }

    #[test]
    fn only_this_machine_under_its_own_name_is_local() {
        let check = |peer, host, expected| {
            assert_eq!(is_local(&request(peer, &[("host", host)])), expected, "{peer} {host}");
        };
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
            check("127.0.0.1", host, true);
            check("[::1]", host, true);
            check("[::ffff:127.0.0.1]", host, true);
            check("192.0.2.7", host, false);
        }
        for host in ["example.com", "localhost.example.com:8080", "192.0.2.7", "", "a b", "::1"] {
            check("127.0.0.1", host, false);
        }
        assert!(!is_local(&request("127.0.0.1", &[])));
    }

    #[test]
    fn a_forwarded_request_is_not_local() {
        let is_local =
            |name| is_local(&request("127.0.0.1", &[("host", "localhost"), (name, "127.0.0.1")]));
        assert!(is_local("x-other"));
        for name in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
        ] {
            assert!(!is_local(name), "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_told_by_what_its_browser_says() {
        let check = |headers: &[(&str, &str)], expected| {
            let headers = [&[("host", "localhost:8080")], headers].concat();
            assert_eq!(is_same_origin(&request("127.0.0.1", &headers)), expected, "{headers:?}");
        };
        check(&[], true);
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "none")], true);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "")], false);
        check(&[("origin", "http://localhost:8080")], true);
        check(&[("origin", "https://LOCALHOST:8080")], true);
        check(&[("origin", "http://localhost:3000")], false);
        check(&[("origin", "http://example.com")], false);
        check(&[("origin", "null")], false);
        check(&[("origin", "")], false);
        check(&[("origin", "http://localhost:8080"), ("sec-fetch-site", "cross-site")], false);
    }
}

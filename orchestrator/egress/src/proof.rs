//! Who asks: `Proxy-Authorization: Basic` (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::PROXY_AUTHORIZATION;

/// Most bytes of the header: much more than any user name and password of ours.
const MOST: usize = 512;

/// The user name and the password of a request; nothing when they are not there, there twice or malformed.
pub(crate) fn read(headers: &HeaderMap) -> Option<(String, String)> {
    let mut all = headers.get_all(PROXY_AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else { return None };
    let text = header.to_str().ok().filter(|text| text.len() <= MOST)?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PROXY_AUTHORIZATION, HeaderValue::try_from(*value).unwrap());
        }
        read(&headers)
    }

    #[test]
    fn only_one_whole_proof_is_one() {
        let good = format!("Basic {}", STANDARD.encode("user:pass:word"));
        assert_eq!(of(&[&good]), Some(("user".to_owned(), "pass:word".to_owned())));
        assert_eq!(of(&[&good.replace("Basic", "bAsIc")]), Some(("user".to_owned(), "pass:word".to_owned())));
        let long = format!("Basic {}", STANDARD.encode("a:".to_owned() + &"x".repeat(MOST)));
        let bearer = good.replace("Basic", "Bearer");
        let colonless = format!("Basic {}", STANDARD.encode("user"));
        for bad in
            [&[] as &[&str], &[&good, &good], &[&bearer], &["Basic"], &["Basic ="], &[&colonless], &[&long]]
        {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}

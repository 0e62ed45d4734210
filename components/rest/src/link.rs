//! Finds the next page in a `Link` header (RFC 8288, section 3).

/// The target of the first link whose relations include `next`.
pub(crate) fn next(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = end_of_link(parameters);
        if is_next(&parameters[..end]) {
            return Some(target.trim().to_owned());
        }
        rest = &parameters[end..];
    }
    None
}

/// Where the comma after a link's parameters is; one within quotes does not count.
fn end_of_link(parameters: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, char) in parameters.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    parameters.len()
}

fn is_next(parameters: &str) -> bool {
    let mut pieces = parameters.split(';');
    // The first `rel` counts, later ones do not (section 3.3).
    let rel = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
    });
    rel.is_some_and(|rel| rel.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        for (header, expect) in [
            (
                r#"<https://a.test/?page=2>; rel="next", <https://a.test/?page=9>; rel="last""#,
                Some("https://a.test/?page=2"),
            ),
            (r#"<https://a.test/?page=1>; rel="prev", </x?a=1,2&p=3>; rel="next""#, Some("/x?a=1,2&p=3")),
            ("<2>;rel=next", Some("2")),
            ("<2>; title=\"a, <b>; c\"; REL=\"last Next\"", Some("2")),
            (r#"<2>; rel="last"; rel="next""#, None),
            (r#"<2>; rel="nextish""#, None),
            ("", None),
            ("nonsense, <open", None),
        ] {
            assert_eq!(next(header).as_deref(), expect, "{header}");
        }
    }
}

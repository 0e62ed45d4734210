//! Plain YAML scalars by the core schema of YAML 1.2.

use serde_json::Number;

use super::Kind;

/// What a plain scalar means; an error is the sentence that says why it cannot be kept.
pub(crate) fn resolve(text: &str) -> Result<Kind, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Bool(false)),
        _ => {}
    }
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(bare, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("`{text}` is no number that JSON has"));
    }
    if let Some(number) = integer(text, bare) {
        return number.map(Kind::Number);
    }
    if is_float(bare) {
        // The core schema allows `.5` and `1.`, which Rust reads as well.
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        return number.map(Kind::Number).ok_or_else(|| format!("{} is too large", crate::near::quote(text)));
    }
    Ok(Kind::Text(text.to_owned()))
}

/// An integer, if the text has the form of one.
fn integer(text: &str, bare: &str) -> Option<Result<Number, String>> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = text.strip_prefix("0o") {
        (digits, 8)
    } else {
        (bare, 10)
    };
    if digits.is_empty() || !digits.chars().all(|letter| letter.is_digit(radix)) {
        return None;
    }
    let negative = text.starts_with('-');
    let number = u64::from_str_radix(digits, radix).ok().and_then(|magnitude| {
        if !negative {
            return Some(Number::from(magnitude));
        }
        0_i64.checked_sub_unsigned(magnitude).map(Number::from)
    });
    let shown = crate::near::quote(text);
    Some(number.ok_or_else(|| format!("{shown} does not fit into 64 bits")))
}

/// `[0-9]*[.][0-9]*` with an optional exponent, and at least one digit.
fn is_float(bare: &str) -> bool {
    let (mantissa, exponent) = match bare.find(['e', 'E']) {
        Some(at) => (&bare[..at], Some(&bare[at + 1..])),
        None => (bare, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match resolve(text) {
            Ok(Kind::Text(_)) => "text".to_owned(),
            Ok(Kind::Null) => "null".to_owned(),
            Ok(Kind::Bool(flag)) => flag.to_string(),
            Ok(Kind::Number(number)) => number.to_string(),
            Ok(Kind::List(_) | Kind::Map(_) | Kind::Broken) => "?".to_owned(),
            Err(_) => "error".to_owned(),
        };
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, expect) in [
            ("", "null"),
            ("~", "null"),
            ("True", "true"),
            ("yes", "text"),
            ("no", "text"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("017", "17"),
            ("+12", "12"),
            ("-0", "0"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
            ("1.", "1.0"),
            (".", "text"),
            ("e5", "text"),
            ("-", "text"),
            ("1.0.0", "text"),
            ("12:30", "text"),
            ("1_000", "text"),
            ("= body.x", "text"),
            ("$.a", "text"),
        ] {
            check(text, expect);
        }
    }

    #[test]
    fn what_json_cannot_keep_is_refused() {
        for text in [".nan", ".inf", "-.INF", "18446744073709551616", "-9223372036854775809", "1e999"] {
            check(text, "error");
        }
    }
}

//! Digests with known answers, and a signature of version 4 as AWS documents it.

use serde_json::json;

use super::run;

#[test]
fn digests_have_the_known_answers() {
    for (code, expect) in [
        ("crypto.hash('md5', 'abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("crypto.hash('sha1', 'abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("crypto.hash('sha256', 'abc', 'base64')", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ("crypto.hash('sha512', 'abc').slice(0, 16)", "ddaf35a193617aba"),
        // RFC 2202 and RFC 4231, the second test case each.
        ("crypto.hmac('md5', 'Jefe', 'what do ya want for nothing?')", "750c783e6ab0b503eaa86e310a5db738"),
        (
            "crypto.hmac('sha1', 'Jefe', 'what do ya want for nothing?')",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            "crypto.hmac('sha256', { hex: '4a656665' }, 'what do ya want for nothing?', 'hex')",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("crypto.hmac('sha512', 'Jefe', 'what do ya want for nothing?').slice(0, 16)", "164b7a7bfcf819e2"),
    ] {
        assert_eq!(run(&format!("() => {code}"), json!(null)), Ok(json!(expect)), "{code}");
    }
}

/// The example of the AWS General Reference, "Signature Version 4 signing process".
#[test]
fn a_script_signs_the_documented_request() {
    let code = r"(request, secrets) => {
        const canonical = [
            request.method, request.path, request.query,
            ...Object.entries(request.headers).map(([name, value]) => `${name}:${value}`), '',
            Object.keys(request.headers).join(';'), crypto.hash('sha256', request.body),
        ].join('\n');
        const date = request.headers['x-amz-date'];
        const scope = [date.slice(0, 8), 'us-east-1', 'iam', 'aws4_request'];
        const text = ['AWS4-HMAC-SHA256', date, scope.join('/'), crypto.hash('sha256', canonical)].join('\n');
        let key = { base64: base64.encode('AWS4' + secrets.key) };
        for (const part of scope) key = { base64: crypto.hmac('sha256', key, part, 'base64') };
        return crypto.hmac('sha256', key, text);
    }";
    let request = json!({
        "method": "GET", "path": "/", "query": "Action=ListUsers&Version=2010-05-08", "body": "",
        "headers": {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "host": "iam.amazonaws.com",
            "x-amz-date": "20150830T123600Z",
        },
    });
    let secrets = json!({ "key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" });
    let signature = super::compiled(code)
        .call("main", vec![request, secrets], std::sync::Arc::new(crate::NoHost))
        .unwrap();
    assert_eq!(signature, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

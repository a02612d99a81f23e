//! AWS Signature Version 4 (`AWS4-HMAC-SHA256`) of requests to object stores. The cryptography is `ring`'s;
//! checked against the examples that AWS publishes for S3.

use ring::hmac;
use seaworthy_types::{Digest, Timestamp};
use sha2::{Digest as _, Sha256};

/// Keys of an account. Never printed.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

/// What is signed.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// Path and query as they are sent: percent-encoded.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Lower-case names, sorted; with `host`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body in hex.
    pub(super) payload: &'a str,
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    Digest::from_bytes(Sha256::digest(bytes).into()).hex()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// `20130524T000000Z`.
pub(super) fn stamp(now: Timestamp) -> String {
    now.to_string().replace(['-', ':'], "")
}

/// The value of the `Authorization` header.
pub(super) fn sign(unsigned: &Unsigned<'_>, keys: &Keys, region: &str, now: Timestamp) -> String {
    let stamp = stamp(now);
    let day = stamp.get(..8).unwrap_or_default();
    let mut query: Vec<String> = unsigned
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    query.sort();
    let headers: String =
        unsigned.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names: Vec<&str> = unsigned.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        unsigned.method,
        unsigned.path,
        query.join("&"),
        unsigned.payload
    );
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let key = hmac(format!("AWS4{}", keys.secret).as_bytes(), day);
    let key = ["s3", "aws4_request"].iter().fold(hmac(&key, region), |key, word| hmac(&key, word));
    let signature: String = hmac(&key, &text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The examples of "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.
    #[test]
    fn the_published_examples() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let now = Timestamp::parse("2013-05-24T00:00:00Z").expect("valid");
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let date = ("x-amz-date", "20130524T000000Z");
        let empty = ("x-amz-content-sha256", EMPTY);
        let body = sha256_hex(b"Welcome to Amazon S3.");
        let put = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            host,
            ("x-amz-content-sha256", body.as_str()),
            date,
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let get = [host, ("range", "bytes=0-9"), empty, date];
        let list = [host, empty, date];
        for (method, path, query, headers, payload, signature) in [
            (
                "GET",
                "/test.txt",
                "",
                &get[..],
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test%24file.text",
                "",
                &put[..],
                &body,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/",
                "lifecycle",
                &list[..],
                EMPTY,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/",
                "max-keys=2&prefix=J",
                &list[..],
                EMPTY,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let unsigned = Unsigned { method, path, query, headers, payload };
            let value = sign(&unsigned, &keys, "us-east-1", now);
            assert!(value.ends_with(&format!("Signature={signature}")), "{method} {path}: {value}");
            assert!(value.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders="
            ));
        }
    }
}

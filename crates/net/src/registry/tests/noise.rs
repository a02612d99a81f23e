//! Parsers of what servers send, fed with noise: no panic, whatever comes.

use super::super::challenge;
use super::super::listing::next_of;
use super::super::manifest;
use super::super::send::retry_after;
use super::super::url::Url;
use seaworthy_types::{ImageRef, Timestamp};

#[test]
fn noise_does_no_harm() {
    let seeds = [
        "Bearer realm=\"https://a.example/t\",service=\"x\",scope=\"repository:a:pull\", Basic",
        "https://user@[::1]:443/a/../b?x=%zz#f",
        "</v2/a?last=\\u0000>; rel=\"next\", <x>",
        "Tue, 24 Nov 2026 10:01:30 GMT",
        "host.example:5000/a/b:c@sha256:00",
        super::faults::MANIFEST,
    ];
    let base = Url::parse("https://registry.example/v2/").expect("valid");
    let mut state = 88_172_645_463_325_252u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap_or(0)
    };
    let alphabet: Vec<char> = "\"\\=,;:/@?#[]<>%{}  \t0aZ\u{e9}\u{1f600}\u{0}".chars().collect();
    let mut parsed = 0;
    for round in 0..30_000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..next(6) {
            let at = next(text.len());
            match next(3) {
                0 => text.truncate(at),
                1 if at < text.len() => text[at] = alphabet[next(alphabet.len())],
                _ => text.insert(at, alphabet[next(alphabet.len())]),
            }
        }
        let text: String = text.into_iter().collect();
        parsed += usize::from(challenge::choose([text.as_str()].into_iter()).is_ok());
        parsed += usize::from(base.join(&text).is_some_and(|url| Url::parse(&url.whole()) == Some(url)));
        parsed += usize::from(next_of(&text).is_some());
        parsed += usize::from(retry_after(&text, Timestamp(0)).is_some());
        parsed += usize::from(
            ImageRef::parse(&text).is_ok_and(|image| ImageRef::parse(&image.to_string()) == Ok(image)),
        );
        parsed += usize::from(manifest::read(text.as_bytes(), "").is_ok());
    }
    assert!(parsed > 10_000, "{parsed}");
}

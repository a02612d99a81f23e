//! Blobs over connections that break, stall and lie.

use super::super::client::digest_of;
use super::super::{Credential, Error, Secret, error_of};
use super::server::{Seen, Server, Wire};
use super::world::{Fake, client, client_with, image, options};
use seaworthy_types::Digest;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn blob() -> Vec<u8> {
    (0..300_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Reads a whole blob: the bytes that were handed over, and how it ended.
fn read(
    digest: Digest,
    size: u64,
    answer: impl Fn(&Seen, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
) -> (Vec<u8>, Result<(), Error>, Server) {
    let server = Server::new(answer);
    let start = Instant::now();
    let (client, _) = client(Fake::new());
    let mut bytes = Vec::new();
    let result = match client.blob(&image(&server.authority), digest, size) {
        Err(error) => Err(error),
        Ok(mut reader) => match reader.read_to_end(&mut bytes) {
            Ok(_) => Ok(()),
            Err(error) => {
                let again = reader.read(&mut [0; 9]).expect_err("an error stays one");
                assert!(error_of(&again).is_some());
                Err(error_of(&error).expect("ours").clone())
            }
        },
    };
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    (bytes, result, server)
}

/// Answers with the rest from the byte asked for, of which only `count` bytes are sent.
fn part(seen: &Seen, wire: &mut Wire, blob: &[u8], count: usize) -> io::Result<()> {
    let from = seen.from();
    let rest = blob.get(from..).unwrap_or_default();
    let range = format!("content-range: bytes {from}-{}/{}", blob.len() - 1, blob.len());
    match from {
        0 => wire.head(200, &[], Some(rest.len()))?,
        _ => wire.head(206, &[&range], Some(rest.len()))?,
    }
    wire.raw(rest.get(..count.min(rest.len())).unwrap_or_default())
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let blob = blob();
    let (digest, size) = (digest_of(&blob), blob.len() as u64);
    let served = blob.clone();
    let number = AtomicUsize::new(0);
    let (bytes, result, server) = read(digest, size, move |seen, wire| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        part(seen, wire, &served, if number < 4 { 250_000 } else { usize::MAX })?;
        match number {
            0 => wire.reset(),
            1 => wire.hang(),
            _ => {}
        }
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
    assert!(bytes == blob);
    let from: Vec<usize> = server.seen().iter().map(Seen::from).collect();
    assert_eq!(from.len(), 5, "{from:?}");
    assert!(from.is_sorted() && from.first() == Some(&0), "{from:?}");
}

#[test]
fn a_server_without_ranges_sends_again_from_the_start() {
    let blob = blob();
    let served = blob.clone();
    let number = AtomicUsize::new(0);
    let (bytes, result, server) = read(digest_of(&blob), blob.len() as u64, move |_, wire| {
        let count = if number.fetch_add(1, Ordering::Relaxed) == 0 { 100_000 } else { served.len() };
        wire.head(200, &[], Some(served.len()))?;
        wire.raw(served.get(..count).unwrap_or_default())
    });
    assert!(result.is_ok(), "{result:?}");
    assert!(bytes == blob);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn lies_about_length_digest_and_range() {
    let blob = blob();
    let (digest, size) = (digest_of(&blob), blob.len() as u64);
    for (case, wanted, part) in [
        ("longer head", digest, "has 1200001 bytes, its descriptor says 1200000"),
        ("shorter head", digest, "has 1199999 bytes, its descriptor says 1200000"),
        ("longer chunked", digest, "has 1200001 bytes, its descriptor says 1200000"),
        ("wrong bytes", Digest::from_bytes([3; 32]), "wanted was sha256:0303"),
        ("ends early", digest, "broke the connection (it ended too early)"),
        ("wrong range", digest, "asked for bytes from 1000, it sends `bytes 7-1199999/1200000`"),
        ("page", digest, "login in a browser"),
    ] {
        let served = blob.clone();
        let (bytes, result, _) = read(wanted, size, move |seen, wire| match case {
            "longer head" => wire.head(200, &[], Some(1_200_001)),
            "shorter head" => wire.head(200, &[], Some(1_199_999)),
            "longer chunked" => {
                wire.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n124F80\r\n")?;
                wire.raw(&served)?;
                wire.raw(b"\r\n1\r\nx\r\n0\r\n\r\n")
            }
            "wrong bytes" => wire.answer(200, &[], &served),
            "ends early" => match seen.from() {
                0 => {
                    wire.head(200, &[], Some(served.len()))?;
                    wire.raw(served.get(..1_000).unwrap_or_default())
                }
                _ => wire.head(206, &["content-range: bytes 1000-1199999/1200000"], Some(1_199_000)),
            },
            "wrong range" if seen.from() > 0 => {
                wire.head(206, &["content-range: bytes 7-1199999/1200000"], None)
            }
            "wrong range" => {
                wire.head(200, &[], Some(served.len()))?;
                wire.raw(served.get(..1_000).unwrap_or_default())
            }
            _ => wire.answer(200, &["content-type: text/html"], b"<html>"),
        });
        let said = result.expect_err(case).to_string();
        assert!(said.contains(part) && said.contains("Try:"), "{case}: {said}");
        assert!((bytes.len() as u64) < size, "{case}: all bytes were handed over");
    }
}

#[test]
fn stalls_and_drips_are_given_up() {
    let blob = blob();
    let (digest, size) = (digest_of(&blob), blob.len() as u64);
    let served = blob.clone();
    let (_, result, _) = read(digest, size, move |seen, wire| {
        part(seen, wire, &served, 10)?;
        wire.hang();
        Ok(())
    });
    assert!(result.expect_err("stalls").to_string().contains("in time (waiting for data)"));
    let served = blob.clone();
    let (_, result, _) = read(digest, size, move |seen, wire| {
        part(seen, wire, &served, 0)?;
        for byte in served.get(seen.from()..).unwrap_or_default() {
            wire.raw(&[*byte])?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    assert!(result.expect_err("drips").to_string().contains("so slowly"));
}

#[test]
fn empty_blobs_and_missing_ones() {
    let (bytes, result, _) = read(digest_of(b""), 0, |_, wire| wire.answer(200, &[], b""));
    assert!(result.is_ok() && bytes.is_empty());
    let (_, result, _) = read(Digest::from_bytes([1; 32]), 0, |_, wire| wire.answer(200, &[], b""));
    assert!(matches!(result, Err(Error::Digest { .. })));
    let (_, result, _) = read(digest_of(b"x"), 1, |_, wire| wire.answer(404, &[], b""));
    assert!(result.expect_err("missing").to_string().contains("the blob sha256:2d71"));
}

#[test]
fn many_threads_and_progress() {
    let blob = Arc::new(blob());
    let served = Arc::clone(&blob);
    let server = Server::new(move |seen, wire| part(seen, wire, &served, usize::MAX));
    let (client, _) = client(Fake::new());
    let total = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let total = Arc::clone(&total);
                let count = move |bytes| {
                    total.fetch_add(bytes, Ordering::Relaxed);
                };
                let opened = client.blob(&image(&server.authority), digest_of(&blob), blob.len() as u64);
                let mut bytes = vec![0; blob.len()];
                // Read exactly: the check must have happened with the last byte.
                opened.expect("there").with_progress(Box::new(count)).read_exact(&mut bytes).expect("whole");
                assert!(bytes == *blob);
            });
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 6 * blob.len() as u64);
}

#[test]
fn a_mirror_that_breaks_is_left_in_the_middle() {
    let blob = blob();
    let (one, two) = (blob.clone(), blob.clone());
    let mirror = Server::new(move |seen, wire| match seen.from() {
        0 => part(seen, wire, &one, 70_000),
        _ => wire.answer(403, &[], b""),
    });
    let registry = Server::new(move |seen, wire| part(seen, wire, &two, usize::MAX));
    let mut options = options();
    options.mirrors.insert(registry.authority.clone(), vec![mirror.authority.clone()]);
    let (client, _) = client_with(options, Fake::new());
    let opened = client.blob(&image(&registry.authority), digest_of(&blob), blob.len() as u64);
    let mut reader = opened.expect("there");
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("whole");
    assert!(bytes == blob);
    assert_eq!(reader.mirrors_failed().len(), 1);
    assert_eq!(registry.seen().first().map(Seen::from), Some(70_000));
}

#[test]
fn layers_that_may_not_be_handed_on_are_fetched_where_they_lie() {
    let blob = blob();
    let served = blob.clone();
    let elsewhere = Server::new(move |seen, wire| part(seen, wire, &served, usize::MAX));
    let registry = Server::new(|_, wire| wire.answer(404, &[], b""));
    let mut options = options();
    options.logins.insert(registry.authority.clone(), Credential::Token(Secret::new("geheim")));
    let (client, _) = client_with(options, Fake::new());
    let image = image(&registry.authority);
    let urls = ["ftp://x/".to_owned(), format!("http://{}/layer", elsewhere.authority)];
    let mut reader = client.blob_at(&image, digest_of(&blob), blob.len() as u64, &urls).expect("there");
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("whole");
    assert!(bytes == blob);
    assert!(elsewhere.seen().iter().all(|seen| seen.header("authorization").is_none()));
    for url in ["http://169.254.169.254/x", "https://no-such-host.invalid/x", "ftp://x"] {
        let refused = client.blob_at(&image, digest_of(&blob), 5, &[url.into()]).map(drop);
        let said = refused.expect_err(url).to_string();
        assert!(said.contains("(404)") && said.contains("were tried too"), "{said}");
    }
}

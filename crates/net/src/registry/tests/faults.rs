//! Manifests from servers with faults.

use super::super::{Cause, Client, Error};
use super::server::{Seen, Server, Wire};
use super::world::{Fake, client, image};
use seaworthy_types::{Digest, ImageRef};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

/// Fetches from a server; the whole must be quick.
fn fetch(
    answer: impl Fn(&Seen, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
) -> (Result<String, Error>, Vec<Duration>, usize) {
    let server = Server::new(answer);
    let start = Instant::now();
    let (client, world) = client(Fake::new());
    let result = client.manifest(&image(&server.authority)).map(|manifest| manifest.media_type);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    (result, world.pauses(), server.seen().len())
}

fn text(result: Result<String, Error>) -> String {
    result.expect_err("a fault").to_string()
}

#[test]
fn a_good_answer_is_taken() {
    let (result, pauses, asked) = fetch(|_, wire| wire.manifest(MANIFEST.as_bytes()));
    assert_eq!(result.expect("good"), "application/vnd.oci.image.manifest.v1+json");
    assert_eq!((pauses.len(), asked), (0, 1));
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let (result, _, asked) = fetch(|_, wire| {
        wire.hang();
        Ok(())
    });
    let said = text(result);
    assert!(said.contains("did not answer in time (waiting for the answer)"), "{said}");
    assert!(said.contains("Try:"), "{said}");
    assert_eq!(asked, 2);
    let (result, ..) = fetch(|_, wire| {
        wire.head(200, &[], Some(100))?;
        wire.hang();
        Ok(())
    });
    assert!(text(result).contains("did not answer in time (waiting for data)"));
    let (result, ..) = fetch(|_, wire| {
        wire.head(200, &[], Some(100_000))?;
        loop {
            wire.raw(b" ")?;
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert!(text(result).contains("so slowly"));
}

#[test]
fn a_broken_connection_is_tried_again() {
    let number = AtomicUsize::new(0);
    let (result, pauses, asked) = fetch(move |_, wire| match number.fetch_add(1, Ordering::Relaxed) {
        0 => {
            wire.reset();
            Ok(())
        }
        1 => {
            wire.head(200, &[], Some(MANIFEST.len()))?;
            wire.raw(MANIFEST.as_bytes().get(..50).unwrap_or_default())?;
            wire.reset();
            Ok(())
        }
        2 => wire.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        _ => wire.manifest(MANIFEST.as_bytes()),
    });
    assert!(result.is_ok(), "{result:?}");
    assert_eq!((pauses.len(), asked), (3, 4));
    let (result, _, asked) = fetch(|_, wire| wire.head(200, &[], Some(1_000)));
    assert!(text(result).contains("broke the connection"));
    assert_eq!(asked, 5);
    let (result, ..) = fetch(|_, wire| wire.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    let said = text(result);
    assert!(said.contains("what is not HTTP") || said.contains("broke the connection"), "{said}");
}

#[test]
fn nobody_there_and_no_such_name() {
    let authority =
        std::net::TcpListener::bind("127.0.0.1:0").expect("listen").local_addr().expect("address");
    let (client, _) = client(Fake::new());
    let said = client.manifest(&image(&authority.to_string())).expect_err("nobody").to_string();
    assert!(said.contains("broke the connection") && said.contains("refused"), "{said}");
    let error = client.manifest(&image("no-such-host.invalid")).expect_err("nobody");
    assert!(matches!(&error, Error::Unreachable { cause: Cause::Name, .. }), "{error:?}");
}

#[test]
fn plain_http_where_https_is_wanted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let authority = listener.local_addr().expect("address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = io::Read::read(&mut stream, &mut [0; 4_096]);
            let _ = io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let options = super::super::Options { insecure_all: false, ..super::world::options() };
    let (client, _) = super::world::client_with(options, Fake::new());
    let said = client.manifest(&image(&authority)).expect_err("no TLS").to_string();
    assert!(said.contains("does not speak TLS") && said.contains("--insecure"), "{said}");
}

#[test]
fn statuses_have_their_words() {
    for (status, body, part, tries) in [
        (401, "", "wants a login (401); no login was found", 1),
        (403, "", "no right to pull", 1),
        (404, "", "check the spelling", 1),
        (
            418,
            r#"{"errors":[{"code":"TEAPOT","message":"short\nand stout"}]}"#,
            "HTTP 418: TEAPOT short and stout",
            1,
        ),
        (400, "not json", "HTTP 400\n", 1),
        (500, "", "has trouble (HTTP 500), 5 tries", 5),
        (502, "", "has trouble (HTTP 502), 5 tries", 5),
        (503, "", "has trouble (HTTP 503), 5 tries", 5),
        (504, "", "has trouble (HTTP 504), 5 tries", 5),
        (429, "", "too many requests (429)\nTry: wait", 5),
    ] {
        let (result, pauses, asked) = fetch(move |_, wire| {
            let challenge = "www-authenticate: Basic realm=\"x\"";
            wire.answer(status, &["content-type: application/json", challenge], body.as_bytes())
        });
        let said = text(result);
        assert!(said.contains(part), "{status}: {said}");
        assert!(said.contains("Try:") && said.contains("team/app:1"), "{status}: {said}");
        assert_eq!(asked, tries, "{status}");
        assert_eq!(pauses.len(), tries - 1, "{status}");
        assert!(pauses.is_sorted(), "pauses grow: {pauses:?}");
    }
}

#[test]
fn retry_after_is_honoured_and_bounded() {
    for (value, pause) in [("2", Some(2)), ("Tue, 24 Nov 2026 10:00:07 GMT", Some(7)), ("3600", None)] {
        let number = AtomicUsize::new(0);
        let (result, pauses, asked) = fetch(move |_, wire| match number.fetch_add(1, Ordering::Relaxed) {
            0 => wire.answer(429, &[&format!("retry-after: {value}")], b""),
            _ => wire.manifest(MANIFEST.as_bytes()),
        });
        match pause {
            Some(pause) => {
                assert!(result.is_ok());
                assert_eq!(pauses, [Duration::from_secs(pause)], "{value}");
            }
            None => {
                assert!(text(result).contains("it says to wait 3600 s"));
                assert_eq!((pauses.len(), asked), (0, 1));
            }
        }
    }
}

#[test]
fn a_manifest_of_100_megabytes_is_not_read() {
    let (result, ..) = fetch(|_, wire| {
        wire.head(200, &[], Some(100 << 20))?;
        wire.raw(&vec![b' '; 1 << 20])
    });
    assert!(text(result).contains("larger than 4194304 bytes"));
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let (result, ..) = fetch(move |_, wire| {
        wire.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for _ in 0..100 {
            wire.raw(b"100000\r\n")?;
            wire.raw(&vec![b' '; 1 << 20])?;
            wire.raw(b"\r\n")?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        wire.raw(b"0\r\n\r\n")
    });
    assert!(text(result).contains("larger than 4194304 bytes"));
    assert!(sent.load(Ordering::Relaxed) < 30, "{sent:?} MB went over the wire");
    let (result, ..) = fetch(|_, wire| {
        wire.raw(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            wire.raw(b"x-header: without end\r\n")?;
        }
    });
    let said = text(result);
    assert!(said.contains("too many headers"), "{said}");
    let (result, ..) = fetch(|_, wire| {
        wire.raw(b"HTTP/1.1 200 OK\r\nx-header: ")?;
        loop {
            wire.raw(&[b'x'; 1_024])?;
        }
    });
    let said = text(result);
    assert!(said.contains("headers without end"), "{said}");
}

#[test]
fn what_is_no_manifest_is_refused() {
    for (media_type, body, part) in [
        ("text/html; charset=utf-8", "<html>Sign in", "login in a browser"),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}", "schema 1"),
        ("application/json", r#"{"schemaVersion":1,"fsLayers":[]}"#, "schema 1"),
        ("application/vnd.cncf.helm.config.v1+json", r#"{"schemaVersion":2}"#, "no image manifest or index"),
        ("application/vnd.oci.image.index.v1+json", MANIFEST, "index and image at once"),
        ("application/vnd.oci.image.index.v1+json", r#"{"schemaVersion":2}"#, "without `manifests`"),
        ("application/vnd.oci.image.manifest.v1+json", "{", "not the JSON of a manifest"),
        ("application/vnd.oci.image.manifest.v1+json", "[1]", "not the JSON of a manifest"),
        ("application/vnd.oci.image.manifest.v1+json", r#"{"schemaVersion":2}"#, "without `config`"),
        (
            "application/vnd.oci.image.manifest.v1+json",
            r#"{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
            "it calls itself",
        ),
    ] {
        let (result, _, asked) = fetch(move |_, wire| {
            wire.answer(200, &[&format!("content-type: {media_type}")], body.as_bytes())
        });
        let said = text(result);
        assert!(said.contains(part) && said.contains("Try:"), "{media_type}: {said}");
        assert_eq!(asked, 1);
    }
    for media_type in ["application/json", "text/plain", "application/octet-stream", ""] {
        let (result, ..) = fetch(move |_, wire| {
            wire.answer(200, &[&format!("content-type: {media_type}")], MANIFEST.as_bytes())
        });
        assert_eq!(result.expect("by its form"), "application/vnd.oci.image.manifest.v1+json");
    }
}

#[test]
fn digests_are_checked() {
    let wrong = Digest::from_bytes([7; 32]);
    let header = format!("docker-content-digest: {wrong}");
    let (result, ..) = fetch(move |_, wire| wire.answer(200, &[&header], MANIFEST.as_bytes()));
    let said = text(result);
    assert!(said.contains(&format!("wanted was {wrong}")) && said.contains("not used"), "{said}");
    let server = Server::new(|_, wire| wire.manifest(MANIFEST.as_bytes()));
    let (client, _) = client(Fake::new());
    let pinned = image(&server.authority).with_digest(wrong);
    assert!(matches!(client.manifest(&pinned), Err(Error::Digest { .. })));
    assert!(server.seen().iter().all(|seen| seen.target.ends_with(&wrong.to_string())));
    let right = client.manifest(&image(&server.authority)).expect("good");
    assert_eq!(client.manifest(&right.image).expect("good").bytes, MANIFEST.as_bytes());
}

fn redirecting(to: &'static str) -> String {
    let (result, ..) = fetch(move |seen, wire| {
        let number: usize = seen.target.rsplit('=').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let to = to.replace("NEXT", &format!("/hop?n={}", number + 1));
        wire.answer(307, &[&format!("location: {to}")], b"")
    });
    text(result)
}

#[test]
fn redirects_are_followed_only_so_far() {
    for (to, part) in [
        ("/v2/team/app/manifests/1", "leads in a circle"),
        ("NEXT", "the sixth redirect"),
        (
            "http://169.254.169.254/latest/meta-data?secret=hidden",
            "http://169.254.169.254/latest/meta-data, which is not followed: it leads to an address on or beside this machine",
        ),
        ("http://[fe80::1]/x", "on or beside this machine"),
        ("http://[::ffff:169.254.169.254]/x", "on or beside this machine"),
        ("http://0.0.0.0/x", "on or beside this machine"),
        ("file:///etc/passwd", "no http(s) address"),
        ("", "no http(s) address"),
    ] {
        let said = redirecting(to);
        assert!(said.contains(part) && said.contains("Try:"), "{to}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
    let (result, _, asked) = fetch(|seen, wire| match seen.target.as_str() {
        "/elsewhere" => wire.manifest(MANIFEST.as_bytes()),
        _ => wire.answer(302, &["location: ../../../../elsewhere", "location: /elsewhere"], b""),
    });
    assert!(asked >= 2, "{result:?}");
    let (result, ..) = fetch(|seen, wire| match seen.target.as_str() {
        "/login" => wire.answer(200, &["content-type: text/html"], b"<html>"),
        _ => wire.answer(302, &["location: /login"], b""),
    });
    let said = text(result);
    assert!(said.contains("/login answered with a web page"), "{said}");
}

#[test]
fn mirrors_come_first_and_are_named_when_all_fail() {
    let registry = Server::new(|seen, wire| match seen.target.contains("team/app") {
        true => wire.manifest(MANIFEST.as_bytes()),
        false => wire.answer(404, &[], b""),
    });
    let broken = Server::new(|_, wire| wire.answer(500, &[], b""));
    let good = Server::new(|_, wire| wire.manifest(MANIFEST.as_bytes()));
    let with = |mirrors: Vec<String>| {
        let mut options = super::world::options();
        options.mirrors.insert(registry.authority.clone(), mirrors);
        super::world::client_with(options, Fake::new()).0
    };
    let client: Arc<Client> = with(vec![broken.authority.clone(), format!("{}/proxy", good.authority)]);
    let manifest = client.manifest(&image(&registry.authority)).expect("second mirror");
    assert_eq!(manifest.host, good.authority);
    assert_eq!(manifest.mirrors_failed.len(), 1);
    assert_eq!(good.count("/v2/proxy/team/app/manifests/1"), 1);
    assert_eq!(registry.seen().len(), 0);
    // A mirror is asked twice at most, and then left alone for a while.
    assert_eq!(broken.seen().len(), 2);
    let manifest = client.manifest(&image(&registry.authority)).expect("second mirror");
    assert_eq!(manifest.mirrors_failed, [format!("{} failed a moment ago", broken.authority)]);
    assert_eq!(broken.seen().len(), 2);
    let client = with(vec![broken.authority.clone()]);
    let other = ImageRef::parse(&format!("{}/none:1", registry.authority)).expect("valid");
    let said = client.manifest(&other).expect_err("nowhere").to_string();
    assert!(
        said.contains("(404)") && said.contains("These places were tried") && said.contains("HTTP 500"),
        "{said}"
    );
    let client = with(vec!["http://user@mirror".into()]);
    assert!(
        client
            .manifest(&other)
            .expect_err("no mirror")
            .to_string()
            .contains("is no place of a registry or mirror")
    );
}

//! Pushing to a registry of ours that keeps what it takes, in its good and bad moods.

use super::super::client::digest_of;
use super::super::{BlobPushed, Client, Error, Subject, Way, media};
use super::server::{Seen, Server, Wire};
use super::world::{Fake, client, image};
use seaworthy_types::{Digest, ImageRef};
use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::{Arc, Mutex};

/// What a registry does besides keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Plain,
    /// Takes at most 8 MiB at a time.
    Narrow,
    /// The same, and each second piece breaks in its middle.
    NarrowAndBroken,
    /// Takes at most 8 MiB, and does not say so of the first piece.
    NarrowAndLate,
    /// Hands out blobs of other repositories.
    Mounts,
    /// Lists referrers.
    Lists,
    /// Names another digest.
    Lies,
}

#[derive(Default)]
struct Store {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
    upload: Vec<u8>,
    pieces: usize,
}

const PIECE: usize = 8 << 20;

fn registry(mood: Mood) -> (Server, Arc<Mutex<Store>>) {
    let store = Arc::<Mutex<Store>>::default();
    let kept = Arc::clone(&store);
    let server = Server::new(move |seen, wire| answer(mood, &mut kept.lock().expect("sound"), seen, wire));
    (server, store)
}

fn answer(mood: Mood, store: &mut Store, seen: &Seen, wire: &mut Wire) -> io::Result<()> {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let name = path.rsplit('/').next().unwrap_or_default();
    let body = seen.bytes.as_slice();
    let narrow = matches!(mood, Mood::Narrow | Mood::NarrowAndBroken | Mood::NarrowAndLate);
    match (seen.method.as_str(), path.contains("/manifests/")) {
        ("PUT", true) => {
            let digest = digest_of(body).to_string();
            store.manifests.insert(name.into(), body.to_vec());
            store.manifests.insert(digest.clone(), body.to_vec());
            let subject = if mood == Mood::Lists { "oci-subject: sha256:x" } else { "x: y" };
            let said = if mood == Mood::Lies { Digest::from_bytes([9; 32]).to_string() } else { digest };
            wire.answer(201, &[subject, &format!("docker-content-digest: {said}")], b"")
        }
        ("GET", true) => match store.manifests.get(name) {
            Some(bytes) => wire.answer(200, &[], bytes),
            None => wire.answer(404, &[], b""),
        },
        ("HEAD", false) => wire.answer(if store.blobs.contains_key(name) { 200 } else { 404 }, &[], b""),
        ("POST", _) if query.contains("mount=") && mood == Mood::Mounts => wire.answer(201, &[], b""),
        ("POST", _) => {
            store.upload.clear();
            // Relative, and with a query that must stay.
            wire.answer(202, &["location: /v2/team/app/blobs/uploads/one?state=a%2Fb"], b"")
        }
        _ if !query.contains("state=a%2Fb") => wire.answer(400, &[], b""),
        (_, _) if narrow && body.len() > PIECE => wire.answer(413, &[], b""),
        ("PATCH", _) => patch(mood, store, seen, wire),
        ("GET", _) => wire.answer(204, &[&format!("range: 0-{}", store.upload.len().saturating_sub(1))], b""),
        ("PUT", false) => {
            store.upload.extend_from_slice(body);
            let digest = digest_of(&store.upload).to_string();
            if !query.contains(&digest.replace(':', "%3A")) {
                let errors = br#"{"errors":[{"code":"DIGEST_INVALID","message":"no match"}]}"#;
                return wire.answer(400, &["content-type: application/json"], errors);
            }
            let bytes = std::mem::take(&mut store.upload);
            store.blobs.insert(digest.clone(), bytes);
            wire.answer(201, &[&format!("docker-content-digest: {digest}")], b"")
        }
        _ => wire.answer(405, &[], b""),
    }
}

fn patch(mood: Mood, store: &mut Store, seen: &Seen, wire: &mut Wire) -> io::Result<()> {
    let start = seen.header("content-range").and_then(|range| range.split_once('-')?.0.parse().ok());
    if start != Some(store.upload.len()) {
        return wire.answer(416, &[], b"");
    }
    store.pieces += 1;
    if mood == Mood::NarrowAndLate && store.pieces == 1 {
        // It took the piece and says that it stands elsewhere.
        store.upload.extend_from_slice(&seen.bytes);
        return wire.answer(416, &[], b"");
    }
    if mood == Mood::NarrowAndBroken && store.pieces % 2 == 1 {
        store.upload.extend_from_slice(seen.bytes.get(..1_000).unwrap_or(&seen.bytes));
        wire.reset();
        return Ok(());
    }
    store.upload.extend_from_slice(&seen.bytes);
    let range = format!("range: 0-{}", store.upload.len().saturating_sub(1));
    wire.answer(202, &[&range, "location: one?state=a%2Fb"], b"")
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn push(client: &Client, image: &ImageRef, bytes: &[u8]) -> Result<BlobPushed, Error> {
    client.push_blob(image, digest_of(bytes), bytes.len() as u64, &mut Cursor::new(bytes))
}

#[test]
fn blobs_are_sent_once() {
    let (server, store) = registry(Mood::Plain);
    let (client, _) = client(Fake::new());
    let image = image(&server.authority);
    for bytes in [bytes(1_000), bytes(800_000), Vec::new()] {
        assert_eq!(push(&client, &image, &bytes).expect("sent"), BlobPushed::Sent);
        assert!(store.lock().expect("sound").blobs[&digest_of(&bytes).to_string()] == bytes);
        assert_eq!(push(&client, &image, &bytes).expect("there"), BlobPushed::Present);
    }
    assert_eq!(server.count("uploads/one"), 3);
    // A reader may stand anywhere: the blob begins where it begins.
    let other = bytes(2_000);
    let mut reader = Cursor::new(&other);
    reader.set_position(77);
    client.push_blob(&image, digest_of(&other), other.len() as u64, &mut reader).expect("sent");
}

#[test]
fn narrow_registries_get_pieces() {
    for mood in [Mood::Narrow, Mood::NarrowAndBroken, Mood::NarrowAndLate] {
        let (server, store) = registry(mood);
        let (client, _) = client(Fake::new());
        let bytes = bytes(5 << 20);
        let pushed = push(&client, &image(&server.authority), &bytes);
        assert_eq!(pushed.expect("sent"), BlobPushed::Sent, "{mood:?}");
        assert!(store.lock().expect("sound").blobs[&digest_of(&bytes).to_string()] == bytes);
    }
}

#[test]
fn blobs_of_the_same_registry_are_mounted() {
    for (mood, expected) in [(Mood::Mounts, BlobPushed::Mounted), (Mood::Plain, BlobPushed::Sent)] {
        let (server, _) = registry(mood);
        let (client, _) = client(Fake::new());
        let (image, bytes) = (image(&server.authority), bytes(10));
        let mut reader = Cursor::new(&bytes);
        let from = Some("team/base");
        let pushed = client.push_blob_from(&image, digest_of(&bytes), 40, &mut reader, from).expect("there");
        assert_eq!(pushed, expected);
        assert_eq!(server.count("&from=team%2Fbase"), 1);
    }
}

const ABOUT: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"annotations":{"a":"b"},"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"SUBJECT","size":2}}"#;

#[test]
fn manifests_and_what_they_are_about() {
    let subject = Digest::from_bytes([5; 32]);
    let about = ABOUT.replace("SUBJECT", &subject.to_string());
    for (mood, expected) in [(Mood::Plain, Subject::Tag), (Mood::Lists, Subject::Registry)] {
        let (server, store) = registry(mood);
        let (client, _) = client(Fake::new());
        let image = image(&server.authority);
        let pushed = client.push_manifest(&image, Some("2"), media::OCI_MANIFEST, about.as_bytes());
        let pushed = pushed.expect("taken");
        assert_eq!((pushed.digest, pushed.subject), (digest_of(about.as_bytes()), expected));
        // Once more changes nothing; a second one stands beside it.
        client.push_manifest(&image, None, media::OCI_MANIFEST, about.as_bytes()).expect("taken");
        let other = about.replace("spdx", "cyclonedx");
        client.push_manifest(&image, None, media::OCI_MANIFEST, other.as_bytes()).expect("taken");
        assert!(store.lock().expect("sound").manifests.contains_key("2"));
        if expected == Subject::Tag {
            let found = client.referrers(&image, subject, None).expect("listed");
            let kinds: Vec<_> =
                found.list.items.iter().map(|one| one.artifact_type.clone().unwrap_or_default()).collect();
            assert_eq!((found.way, kinds.len()), (Way::Tag, 2), "{kinds:?}");
            assert_eq!(found.list.items[0].annotations["a"], "b");
        }
    }
}

#[test]
fn refusals_have_their_words() {
    let (server, _) = registry(Mood::Lies);
    let (client, _) = client(Fake::new());
    let lied = client.push_manifest(&image(&server.authority), Some("1"), media::OCI_MANIFEST, b"{}");
    assert!(matches!(lied, Err(Error::Digest { .. })), "{lied:?}");
    let (plain, _) = registry(Mood::Plain);
    let short = client.push_blob(&image(&plain.authority), digest_of(b"abc"), 4, &mut Cursor::new(b"abc"));
    assert!(short.expect_err("short").to_string().contains("could not be read here"));
    let wrong = client.push_blob(&image(&plain.authority), digest_of(b"abd"), 3, &mut Cursor::new(b"abc"));
    assert!(wrong.expect_err("wrong").to_string().contains("HTTP 400): DIGEST_INVALID no match"));
    for (status, part) in [
        (401, "wants a login (401)"),
        (403, "no right to push"),
        (404, "no such repository"),
        (405, "read-only"),
        (413, "does not take so much"),
        (422, "does not take it (HTTP 422)"),
        (429, "too many requests"),
        (503, "has trouble (HTTP 503), 5 tries"),
    ] {
        let server = Server::new(move |seen, wire| match seen.method.as_str() {
            "HEAD" => wire.answer(404, &[], b""),
            _ => wire.answer(status, &["www-authenticate: Basic realm=\"x\""], b""),
        });
        let (client, _) = super::world::client(Fake::new());
        let said = push(&client, &image(&server.authority), b"abc").expect_err("refused").to_string();
        assert!(said.contains(part) && said.contains("Try:") && said.contains("the upload of"), "{said}");
    }
}

#[test]
fn uploads_do_not_lead_astray() {
    for (to, part) in [
        ("http://169.254.169.254/latest", "which a registry elsewhere may not lead to"),
        ("ftp://x/", "no http(s) address"),
    ] {
        let server = Server::new(move |seen, wire| match seen.method.as_str() {
            "POST" => wire.answer(202, &[&format!("location: {to}")], b""),
            _ => wire.answer(404, &[], b""),
        });
        let (client, _) = client(Fake::new());
        let said = push(&client, &image(&server.authority), b"abc").expect_err("refused").to_string();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_right_to_push_is_asked_for_and_stays_at_home() {
    let elsewhere = Server::new(|_, wire| wire.answer(201, &[], b""));
    let to = format!("location: http://{}/there", elsewhere.authority);
    let server = Server::new(move |seen, wire| {
        let host = seen.header("host").unwrap_or_default();
        if seen.target.starts_with("/token") {
            return wire.answer(200, &[], br#"{"token":"abc"}"#);
        }
        match (seen.header("authorization"), seen.method.as_str()) {
            (None, _) => {
                let challenge = format!(
                    "www-authenticate: Bearer realm=\"http://{host}/token\",scope=\"repository:team/app:pull\""
                );
                wire.answer(401, &[&challenge], b"")
            }
            (Some("Bearer abc"), "POST") => wire.answer(202, &[&to], b""),
            _ => wire.answer(404, &[], b""),
        }
    });
    let (client, _) = client(Fake::new());
    assert_eq!(push(&client, &image(&server.authority), b"abc").expect("sent"), BlobPushed::Sent);
    assert_eq!(server.count("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), 1);
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].header("authorization"), seen[0].body.as_str()), (None, "abc"));
}

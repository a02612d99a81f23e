//! Tags, referrers, digests of tags, and the choice of a platform.

use super::super::{Error, Way};
use super::faults::MANIFEST;
use super::server::Server;
use super::world::{Fake, client, client_with, image, options};
use seaworthy_types::{Digest, Platform};

#[test]
fn tags_over_several_pages() {
    let server = Server::new(|seen, wire| match seen.target.as_str() {
        "/v2/team/app/tags/list?n=1000" => wire.answer(
            200,
            &["link: </v2/team/app/tags/list?n=1000&last=b>; rel=\"next\""],
            br#"{"name":"team/app","tags":["a","../b"]}"#,
        ),
        "/v2/team/app/tags/list?n=1000&last=b" => wire.answer(200, &[], br#"{"tags":["c"]}"#),
        _ => wire.answer(404, &[], b""),
    });
    let (first, _) = client(Fake::new());
    let tags = first.tags(&image(&server.authority)).expect("listed");
    assert_eq!(
        (tags.items.as_slice(), tags.is_cut, tags.malformed),
        (["a".into(), "c".into()].as_slice(), false, 1)
    );
    let mut options = options();
    options.listed_max = 1;
    let (second, _) = client_with(options, Fake::new());
    let tags = second.tags(&image(&server.authority)).expect("listed");
    assert!(tags.is_cut && tags.items == ["a"]);
    let empty = Server::new(|_, wire| wire.answer(200, &[], br#"{"tags":null}"#));
    assert!(first.tags(&image(&empty.authority)).expect("listed").items.is_empty());
}

#[test]
fn lists_without_end_or_elsewhere() {
    for (link, part) in [
        ("</v2/team/app/tags/list?n=1000>; rel=next", "lead in a circle"),
        ("<http://127.0.0.2:1/v2/team/app/tags/list>; rel=next", "the next page is elsewhere"),
        ("<:>; rel=next", "the next page is elsewhere"),
    ] {
        let server =
            Server::new(move |_, wire| wire.answer(200, &[&format!("link: {link}")], br#"{"tags":["a"]}"#));
        let (client, _) = client(Fake::new());
        let said = client.tags(&image(&server.authority)).expect_err(link).to_string();
        assert!(said.contains(part), "{said}");
    }
}

fn index(kind: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
        {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":1,"artifactType":"{kind}"}},
        {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":2,"artifactType":"other","annotations":null}}]}}"#,
        "aa".repeat(32),
        "bb".repeat(32)
    )
}

#[test]
fn referrers_by_api_by_tag_and_by_neither() {
    let subject = Digest::from_bytes([9; 32]);
    let index_type = "content-type: application/vnd.oci.image.index.v1+json";
    let api = Server::new(move |seen, wire| match seen.target.contains("/referrers/") {
        true => wire.answer(200, &[index_type], index("sbom").as_bytes()),
        false => wire.answer(404, &[], b""),
    });
    let tag = Server::new(move |seen, wire| match seen.target.contains("/manifests/sha256-0909") {
        true => wire.answer(200, &[index_type], index("sbom").as_bytes()),
        false => wire.answer(404, &[], b""),
    });
    let neither = Server::new(|_, wire| wire.answer(404, &[], b""));
    let (client, _) = client(Fake::new());
    for (server, way, all) in [(&api, Way::Api, 2), (&tag, Way::Tag, 2), (&neither, Way::Neither, 0)] {
        let image = image(&server.authority);
        let found = client.referrers(&image, subject, None).expect("asked");
        assert_eq!((found.way, found.list.items.len()), (way, all));
        let found = client.referrers(&image, subject, Some("sbom")).expect("asked");
        assert_eq!(found.list.items.len(), all / 2);
    }
    assert_eq!(api.count(&format!("/referrers/{subject}?artifactType=sbom")), 1);
    let odd = Server::new(|_, wire| wire.manifest(MANIFEST.as_bytes()));
    assert!(matches!(client.referrers(&image(&odd.authority), subject, None), Err(Error::Malformed { .. })));
}

#[test]
fn the_digest_of_a_tag() {
    let digest = super::super::client::digest_of(MANIFEST.as_bytes());
    let by_head = Server::new(move |seen, wire| match seen.method.as_str() {
        "HEAD" => wire.head(200, &[&format!("docker-content-digest: {digest}")], Some(MANIFEST.len())),
        _ => wire.answer(500, &[], b""),
    });
    let by_get = Server::new(|seen, wire| match seen.method.as_str() {
        "HEAD" => wire.head(405, &[], Some(0)),
        _ => wire.manifest(MANIFEST.as_bytes()),
    });
    let (client, _) = client(Fake::new());
    for server in [&by_head, &by_get] {
        assert_eq!(client.digest(&image(&server.authority)).expect("known"), digest);
    }
    assert_eq!(by_head.seen().len(), 1);
}

#[test]
fn the_platform_is_chosen_from_the_index() {
    let one = |byte: &str, platform: &str, more: &str| {
        format!(r#"{{"digest":"sha256:{}","size":{}{platform}{more}}}"#, byte.repeat(32), MANIFEST.len())
    };
    let entries = [
        one("11", r#","platform":{"os":"linux","architecture":"amd64"}"#, ""),
        one("22", r#","platform":{"os":"linux","architecture":"arm64","variant":"v8"}"#, ""),
        one(
            "33",
            r#","platform":{"os":"unknown","architecture":"unknown"}"#,
            r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
        ),
    ];
    let body = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let list = "content-type: application/vnd.docker.distribution.manifest.list.v2+json";
    let server = Server::new(move |seen, wire| match seen.target.ends_with("manifests/1") {
        true => wire.answer(200, &[list], body.as_bytes()),
        false => wire.manifest(MANIFEST.as_bytes()),
    });
    let (client, _) = client(Fake::new());
    let manifest = client.manifest(&image(&server.authority)).expect("an index");
    assert_eq!(manifest.images().len(), 2);
    let wish = |text: &str| Platform::parse(text).expect("valid");
    let arm = manifest.choose(&wish("arm64")).expect("there");
    assert_eq!(arm.digest, Digest::from_bytes([0x22; 32]));
    let said = manifest.choose(&wish("linux/s390x")).expect_err("not there").to_string();
    assert!(said.contains("nothing for linux/s390x; it offers linux/amd64, linux/arm64/v8"), "{said}");
    // What the index names is fetched by its digest; other bytes are refused.
    assert!(matches!(client.manifest_of(&manifest.image, arm), Err(Error::Digest { .. })));
}

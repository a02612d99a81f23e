//! The registry client against Debian's docker-registry with TLS and htpasswd: what skopeo pushed comes back
//! identical, over broken connections, through a proxy, with certificates of both sides and with the
//! logins that other programs wrote.

mod lab;

use lab::{End, Lab, Pushed, World};
use seaworthy_net::registry::{
    BlobPushed, Cause, Client, Credential, Error, Names, Options, Patience, Secret, Subject, Way, media,
};
use seaworthy_types::{Digest, ImageRef};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn image(authority: &str) -> ImageRef {
    ImageRef::parse(&format!("{authority}/team/app:1")).expect("valid")
}

fn client(options: Options, variables: &[(&'static str, String)]) -> Arc<Client> {
    let variables: BTreeMap<_, _> = variables.iter().cloned().collect();
    Arc::new(Client::new(options, Arc::new(World { variables })))
}

/// Trusts the lab's authority and knows the login.
fn options(lab: &Lab, authority: &str, password: &str) -> Options {
    let mut options = Options { ca_files: vec![lab.path("ca.crt")], ..Options::default() };
    let login = Credential::Password { user: "lab".into(), password: Secret::new(password) };
    options.logins.insert(authority.into(), login);
    options
}

/// Pulls everything and compares.
fn pull(client: &Arc<Client>, image: &ImageRef, pushed: &Pushed) {
    let manifest = client.manifest(image).unwrap_or_else(|error| panic!("{error}"));
    assert!(manifest.bytes == pushed.manifest);
    let Names::Image { config, layers, .. } = &manifest.names else { panic!("an image") };
    for (descriptor, bytes) in std::iter::once(&**config).chain(layers).zip([&pushed.config, &pushed.layer]) {
        let mut reader = client
            .blob(&manifest.image, descriptor.digest, descriptor.size)
            .unwrap_or_else(|error| panic!("{error}"));
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap_or_else(|error| panic!("{error}"));
        assert!(&got == bytes, "{}", descriptor.media_type);
    }
}

#[test]
fn what_was_pushed_comes_back() {
    let Some(lab) = lab::start("") else { return };
    let pushed = lab.push();
    let authority = lab.authority();
    let logged_in = client(options(&lab, &authority, "pw"), &[]);
    pull(&logged_in, &image(&authority), &pushed);
    assert_eq!(logged_in.tags(&image(&authority)).expect("tags").items, ["1"]);
    let digest = logged_in.digest(&image(&authority)).expect("digest");
    pull(&logged_in, &image(&authority).with_digest(digest), &pushed);

    errors(&lab, &logged_in);
    referrers(&lab, &logged_in, digest);
    pushed_by_us(&lab, &pushed);
    broken_line(&lab, &pushed);
    through_a_proxy(&lab, &pushed);
    files_of_others(&lab, &pushed);
}

fn errors(lab: &Lab, logged_in: &Arc<Client>) {
    let authority = lab.authority();
    let said =
        |result: Result<seaworthy_net::registry::Manifest, Error>| result.expect_err("a fault").to_string();
    let other = ImageRef::parse(&format!("{authority}/team/app:2")).expect("valid");
    assert!(said(logged_in.manifest(&other)).contains("check the spelling"));
    let wrong = client(options(lab, &authority, "geheim"), &[]);
    let text = said(wrong.manifest(&image(&authority)));
    assert!(
        text.contains("was refused") && text.contains("docker login") && !text.contains("geheim"),
        "{text}"
    );
    let nobody = client(Options { ca_files: vec![lab.path("ca.crt")], ..Options::default() }, &[]);
    let text = said(nobody.manifest(&image(&authority)));
    assert!(text.contains("no login was found"), "{text}");
    let text = said(client(Options::default(), &[]).manifest(&image(&authority)));
    assert!(text.contains("x509") && text.contains("--ca"), "{text}");
    let plain = client(Options { insecure_all: true, ..options(lab, &authority, "pw") }, &[]);
    let text = said(plain.manifest(&image(&authority)));
    assert!(text.contains("answered HTTP 400"), "{text}");
    let named = ImageRef::parse(&format!("[::1]:{}/a", lab.port)).expect("valid");
    let nobody_there = logged_in.manifest(&named);
    assert!(
        matches!(nobody_there, Err(Error::Unreachable { cause: Cause::Connection(_), .. })),
        "{nobody_there:?}"
    );
}

/// This registry has no referrers API: the tag of the specification lists them.
fn referrers(lab: &Lab, client: &Arc<Client>, subject: Digest) {
    let image = image(&lab.authority());
    assert_eq!(client.referrers(&image, subject, None).expect("asked").way, Way::Neither);
    let manifest = client.manifest(&image).expect("there");
    let Names::Image { config, layers, .. } = &manifest.names else { panic!("an image") };
    let part = |digest: Digest, size: u64| format!(r#""digest":"{digest}","size":{size}"#);
    let layer = layers.first().expect("one");
    let about = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",{}}}],"subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{}}}}}"#,
        part(config.digest, config.size),
        part(layer.digest, layer.size),
        part(subject, manifest.bytes.len() as u64)
    );
    let about_at = lab.blob(about.as_bytes());
    lab.put("sbom", "application/vnd.oci.image.manifest.v1+json", &about);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{about_at},"artifactType":"application/spdx+json"}}]}}"#
    );
    lab.put(&format!("sha256-{}", subject.hex()), "application/vnd.oci.image.index.v1+json", &index);
    let found = client.referrers(&image, subject, Some("application/spdx+json")).expect("asked");
    assert_eq!((found.way, found.list.items.len()), (Way::Tag, 1));
    let got = client.manifest_of(&image, found.list.items.first().expect("one")).expect("there");
    assert!(got.bytes == about.as_bytes());
    let Names::Image { subject: Some(named), .. } = got.names else { panic!("an artifact") };
    assert_eq!(named.digest, subject);
}

/// What we push is what skopeo pushed.
fn pushed_by_us(lab: &Lab, pushed: &Pushed) {
    let authority = lab.authority();
    let image = ImageRef::parse(&format!("{authority}/our/app:1")).expect("valid");
    let client = client(options(lab, &authority, "pw"), &[]);
    let wrong = self::client(options(lab, &authority, "geheim"), &[]);
    let sha = |bytes: &[u8]| Digest::from_bytes(<sha2::Sha256 as sha2::Digest>::digest(bytes).into());
    let refused = wrong.push_blob(&image, sha(b"x"), 1, &mut Cursor::new(b"x"));
    assert!(matches!(refused, Err(Error::Login { .. })), "{refused:?}");
    for (number, expected) in [BlobPushed::Sent, BlobPushed::Present].into_iter().enumerate() {
        let (digest, size) = (sha(&pushed.layer), pushed.layer.len() as u64);
        let got = client.push_blob(&image, digest, size, &mut Cursor::new(&pushed.layer)).expect("pushed");
        assert_eq!(got, expected, "{number}");
    }
    let (digest, size) = (sha(&pushed.config), pushed.config.len() as u64);
    let mut reader = Cursor::new(&pushed.config);
    let got = client.push_blob_from(&image, digest, size, &mut reader, Some("team/app")).expect("there");
    assert_eq!(got, BlobPushed::Mounted);
    let taken =
        client.push_manifest(&image, Some("1"), media::OCI_MANIFEST, &pushed.manifest).expect("taken");
    pull(&client, &image, pushed);
    pull(&client, &image.with_digest(taken.digest), pushed);
    // Blobs that are not there: the registry does not take their manifest.
    let missing = String::from_utf8_lossy(&pushed.manifest).replace(&digest.hex(), &"0".repeat(64));
    let refused = client.push_manifest(&image, Some("2"), media::OCI_MANIFEST, missing.as_bytes());
    assert!(refused.expect_err("refused").to_string().contains("MANIFEST_BLOB_UNKNOWN"));
    referrers_by_us(&client, &image, pushed, taken.digest);
}

/// This registry does not list referrers: we keep the tag.
fn referrers_by_us(client: &Arc<Client>, image: &ImageRef, pushed: &Pushed, subject: Digest) {
    let whole: serde_json::Value = serde_json::from_slice(&pushed.manifest).expect("JSON");
    for kind in ["application/spdx+json", "application/vnd.cyclonedx+json"] {
        let mut about = whole.clone();
        about["artifactType"] = kind.into();
        about["subject"] = serde_json::json!({
            "mediaType": media::OCI_MANIFEST, "digest": subject.to_string(), "size": pushed.manifest.len(),
        });
        let bytes = about.to_string();
        for _ in 0..2 {
            let taken =
                client.push_manifest(image, None, media::OCI_MANIFEST, bytes.as_bytes()).expect("taken");
            assert_eq!(taken.subject, Subject::Tag);
        }
    }
    let found = client.referrers(image, subject, None).expect("asked");
    assert_eq!((found.way, found.list.items.len()), (Way::Tag, 2));
}

/// Each connection ends after 700 kB, or goes silent: the layer of 3 MB needs several.
fn broken_line(lab: &Lab, pushed: &Pushed) {
    for end in [End::Cut, End::Freeze] {
        let (authority, connections) = lab::relay(lab.port, 700_000, end);
        let patience = Patience { stall: Duration::from_millis(300), ..Patience::default() };
        let options = Options { patience, ..options(lab, &authority, "pw") };
        pull(&client(options, &[]), &image(&authority), pushed);
        assert!(connections.load(Ordering::Relaxed) >= 5, "{connections:?} connections");
    }
    // Silent from the handshake on.
    let (authority, _) = lab::relay(lab.port, 0, End::Freeze);
    let patience = Patience { connect: Duration::from_millis(300), ..Patience::default() };
    let start = Instant::now();
    let silent =
        client(Options { patience, ..options(lab, &authority, "pw") }, &[]).manifest(&image(&authority));
    let said = silent.expect_err("silent").to_string();
    assert!(said.contains("did not answer in time (connecting)"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn through_a_proxy(lab: &Lab, pushed: &Pushed) {
    let (proxy, asked) = lab::proxy(lab.port);
    let authority = format!("registry.test:{}", lab.port);
    let proxied = client(options(lab, &authority, "pw"), &[("HTTPS_PROXY", proxy.clone())]);
    pull(&proxied, &image(&authority), pushed);
    let asked = asked.lock().expect("no panic").clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|line| line.starts_with(&format!("CONNECT {authority} "))),
        "{asked:?}"
    );
    let (socks, named) = lab::socks(lab.port);
    let proxied = client(options(lab, &authority, "pw"), &[("ALL_PROXY", socks)]);
    pull(&proxied, &image(&authority), pushed);
    let named = named.lock().expect("no panic").clone();
    assert!(!named.is_empty() && named.iter().all(|name| name == "registry.test"), "{named:?}");
    let variables = [("HTTPS_PROXY", proxy), ("NO_PROXY", "registry.test".into())];
    let direct = client(options(lab, &authority, "pw"), &variables).manifest(&image(&authority));
    assert!(matches!(direct, Err(Error::Unreachable { cause: Cause::Name, .. })), "{direct:?}");
}

/// The login that `skopeo login` wrote and the authority in certs.d are enough.
fn files_of_others(lab: &Lab, pushed: &Pushed) {
    let authority = lab.authority();
    let login =
        ["login", "--authfile", "auth.json", "--cert-dir", "trust", "-u", "lab", "-p", "pw", &authority];
    lab::run(lab.folder.path(), "skopeo", &login);
    let trusted = lab.path(&format!("home/.config/containers/certs.d/{authority}"));
    std::fs::create_dir_all(&trusted).expect("folder");
    std::fs::copy(lab.path("ca.crt"), trusted.join("lab.crt")).expect("copied");
    let variables = [
        ("HOME", lab.path("home").display().to_string()),
        ("REGISTRY_AUTH_FILE", lab.path("auth.json").display().to_string()),
    ];
    pull(&client(Options::default(), &variables), &image(&authority), pushed);
}

#[test]
fn certificates_of_ours_are_shown() {
    let Some(lab) = lab::start(", clientcas: [ca.crt]") else { return };
    let authority = lab.authority();
    let with = |chain: &str, key: &str| {
        let client_certificate = Some((lab.path(chain), lab.path(key)));
        client(Options { client_certificate, ..options(&lab, &authority, "pw") }, &[])
            .manifest(&image(&authority))
    };
    // Logged in and let through: there is only no such image.
    let through = with("me.crt", "me.key");
    assert!(matches!(through, Err(Error::NotFound { .. })), "{through:?}");
    let without = client(options(&lab, &authority, "pw"), &[]).manifest(&image(&authority));
    assert!(matches!(without, Err(Error::Unreachable { .. })), "{without:?}");
    for (chain, key) in [("me.crt", "srv.key"), ("me.crt", "ca.crt"), ("me.key", "me.key"), ("none", "none")]
    {
        let said = with(chain, key).expect_err("refused").to_string();
        assert!(said.contains("could not be used") && said.contains("Try:"), "{chain} {key}: {said}");
    }
}

/// A registry over https may not lead to plain http, not even on its own host.
#[test]
fn https_does_not_lead_to_http() {
    let Some(lab) = lab::start("") else { return };
    let (authority, asked) = lab.leads_to("http://127.0.0.1:9/v2/secret?token=hidden");
    let fault =
        client(options(&lab, &authority, "pw"), &[]).manifest(&image(&authority)).expect_err("not followed");
    let said = fault.to_string();
    assert!(said.contains("from https to plain http") && !said.contains("hidden"), "{said}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

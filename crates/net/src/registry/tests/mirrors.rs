//! Settings of other tools on the way to a registry.

use super::super::{Client, Error};
use super::faults::MANIFEST;
use super::server::Server;
use super::world::{Fake, client_with, image, options};
use std::sync::Arc;

fn good() -> Server {
    Server::new(|_, wire| wire.manifest(MANIFEST.as_bytes()))
}

fn client(conf: &str) -> Arc<Client> {
    let world = Fake::new().file("/etc/containers/registries.conf", conf);
    client_with(options(), world).0
}

#[test]
fn a_moved_registry_and_its_mirrors() {
    let (inner, by_digest, broken) = (good(), good(), Server::new(|_, wire| wire.answer(500, &[], b"")));
    let conf = format!(
        "[[registry]]\nprefix = 'registry.example/team'\nlocation = '{}/inner'\n\
         [[registry.mirror]]\nlocation = '{}/m'\npull-from-mirror = 'digest-only'\n\
         [[registry.mirror]]\nlocation = '{}'\n",
        inner.authority, by_digest.authority, broken.authority
    );
    let client = client(&conf);
    let found = client.manifest(&image("registry.example")).expect("there");
    assert_eq!(found.mirrors_failed.len(), 1, "{:?}", found.mirrors_failed);
    assert_eq!(inner.count("/v2/inner/app/manifests/1"), 1);
    assert_eq!((broken.count("/v2/app/manifests/1"), by_digest.seen().len()), (2, 0));
    client.manifest(&found.image).expect("there");
    assert_eq!((inner.seen().len(), by_digest.count("/v2/m/app/manifests/sha256")), (1, 1));
}

#[test]
fn a_login_of_the_environment_is_not_for_where_a_registry_moved_to() {
    let inner = Server::new(|_, wire| wire.answer(401, &["www-authenticate: Basic realm=\"x\""], b""));
    let conf = format!("[[registry]]\nprefix = 'registry.example'\nlocation = '{}'\n", inner.authority);
    let world = Fake::new()
        .file("/etc/containers/registries.conf", &conf)
        .variable("SEAWORTHY_REGISTRY_USER", "lab")
        .variable("SEAWORTHY_REGISTRY_PASSWORD", "geheim");
    let error = client_with(options(), world).0.manifest(&image("registry.example"));
    assert!(matches!(error, Err(Error::Login { .. })), "{error:?}");
    assert!(inner.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn a_blocked_registry_is_not_asked() {
    let server = good();
    let conf = format!("[[registry]]\nlocation = '{}'\nblocked = true\n", server.authority);
    let said = client(&conf).manifest(&image(&server.authority)).expect_err("blocked").to_string();
    assert!(
        said.contains("is blocked by /etc/containers/registries.conf") && said.contains("Try:"),
        "{said}"
    );
    assert!(server.seen().is_empty());
    let world = Fake::new().file("/etc/containers/registries.conf", &conf);
    let options = super::super::Options { reads_settings_of_others: false, ..options() };
    client_with(options, world).0.manifest(&image(&server.authority)).expect("asked");
}

#[test]
fn plain_http_of_a_mirror_needs_our_own_word() {
    let (registry, mirror) = (good(), good());
    for allows_plain in [false, true] {
        let mut options = super::super::Options { allows_plain, insecure_all: false, ..options() };
        options.insecure.insert(registry.authority.clone());
        options.mirrors.insert(registry.authority.clone(), vec![format!("http://{}", mirror.authority)]);
        let found = client_with(options, Fake::new()).0.manifest(&image(&registry.authority)).expect("there");
        let expected = if allows_plain { &mirror } else { &registry };
        assert_eq!(found.host, expected.authority);
        assert_eq!(found.mirrors_failed.len(), usize::from(!allows_plain), "{:?}", found.mirrors_failed);
    }
    // `insecure` of another tool's file neither.
    let conf = format!(
        "[[registry]]\nlocation = '{}'\n[[registry.mirror]]\nlocation = '{}'\ninsecure = true\n",
        registry.authority, mirror.authority
    );
    let before = mirror.seen().len();
    for allows_plain in [false, true] {
        let mut options = super::super::Options { allows_plain, insecure_all: false, ..options() };
        options.insecure.insert(registry.authority.clone());
        let world = Fake::new().file("/etc/containers/registries.conf", &conf);
        client_with(options, world).0.manifest(&image(&registry.authority)).expect("there");
        let plain = mirror.seen().iter().skip(before).filter(|seen| seen.method == "GET").count();
        assert_eq!(plain, usize::from(allows_plain));
    }
}

#[test]
fn docker_mirrors_its_own_registry() {
    let mirror = good();
    let daemon = format!(r#"{{"registry-mirrors":["http://{}/hub/"]}}"#, mirror.authority);
    let world = Fake::new().file("/etc/docker/daemon.json", &daemon);
    let options = super::super::Options { allows_plain: true, insecure_all: false, ..options() };
    let image = seaworthy_types::ImageRef::parse("alpine:3").expect("valid");
    let found = client_with(options, world).0.manifest(&image).expect("there");
    assert_eq!(
        (found.host, mirror.count("/v2/hub/library/alpine/manifests/3")),
        (mirror.authority.clone(), 1)
    );
}

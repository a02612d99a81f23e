//! Storage made by hand in the forms that the engines write, sound and hostile.

use super::bolt::tests::{Node, file as bolt};
use super::held::digest_of;
use super::*;
use crate::engine::crc64::Crc64;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_types::{Digest, Platform};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A layer's bytes, as tar-split would keep them: no real tar, for nobody looks into it here.
fn pieces(name: &str, content: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut crc = Crc64::new();
    crc.update(content);
    let lines = format!(
        "{{\"type\":2,\"payload\":\"{}\"}}\n{{\"type\":1,\"name\":\"{name}\",\"size\":{},\"payload\":\"{}\"}}\n",
        STANDARD.encode(b"head"),
        content.len(),
        STANDARD.encode(crc.value().to_be_bytes())
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines.as_bytes()).expect("written");
    ([b"head", content].concat(), packed.finish().expect("packed"))
}

fn write(root: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, bytes).expect("written");
}

fn around(root: &Path) -> Surroundings {
    let platform = Platform::parse("linux/amd64");
    Surroundings { root: Some(root.to_owned()), platform, ..Surroundings::default() }
}

fn held(found: Found) -> Held {
    match found {
        Found::Held(held) => *held,
        Found::Saved(_) => panic!("not stored"),
    }
}

fn bytes(held: &Held, digest: Digest) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    held.read(digest, true)?.read_to_end(&mut bytes).map(|_| bytes)
}

fn manifest(held: &Held) -> Value {
    serde_json::from_slice(&held.manifest).expect("JSON")
}

fn config(layers: &[Digest]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(ToString::to_string).collect();
    json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } }).to_string().into_bytes()
}

/// dockerd's storage with one image of two layers and a container; the names of its parts.
struct DockerTree {
    folder: tempfile::TempDir,
    layers: [Digest; 2],
    chain: Digest,
}

fn docker_tree() -> DockerTree {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let ((low, low_pieces), (high, high_pieces)) = (pieces("a", b"low"), pieces("b/c", b"high"));
    let layers = [digest_of(&low), digest_of(&high)];
    let chain = digest_of(format!("{} {}", layers[0], layers[1]).as_bytes());
    for (at, (chain, pieces)) in [(layers[0], low_pieces), (chain, high_pieces)].into_iter().enumerate() {
        let record = format!("image/overlay2/layerdb/sha256/{}", chain.hex());
        write(root, &format!("{record}/cache-id"), format!("cache{at}"));
        write(root, &format!("{record}/diff"), layers[at].to_string());
        write(root, &format!("{record}/tar-split.json.gz"), pieces);
    }
    write(root, &format!("image/overlay2/layerdb/sha256/{}/parent", chain.hex()), layers[0].to_string());
    write(root, "overlay2/cache0/diff/a", "low");
    write(root, "overlay2/cache1/diff/b/c", "high");
    let config = config(&layers);
    let id = digest_of(&config);
    write(root, &format!("image/overlay2/imagedb/content/sha256/{}", id.hex()), &config);
    let names = json!({ "Repositories": { "lab/app": { "lab/app:1": id.to_string() } } });
    write(root, "image/overlay2/repositories.json", names.to_string());
    let container = json!({ "ID": "c0ffee", "Name": "/web", "Image": id.to_string(), "Driver": "overlay2" });
    write(root, "containers/c0ffee/config.v2.json", container.to_string());
    write(root, "image/overlay2/layerdb/mounts/c0ffee/mount-id", "mount");
    write(root, "image/overlay2/layerdb/mounts/c0ffee/parent", chain.to_string());
    write(root, "overlay2/mount/diff/new", "n");
    write(root, "overlay2/mount/diff/a", "changed");
    DockerTree { folder, layers, chain }
}

#[test]
fn docker_images_and_containers() {
    let tree = docker_tree();
    let around = around(tree.folder.path());
    assert_eq!(images(Engine::Docker, &around).expect("listed"), ["lab/app:1"]);
    let image = held(image(Engine::Docker, "lab/app:1", &around).expect("there"));
    assert_eq!((image.made, image.is_container), (Made::Manifest, false));
    assert_eq!(bytes(&image, tree.layers[0]).expect("read"), b"headlow");
    assert_eq!(bytes(&image, tree.layers[1]).expect("read"), b"headhigh");
    assert_eq!(manifest(&image)["layers"][1]["size"], 8);
    assert_eq!(containers(Engine::Docker, &around).expect("listed"), ["web"]);
    for name in ["web", "c0ffee", "c0f"] {
        let web = container(None, name, &around).expect("there");
        assert!(web.is_container && web.made == Made::Configuration);
        assert_eq!(manifest(&web)["layers"].as_array().map(Vec::len), Some(3));
        assert!(web.notes[0].detail.contains("lab/app:1: 1 files added, 1 changed"), "{:?}", web.notes);
    }
}

/// Changes one thing and gives what a scan of image and container then says.
fn broken(change: impl FnOnce(&Path, &DockerTree)) -> (Result<Held, String>, Result<Held, String>) {
    let tree = docker_tree();
    change(tree.folder.path(), &tree);
    let around = around(tree.folder.path());
    let image = image(Engine::Docker, "lab/app:1", &around).map(held).map_err(|error| error.to_string());
    (image, container(Some(Engine::Docker), "web", &around).map_err(|error| error.to_string()))
}

fn link(root: &Path, name: &str, to: &str) {
    let path = root.join(name);
    if path.is_dir() {
        fs::remove_dir_all(&path).expect("removed");
    } else {
        let _ = fs::remove_file(&path);
    }
    std::os::unix::fs::symlink(to, path).expect("a link");
}

#[test]
fn hostile_docker_storage() {
    type Change = fn(&Path, &DockerTree);
    let both: [(Change, &str); 7] = [
        (
            |root, tree| {
                write(
                    root,
                    &format!("image/overlay2/layerdb/sha256/{}/cache-id", tree.chain.hex()),
                    "../../../etc",
                )
            },
            "no name of a layer",
        ),
        (
            |root, tree| {
                write(root, &format!("image/overlay2/layerdb/sha256/{}/cache-id", tree.chain.hex()), "")
            },
            "no name of a layer",
        ),
        (
            |root, tree| {
                write(
                    root,
                    &format!("image/overlay2/layerdb/sha256/{}/cache-id", tree.chain.hex()),
                    vec![b'x'; 10_000],
                )
            },
            "bytes",
        ),
        (
            |root, tree| link(root, &format!("image/overlay2/layerdb/sha256/{}", tree.chain.hex()), "/etc"),
            "symbolic link",
        ),
        (|root, _| link(root, "overlay2/cache1/diff", "/"), "symbolic link"),
        (|root, _| link(root, "overlay2/cache1", "/"), "symbolic link"),
        (|root, _| fs::remove_dir_all(root.join("overlay2/cache0")).expect("removed"), "No such file"),
    ];
    for (change, says) in both {
        let (image, container) = broken(change);
        for result in [image, container] {
            let error = result.err().unwrap_or_else(|| panic!("{says}: accepted"));
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}

#[test]
fn hostile_docker_storage_of_one_kind() {
    let record = |tree: &DockerTree| format!("image/overlay2/layerdb/sha256/{}", tree.chain.hex());
    let (image, _) = broken(|root, tree| write(root, &format!("{}/tar-split.json.gz", record(tree)), "x"));
    assert!(image.expect_err("no gzip").contains("tar-split"));
    let (image, container) = broken(|root, tree| {
        // A chain that bites its tail: it would never end.
        write(
            root,
            &format!("image/overlay2/layerdb/sha256/{}/parent", tree.layers[0].hex()),
            tree.chain.to_string(),
        );
    });
    assert!(image.is_ok() && container.expect_err("a loop").contains("512"));
    let (_, container) =
        broken(|root, _| write(root, "image/overlay2/layerdb/mounts/c0ffee/mount-id", "../../etc"));
    assert!(container.expect_err("outside").contains("no name of a layer"));
    let (_, container) = broken(|root, _| link(root, "overlay2/mount/diff", "/etc"));
    assert!(container.expect_err("outside").contains("symbolic link"));
    let (image, container) = broken(|root, _| {
        fs::remove_dir_all(root.join("image/overlay2/imagedb/content/sha256")).expect("removed");
    });
    assert!(image.is_err());
    let container = container.expect("its layers are still there");
    assert_eq!(container.notes[0].code, "container-image-gone");
    for names in [
        "{\"Repositories\":{\"x\":{\"lab/app:1\":\"sha256:../../../../etc/passwd\"}}}",
        "{\"Repositories\":7}",
        "\u{0}",
    ] {
        let (image, _) = broken(|root, _| write(root, "image/overlay2/repositories.json", names));
        assert!(image.is_err(), "{names}");
    }
    let (image, _) = broken(|root, _| {
        let folder = root.join("image/overlay2/imagedb/content/sha256");
        let config = fs::read_dir(folder).expect("listed").flatten().next().expect("one");
        fs::write(config.path(), "{\"rootfs\":{}}").expect("written");
    });
    assert!(image.expect_err("another").contains("digest"));
    let (_, container) = broken(|root, _| write(root, "containers/c0ffee/config.v2.json", "{\"ID\":1}"));
    assert!(container.expect_err("no record").contains("containers/c0ffee"));
}

#[test]
fn podman_storage_and_a_loop_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let (low, packed) = pieces("a", b"low");
    let layer = digest_of(&low);
    let config = config(&[layer]);
    let id = digest_of(&config);
    let key = STANDARD.encode(id.to_string());
    write(root, &format!("overlay-images/{}/={key}", id.hex()), &config);
    let images_json = |layer: &str| {
        json!([{ "id": id.hex(), "names": ["localhost/lab/app:1"], "layer": layer,
        "digest": layer_digest() }])
    };
    write(root, "overlay-images/images.json", images_json("l0").to_string());
    let layers = json!([{ "id": "l0", "diff-digest": layer.to_string(), "diff-size": low.len() },
        { "id": "rw", "parent": "l0" },
        { "id": "x", "parent": "y", "diff-digest": layer.to_string(), "diff-size": 7 },
        { "id": "y", "parent": "x", "diff-digest": layer.to_string(), "diff-size": 7 },
        { "id": "../..", "diff-digest": layer.to_string(), "diff-size": 7 },
        { "id": "huge", "diff-digest": layer.to_string(), "diff-size": i64::MAX }]);
    write(root, "overlay-layers/layers.json", layers.to_string());
    for name in ["l0", "x", "y", "huge"] {
        write(root, &format!("overlay-layers/{name}.tar-split.gz"), &packed);
        write(root, &format!("overlay/{name}/diff/a"), "low");
    }
    write(root, "overlay/rw/diff/new", "n");
    let container_json = json!([{ "id": "feed", "names": ["web"], "image": id.hex(), "layer": "rw",
        "metadata": "{\"image-name\":\"localhost/lab/app:1\"}" }]);
    write(root, "overlay-containers/containers.json", container_json.to_string());
    let around = around(root);
    let find = || image(Engine::Podman, "lab/app:1", &around).map(held).map_err(|error| error.to_string());
    let found = find().expect("there");
    assert_eq!((bytes(&found, layer).expect("read"), found.name.as_str()), (low, "localhost/lab/app:1"));
    assert!(image(Engine::Crio, &id.hex()[..8], &around).is_ok());
    assert!(image(Engine::Podman, &format!("localhost/lab/app@{}", layer_digest()), &around).is_ok());
    let web = container(None, "web", &around).expect("there");
    assert!(web.notes[0].detail.contains("localhost/lab/app:1: 1 files added"), "{:?}", web.notes);
    for (layer, says) in [("x", "512"), ("../..", "no id"), ("none", "not there")] {
        write(root, "overlay-images/images.json", images_json(layer).to_string());
        assert!(find().expect_err(layer).contains(says), "{layer}");
    }
    // A size that is a lie gives no byte more than there is.
    write(root, "overlay-images/images.json", images_json("huge").to_string());
    let lie = find().expect("there");
    assert_eq!(lie.blobs().iter().map(|(_, size)| *size).max(), u64::try_from(i64::MAX).ok());
    assert_eq!(bytes(&lie, layer).expect("as far as it goes").len(), 7);
    write(root, "overlay-images/images.json", "{}");
    assert!(find().expect_err("no list").contains("images.json"));
}

fn layer_digest() -> String {
    digest_of(b"a manifest").to_string()
}

/// A containerd with one image of one layer, in a namespace.
fn containerd_tree(namespace: &'static str, drop_layer: bool) -> (tempfile::TempDir, Digest) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let layer = digest_of(b"a layer");
    let config = config(&[layer]);
    let blob = |bytes: &[u8]| {
        let name = format!("io.containerd.content.v1.content/blobs/sha256/{}", digest_of(bytes).hex());
        write(root, &name, bytes);
        json!({ "mediaType": "x", "digest": digest_of(bytes).to_string(), "size": bytes.len() })
    };
    let (config, described) = (blob(&config), blob(b"a layer"));
    if drop_layer {
        let name = format!("io.containerd.content.v1.content/blobs/sha256/{}", layer.hex());
        fs::remove_file(root.join(name)).expect("removed");
    }
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [described] }).to_string();
    let mut described = blob(manifest.as_bytes());
    described["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let mut other = described.clone();
    other["platform"]["architecture"] = json!("arm64");
    other["digest"] = json!(digest_of(b"not here").to_string());
    let index = json!({ "schemaVersion": 2, "manifests": [other, described] }).to_string();
    blob(index.as_bytes());
    databases(root, namespace, &layer.to_string(), digest_of(index.as_bytes()));
    (folder, layer)
}

/// The two databases of a containerd, and two snapshots; a third one lies below itself.
fn databases(root: &Path, namespace: &'static str, chain: &str, target: Digest) {
    let digest = |text: String| Node::Bucket("target", vec![Node::Value("digest", text.into_bytes())]);
    let (target, looping) = (digest(target.to_string()), digest("sha256:nonsense".into()));
    let chain: &'static str = Box::leak(chain.to_owned().into_boxed_str());
    let name = |name: &str| Node::Value("name", name.as_bytes().to_vec());
    let text = |key: &'static str, value: &str| Node::Value(key, value.as_bytes().to_vec());
    let snapshots = vec![
        Node::Bucket(chain, vec![name("n/1/low")]),
        Node::Bucket("web", vec![name("n/2/web")]),
        Node::Bucket("loop", vec![name("n/3/loop")]),
    ];
    let one = |key: &str| {
        vec![text("image", "docker.io/lab/app:1"), text("snapshotter", "overlayfs"), text("snapshotKey", key)]
    };
    let database = bolt(vec![Node::Bucket(
        "v1",
        vec![Node::Bucket(
            namespace,
            vec![
                Node::Bucket(
                    "images",
                    vec![
                        Node::Bucket("docker.io/lab/app:1", vec![target]),
                        Node::Bucket("odd", vec![looping]),
                    ],
                ),
                Node::Bucket("snapshots", vec![Node::Bucket("overlayfs", snapshots)]),
                Node::Bucket(
                    "containers",
                    vec![Node::Bucket("web", one("web")), Node::Bucket("loop", one("loop"))],
                ),
            ],
        )],
    )]);
    write(root, "io.containerd.metadata.v1.bolt/meta.db", database);
    let snapshot = |key: &'static str, id: u8, parent: &str| {
        Node::Bucket(key, vec![Node::Value("id", vec![id]), text("parent", parent)])
    };
    let all = vec![
        snapshot("n/1/low", 1, ""),
        snapshot("n/2/web", 2, "n/1/low"),
        snapshot("n/3/loop", 2, "n/3/loop"),
    ];
    let database = bolt(vec![Node::Bucket("v1", vec![Node::Bucket("snapshots", all)])]);
    let place = "io.containerd.snapshotter.v1.overlayfs";
    write(root, &format!("{place}/metadata.db"), database);
    write(root, &format!("{place}/snapshots/1/fs/a"), "low");
    write(root, &format!("{place}/snapshots/2/fs/new"), "n");
}

#[test]
fn containerd_images_and_containers() {
    let (folder, layer) = containerd_tree("default", false);
    let around = around(folder.path());
    let found = held(image(Engine::Containerd, "lab/app:1", &around).expect("there"));
    assert_eq!((found.made, found.name.as_str()), (Made::Nothing, "docker.io/lab/app:1"));
    assert_eq!(bytes(&found, layer).expect("read"), b"a layer");
    let web = container(None, "web", &around).expect("there");
    assert!(web.notes[0].detail.contains("1 files added"), "{:?}", web.notes);
    assert!(bytes(&web, layer).is_ok());
    let error = container(None, "loop", &around).expect_err("a loop").to_string();
    assert!(error.contains("512"), "{error}");
    let other = Surroundings { platform: Platform::parse("linux/arm64"), ..around.clone() };
    let error = image(Engine::Containerd, "lab/app:1", &other).expect_err("not here").to_string();
    assert!(error.contains("No such file"), "{error}");
    let other = Surroundings { platform: Platform::parse("linux/s390x"), ..around };
    let error = image(Engine::Containerd, "lab/app:1", &other).expect_err("not there").to_string();
    assert!(error.contains("linux/amd64"), "{error}");
}

#[test]
fn layers_without_blobs_are_made_anew() {
    let (folder, layer) = containerd_tree("k8s.io", true);
    let found = held(image(Engine::Containerd, "lab/app:1", &around(folder.path())).expect("there"));
    assert_eq!(found.made, Made::Configuration);
    assert!(bytes(&found, layer).is_err());
    assert!(found.notes[0].detail.contains("1 of 1 blobs"), "{:?}", found.notes);
}

#[test]
fn docker_with_a_containerd() {
    let (folder, _) = containerd_tree("moby", false);
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("containerd")).expect("folders");
    fs::rename(folder.path(), root.path().join("containerd/daemon")).expect("moved");
    fs::create_dir(folder.path()).expect("for its end");
    let container_json = json!({ "ID": "web", "Name": "/site", "Image": "sha256:x", "Driver": "overlayfs" });
    write(root.path(), "containers/web/config.v2.json", container_json.to_string());
    let around = around(root.path());
    assert_eq!(images(Engine::Docker, &around).expect("listed"), ["docker.io/lab/app:1"]);
    assert!(image(Engine::Docker, "lab/app:1", &around).is_ok());
    let site = container(Some(Engine::Docker), "site", &around).expect("there");
    assert!(site.name.starts_with("site (web, docker"), "{}", site.name);
    // The namespaces of others are not Docker's.
    let (folder, _) = containerd_tree("k8s.io", false);
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("containerd")).expect("folders");
    fs::rename(folder.path(), root.path().join("containerd/daemon")).expect("moved");
    fs::create_dir(folder.path()).expect("for its end");
    let error = images(Engine::Docker, &super::tests::around(root.path())).expect_err("none").to_string();
    assert!(error.contains("was not found"), "{error}");
}

#[test]
fn damaged_databases_are_told() {
    let (folder, _) = containerd_tree("default", false);
    let path: PathBuf = folder.path().join("io.containerd.metadata.v1.bolt/meta.db");
    let good = fs::read(&path).expect("read");
    for cut in [0, 100, 4_096, 5_000, 3 * 4_096] {
        fs::write(&path, &good[..cut]).expect("written");
        let error = image(Engine::Containerd, "lab/app:1", &around(folder.path()))
            .map(held)
            .expect_err("cut")
            .to_string();
        assert!(error.contains("meta.db"), "{cut}: {error}");
    }
    // A blob that is not what its name says.
    fs::write(&path, &good).expect("written");
    let blobs = folder.path().join("io.containerd.content.v1.content/blobs/sha256");
    for blob in fs::read_dir(blobs).expect("blobs").flatten() {
        fs::write(blob.path(), b"{}").expect("written");
    }
    let error = image(Engine::Containerd, "lab/app:1", &around(folder.path()))
        .map(held)
        .expect_err("others")
        .to_string();
    assert!(error.contains("digest"), "{error}");
}

//! The program against registries of others: Debian's docker-registry with TLS, htpasswd and client
//! certificates, and one in Go that has the referrers API (`tools/registry`). What we pushed is scanned and
//! pulled; logins, certificates and mirrors come as Docker and Podman keep them.

use crate::data::npm;
use crate::lab::{Lab, Ran, packages};
use seaworthy_net::registry::{
    BlobPushed, Client, Credential, ManifestPushed, Options, Secret, Subject, System, Way, media,
};
use seaworthy_testkit::{Packing, TestImage, parse};
use seaworthy_types::{Digest, ImageRef};
use std::fs;
use std::io::Cursor;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// The program of `tools/registry`, as `tools/test.sh` builds it.
const REFERRERS: &str = "SEAWORTHY_REFERRERS_REGISTRY";

/// A registry that runs as long as the test.
struct Real {
    folder: tempfile::TempDir,
    authority: String,
    child: Child,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn run(folder: &Path, name: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(name).args(arguments).current_dir(folder).output().expect(name);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A certificate authority, and what it signed for the server and for a client.
fn certificates(folder: &Path) {
    let new = |name: &str, more: &[&str]| {
        let (key, out) = (format!("{name}.key"), format!("{name}.crt"));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
        let names = ["-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &out];
        run(folder, "openssl", &[&["req", "-x509"], &curve[..], &names[..], more].concat());
    };
    new("ca", &[]);
    let signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"];
    new("srv", &[&signed[..], &["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]].concat());
    new("me", &signed);
}

fn begun() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("folder");
    certificates(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    (folder, listener.local_addr().expect("an address").to_string())
}

fn wait(folder: tempfile::TempDir, authority: String, child: Child) -> Real {
    let real = Real { folder, authority, child };
    assert!(crate::lab::wait_for(|| TcpStream::connect(&real.authority).is_ok()), "it does not listen");
    real
}

/// Debian's; `None` with a loud word when a program is missing.
fn debians(more: &str) -> Option<Real> {
    for name in ["docker-registry", "htpasswd", "openssl"] {
        if program(name).is_none() {
            eprintln!("SKIPPED: `{name}` is missing (apt-get install docker-registry apache2-utils openssl)");
            return None;
        }
    }
    let (folder, authority) = begun();
    fs::write(folder.path().join("users"), run(folder.path(), "htpasswd", &["-Bbn", "lab", "pw"]))
        .expect("written");
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: data }} }}\n\
         http: {{ addr: \"{authority}\", tls: {{ certificate: srv.crt, key: srv.key{more} }} }}\n\
         auth: {{ htpasswd: {{ realm: lab, path: users }} }}\n"
    );
    fs::write(folder.path().join("registry.yml"), config).expect("written");
    let child = Command::new("docker-registry")
        .args(["serve", "registry.yml"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    Some(wait(folder, authority, child))
}

/// The one that lists referrers.
fn with_referrers() -> Option<Real> {
    let Some(built) = std::env::var_os(REFERRERS).filter(|path| Path::new(path).is_file()) else {
        eprintln!("SKIPPED: {REFERRERS} names no program (go build -C tools/registry -o FILE .)");
        return None;
    };
    if program("openssl").is_none() {
        eprintln!("SKIPPED: `openssl` is missing (apt-get install openssl)");
        return None;
    }
    let (folder, authority) = begun();
    fs::create_dir(folder.path().join("data")).expect("folder");
    let child = Command::new(built)
        .args([&authority, "srv.crt", "srv.key", "data"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    Some(wait(folder, authority, child))
}

impl Real {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
    fn name(&self) -> String {
        format!("{}/team/app:1", self.authority)
    }
    fn image(&self) -> ImageRef {
        ImageRef::parse(&self.name()).expect("valid")
    }
    fn client(&self) -> Arc<Client> {
        let login = Credential::Password { user: "lab".into(), password: Secret::new("pw") };
        let mut options = Options { ca_files: vec![self.path("ca.crt").into()], ..Options::default() };
        options.logins.insert(self.authority.clone(), login);
        Arc::new(Client::new(options, Arc::new(System)))
    }
    /// Pushes an image by our own client.
    fn push(&self, image: &TestImage) -> ManifestPushed {
        let (client, name) = (self.client(), self.image());
        for blob in image.layers.iter().map(|layer| layer.blob()).chain([image.config()]) {
            blob_pushed(&client, &name, &blob);
        }
        client.push_manifest(&name, Some("1"), media::OCI_MANIFEST, &image.manifest()).expect("taken")
    }
}

fn blob_pushed(client: &Client, name: &ImageRef, blob: &[u8]) -> Digest {
    let digest = Digest::parse(&seaworthy_testkit::digest(blob)).expect("a digest");
    let pushed = client.push_blob(name, digest, blob.len() as u64, &mut Cursor::new(blob));
    assert_eq!(pushed.expect("pushed"), BlobPushed::Sent);
    let again = client.push_blob(name, digest, blob.len() as u64, &mut Cursor::new(blob));
    assert_eq!(again.expect("there"), BlobPushed::Present);
    digest
}

fn image() -> TestImage {
    parse(&format!("image app:1\nlayer\n{}layer\nfile etc/motd hello\n", npm(&["holed"])))
        .packed(Packing::Gzip)
}

/// A login as Docker writes it.
fn log_in(lab: &Lab, authority: &str, pair: &str) {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    let file = format!(r#"{{"auths":{{"{authority}":{{"auth":"{auth}"}}}}}}"#);
    crate::data::write(&lab.path("home"), ".docker/config.json", &file);
}

#[test]
fn what_was_pushed_is_scanned_and_pulled_with_dockers_login() {
    let Some(real) = debians("") else { return };
    let lab = Lab::with_data();
    real.push(&image());
    let (name, ca) = (real.name(), real.path("ca.crt"));
    lab.run(&["scan", &name, "--ca", &ca]).refused(&[
        "wants a login (401)",
        "no login was found",
        "docker login",
    ]);
    log_in(&lab, &real.authority, "lab:geheim");
    let ran = lab.run(&["scan", &name, "--ca", &ca]).refused(&["was refused", ".docker/config.json"]);
    assert!(!ran.err.contains("geheim"), "{}", ran.err);
    lab.run(&["pull", &name, "layout", "--ca", &ca]).refused(&["was refused"]);
    log_in(&lab, &real.authority, "lab:pw");
    let there = lab.report(&name, &["--ca", &ca, "--no-cache"]);
    assert_eq!(packages(&there), ["npm holed 1.0.0"]);
    lab.run(&["pull", &name, "layout", "--ca", &ca]).coded(0);
    let here = lab.report("layout", &["--no-cache"]);
    for part in ["findings", "inventory", "coverage", "layers", "verdict"] {
        assert_eq!(there[part], here[part], "{part}");
    }
    let other = format!("{}/team/app:2", real.authority);
    lab.run(&["scan", &other, "--ca", &ca]).refused(&["(404)", "check the spelling"]);
    // Nobody said whom to trust.
    lab.run(&["scan", &name]).refused(&["x509", "--ca FILE", "certs.d"]);
    lab.run(&["scan", &name, "--insecure"]).refused(&["answered HTTP 400", "is it a registry"]);
    // As Podman keeps it.
    let folder = lab.path(&format!("home/.config/containers/certs.d/{}", real.authority));
    fs::create_dir_all(&folder).expect("folder");
    fs::copy(&ca, folder.join("ca.crt")).expect("copied");
    assert_eq!(packages(&lab.report(&name, &["--no-cache"])), ["npm holed 1.0.0"]);
    // As a credential helper says it.
    let script = "#!/bin/sh\nread host\n[ \"$1\" = get ] && echo \"{\\\"Username\\\":\\\"lab\\\",\\\"Secret\\\":\\\"pw\\\"}\"\n";
    crate::data::write(&lab.path("home"), "docker-credential-lab", script);
    crate::data::write(&lab.path("home"), ".docker/config.json", r#"{"credsStore":"lab"}"#);
    let helper = lab.path("home/docker-credential-lab");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("mode");
    let mut command = lab.command();
    command.args(["scan", &name, "--no-cache", "-f", "json"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", lab.path("home").display()));
    assert_eq!(packages(&Ran::of(command.output().expect("started")).coded(1).json()), ["npm holed 1.0.0"]);
    log_in(&lab, &real.authority, "lab:pw");
    // As the configuration says it.
    fs::remove_dir_all(folder).expect("removed");
    lab.file("sea.toml", format!("[registry]\nca = ['{ca}']\n"));
    assert_eq!(packages(&lab.report(&name, &["--config", "sea.toml"])), ["npm holed 1.0.0"]);
}

#[test]
fn certificates_of_ours_are_shown() {
    let Some(real) = debians(", clientcas: [ca.crt]") else { return };
    let lab = Lab::with_data();
    log_in(&lab, &real.authority, "lab:pw");
    let (name, ca, cert, key) = (real.name(), real.path("ca.crt"), real.path("me.crt"), real.path("me.key"));
    // Let through: there is only no such image.
    lab.run(&["scan", &name, "--ca", &ca, "--client-cert", &cert, "--client-key", &key]).refused(&["(404)"]);
    lab.run(&["scan", &name, "--ca", &ca, "--tries", "1"]).refused(&["did not come through"]);
    lab.run(&["scan", &name, "--ca", &ca, "--client-cert", &cert, "--client-key", &ca])
        .refused(&["ca.crt could not be used", "no private key"]);
    let folder = lab.path(&format!("home/.config/containers/certs.d/{}", real.authority));
    fs::create_dir_all(&folder).expect("folder");
    for (from, to) in [("ca.crt", "ca.crt"), ("me.crt", "client.cert"), ("me.key", "client.key")] {
        fs::copy(real.path(from), folder.join(to)).expect("copied");
    }
    lab.run(&["pull", &name, "layout"]).refused(&["(404)"]);
}

/// What refers to an image is found, by the registry's own list or by the tag that we keep.
#[test]
fn referrers_are_listed() {
    for (real, expected) in
        [(debians(""), (Subject::Tag, Way::Tag)), (with_referrers(), (Subject::None, Way::Api))]
    {
        let Some(real) = real else { continue };
        let image = image();
        let subject = real.push(&image).digest;
        let (client, name) = (real.client(), real.image());
        let sbom = blob_pushed(&client, &name, b"{\"spdxVersion\":\"SPDX-2.3\"}");
        let empty = blob_pushed(&client, &name, b"{}");
        let about = serde_json::json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": "application/spdx+json",
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.to_string(), "size": 2 },
            "layers": [{ "mediaType": "application/spdx+json", "digest": sbom.to_string(), "size": 26 }],
            "subject": { "mediaType": media::OCI_MANIFEST, "digest": subject.to_string(), "size": image.manifest().len() },
        });
        let about = about.to_string();
        let pushed = client.push_manifest(&name, None, media::OCI_MANIFEST, about.as_bytes()).expect("taken");
        let found = client.referrers(&name, subject, None).expect("asked");
        assert_eq!(found.way, expected.1);
        assert!(found.list.items.iter().any(|one| one.digest == pushed.digest), "{:?}", found.list);
        if expected.0 == Subject::Tag {
            assert_eq!(pushed.subject, Subject::Tag);
        }
        // The image itself is scanned there as anywhere.
        let lab = Lab::with_data();
        log_in(&lab, &real.authority, "lab:pw");
        assert_eq!(packages(&lab.report(&real.name(), &["--ca", &real.path("ca.crt")])), ["npm holed 1.0.0"]);
    }
}

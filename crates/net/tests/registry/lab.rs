//! Debian's docker-registry on loopback with TLS and htpasswd, an image to push, relays that break, and a
//! proxy. Everything lies in a temporary folder and ends with the test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 6] = ["docker-registry", "htpasswd", "openssl", "skopeo", "curl", "tar"];

pub struct Lab {
    pub folder: tempfile::TempDir,
    pub port: u16,
    registry: Child,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }
}

/// The registry, or `None` with a loud word when a program is missing.
pub fn start(more: &str) -> Option<Lab> {
    for program in PROGRAMS {
        let is_there = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
        if !is_there {
            eprintln!(
                "SKIPPED: `{program}` is missing (apt-get install docker-registry apache2-utils openssl skopeo curl)"
            );
            return None;
        }
    }
    let folder = tempfile::tempdir().expect("folder");
    certificates(folder.path());
    let users = run(folder.path(), "htpasswd", &["-Bbn", "lab", "pw"]);
    fs::write(folder.path().join("htpasswd"), users).expect("written");
    let port = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: data }} }}\n\
         http: {{ addr: \"127.0.0.1:{port}\", tls: {{ certificate: srv.crt, key: srv.key{more} }} }}\n\
         auth: {{ htpasswd: {{ realm: lab, path: htpasswd }} }}\n"
    );
    fs::write(folder.path().join("reg.yml"), config).expect("written");
    let log = fs::File::create(folder.path().join("log")).expect("log");
    let registry = Command::new("docker-registry")
        .args(["serve", "reg.yml"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("docker-registry starts");
    let lab = Lab { folder, port, registry };
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = fs::read_to_string(lab.path("log")).unwrap_or_default();
        assert!(start.elapsed() < Duration::from_secs(30), "docker-registry does not listen: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(lab)
}

fn certificates(folder: &Path) {
    let key = |name: &str| {
        run(folder, "openssl", &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name]);
    };
    key("ca.key");
    let authority =
        ["req", "-x509", "-new", "-key", "ca.key", "-days", "30", "-subj", "/CN=lab-ca", "-out", "ca.crt"];
    run(folder, "openssl", &authority);
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,DNS:registry.test,IP:127.0.0.1\n")
        .expect("written");
    for name in ["srv", "me"] {
        key(&format!("{name}.key"));
        let (own, request, signed) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
        run(folder, "openssl", &["req", "-new", "-key", &own, "-subj", "/CN=lab", "-out", &request]);
        let sign = [
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            "names",
            "-out",
            &signed,
        ];
        run(folder, "openssl", &sign);
    }
}

pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect(program);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// An image as pushed.
pub struct Pushed {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
}

impl Lab {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes an OCI layout with one layer of a few megabytes and pushes it with skopeo.
    pub fn push(&self) -> Pushed {
        // Bytes that do not compress: a small generator with a fixed start.
        let mut state = 1u64;
        let noise: Vec<u8> = (0..3_000_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        fs::write(self.path("noise"), noise).expect("written");
        run(self.folder.path(), "tar", &["-czf", "layer.tar.gz", "noise"]);
        run(self.folder.path(), "tar", &["-cf", "layer.tar", "noise"]);
        let layer = fs::read(self.path("layer.tar.gz")).expect("made");
        let (diff, _) = self.digest("layer.tar");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{diff}"]}}}}"#
        );
        let config_at = self.blob(config.as_bytes());
        let layer_at = self.blob(&layer);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config_at}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",{layer_at}}}]}}"#
        );
        let manifest_at = self.blob(manifest.as_bytes());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest_at},"annotations":{{"org.opencontainers.image.ref.name":"1"}}}}]}}"#
        );
        fs::write(self.path("layout/index.json"), index).expect("written");
        fs::write(self.path("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
        fs::create_dir_all(self.path("trust")).expect("folder");
        fs::copy(self.path("ca.crt"), self.path("trust/ca.crt")).expect("copied");
        let target = format!("docker://{}/team/app:1", self.authority());
        let copy = [
            "copy",
            "--insecure-policy",
            "--dest-creds",
            "lab:pw",
            "--dest-cert-dir",
            "trust",
            "oci:layout:1",
            &target,
        ];
        run(self.folder.path(), "skopeo", &copy);
        Pushed { manifest: manifest.into_bytes(), config: config.into_bytes(), layer }
    }

    /// A TLS server that redirects everything; counts the requests.
    pub fn leads_to(&self, location: &'static str) -> (String, Arc<AtomicUsize>) {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(self.path("srv.crt")).expect("file").flatten().collect();
        let key = PrivateKeyDer::from_pem_file(self.path("srv.key")).expect("key");
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .expect("certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let authority = listener.local_addr().expect("address").to_string();
        let count = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("connection");
                let mut tls = rustls::StreamOwned::new(connection, stream);
                if tls.read(&mut [0; 8_192]).is_ok_and(|bytes| bytes > 0) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let head = format!("HTTP/1.1 307 X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
                    let _ = tls.write_all(head.as_bytes());
                }
            }
        });
        (authority, count)
    }

    /// Puts a manifest that names what is there already.
    pub fn put(&self, selector: &str, media_type: &str, manifest: &str) {
        fs::write(self.path("put.json"), manifest).expect("written");
        let url = format!("https://{}/v2/team/app/manifests/{selector}", self.authority());
        let kind = format!("content-type: {media_type}");
        let put = [
            "-sSf",
            "--cacert",
            "ca.crt",
            "-u",
            "lab:pw",
            "-X",
            "PUT",
            "-H",
            &kind,
            "--data-binary",
            "@put.json",
            &url,
        ];
        run(self.folder.path(), "curl", &put);
    }

    /// Writes a blob into the layout; digest and size as JSON.
    pub fn blob(&self, bytes: &[u8]) -> String {
        let folder = self.path("layout/blobs/sha256");
        fs::create_dir_all(&folder).expect("folder");
        fs::write(self.path("blob"), bytes).expect("written");
        let (digest, size) = self.digest("blob");
        fs::write(folder.join(digest.trim_start_matches("sha256:")), bytes).expect("written");
        format!(r#""digest":"{digest}","size":{size}"#)
    }

    /// By another program than the one under test.
    pub fn digest(&self, name: &str) -> (String, u64) {
        let said = run(self.folder.path(), "openssl", &["dgst", "-sha256", "-r", name]);
        let said = String::from_utf8(said).expect("text");
        let hex = said.split_whitespace().next().expect("digest").to_owned();
        (format!("sha256:{hex}"), fs::metadata(self.path(name)).expect("there").len())
    }
}

/// How a relay ends a connection.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Cut,
    /// Stays open and says nothing more.
    Freeze,
}

/// Passes connections on and ends each after so many bytes from the server; counts them.
pub fn relay(to: u16, bytes_max: u64, end: End) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let authority = listener.local_addr().expect("address").to_string();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            pass(client, to, bytes_max, end);
        }
    });
    (authority, count)
}

fn pass(client: TcpStream, to: u16, bytes_max: u64, end: End) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
    let (mut up_from, mut up_to) = (client.try_clone().expect("clone"), server.try_clone().expect("clone"));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up_from, &mut up_to);
        let _ = up_to.shutdown(std::net::Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut server.try_clone().expect("clone").take(bytes_max), &mut &client);
        if end == End::Freeze {
            // The test is over before that.
            std::thread::sleep(Duration::from_secs(60));
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
}

/// A proxy that knows `CONNECT` and brings everybody to one port; notes what was asked.
pub fn proxy(to: u16) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = format!("http://{}", listener.local_addr().expect("address"));
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // One byte at a time is not needed: the client waits for the answer before it says more.
            let mut lines = BufReader::new(&client).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            noted.lock().expect("no panic").push(first);
            if (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").is_ok() {
                pass(client, to, u64::MAX, End::Cut);
            }
        }
    });
    (address, asked)
}

/// A SOCKS5 proxy (RFC 1928, 1929) that wants a password and brings everybody to one port; notes the names
/// that it was asked for.
pub fn socks(to: u16) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = format!("socks5://us%65r:pw@{}", listener.local_addr().expect("address"));
    let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            match greeted(&client) {
                Some(name) => noted.lock().expect("no panic").push(name),
                None => continue,
            }
            pass(client, to, u64::MAX, End::Cut);
        }
    });
    (address, asked)
}

fn greeted(client: &TcpStream) -> Option<String> {
    let take = |count: usize| {
        let mut bytes = vec![0; count];
        (&mut &*client).read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let methods = usize::from(take(2)?[1]);
    take(methods)?;
    (&mut &*client).write_all(&[5, 2]).ok()?;
    let user = usize::from(take(2)?[1]);
    let user = take(user)?;
    let password = usize::from(take(1)?[0]);
    let is_right = take(password)? == b"pw" && user.starts_with(b"us");
    (&mut &*client).write_all(&[1, u8::from(!is_right)]).ok()?;
    // A name and no address: the proxy resolves.
    let (head, length) = (take(4)?, usize::from(take(1)?[0]));
    let name = (head[3] == 3).then(|| take(length)).flatten()?;
    take(2)?;
    (&mut &*client).write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    String::from_utf8(name).ok()
}

/// The real world with another environment.
pub struct World {
    pub variables: BTreeMap<&'static str, String>,
}

impl seaworthy_net::registry::World for World {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
    fn read(&self, path: &Path, bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
        seaworthy_net::registry::System.read(path, bytes_max)
    }
    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        seaworthy_net::registry::System.list(folder)
    }
    fn helper(&self, program: &str, input: &str) -> std::io::Result<seaworthy_net::registry::HelperOutput> {
        seaworthy_net::registry::System.helper(program, input)
    }
    fn clock(&self) -> Duration {
        seaworthy_net::registry::System.clock()
    }
    fn wall(&self) -> seaworthy_types::Timestamp {
        seaworthy_net::registry::System.wall()
    }
    fn sleep(&self, pause: Duration) {
        seaworthy_net::registry::System.sleep(pause.min(Duration::from_millis(50)));
    }
    fn random(&self) -> u64 {
        seaworthy_net::registry::System.random()
    }
}

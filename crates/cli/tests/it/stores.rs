//! Published data in real object stores and registries: moto's S3 and Debian's docker-registry.

use crate::delivery::Publisher;
use crate::lab::{Lab, Ran, ids};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program by its variable, else on the path; `None`, said loudly, when it is missing.
fn program(variable: &str, name: &str, how: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        named.or_else(|| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|p| p.is_file()));
    if found.as_ref().is_none_or(|path| !path.is_file()) {
        eprintln!("SKIPPED: `{name}` is missing ({how}, or {variable}): data in it were not tested");
        return None;
    }
    found
}

fn start(lab: &Lab, name: &str, command: &mut Command, port: u16) -> Option<Server> {
    let log = fs::File::create(lab.path(&format!("{name}.log"))).expect("a log");
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let mut child = started.expect("started");
    let start = std::time::Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().expect("asked").is_some();
        if ended || start.elapsed() > std::time::Duration::from_secs(60) {
            let log = fs::read_to_string(lab.path(&format!("{name}.log"))).unwrap_or_default();
            let _ = child.kill();
            let _ = child.wait();
            eprintln!("SKIPPED: {name} does not start here: {log}");
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Some(Server { child, port })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// Runs the program with more variables.
fn run(lab: &Lab, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = lab.command();
    command.envs(variables.iter().copied());
    Ran::of(command.args(arguments).output().expect("started"))
}

/// Publishes, pulls, publishes the next day, updates; gives what the last two said.
fn two_days(place: &str, variables: &[(&str, &str)], flags: &[&str]) {
    let publisher = Publisher::new();
    let key = publisher.public_key();
    let publish = || {
        let words = [&["db", "publish", place, "--key", "../key.pem"], flags].concat();
        run(&publisher.lab, variables, &words).coded(0)
    };
    publish();
    let client = Lab::new();
    client.archive(
        "app.tar",
        &seaworthy_testkit::parse(&format!("image app:1\nlayer\n{}", crate::data::npm(&["sound", "holed"]))),
    );
    let pull = || run(&client, variables, &[&["db", "pull", place, "--key", &key], flags].concat());
    pull().coded(0);
    assert_eq!(ids(&client.report("app.tar", &[]), "findings"), ["CVE-2026-10001"]);
    publisher.day_two();
    let again = publish();
    let ran = pull().coded(0);
    assert!(
        ran.out.contains("0 shards whole") && !ran.out.contains(" 0 by deltas"),
        "{}{}",
        again.out,
        ran.out
    );
    assert_eq!(ids(&client.report("app.tar", &[]), "findings"), ["CVE-2026-10001", "CVE-2026-20001"]);
    client.run(&["db", "verify"]).coded(0);
    // One that is new there gets the same.
    let late = Lab::new();
    run(&late, variables, &[&["db", "pull", place, "--key", &key, "--shard", "npm"], flags].concat())
        .coded(0);
    late.run(&["db", "verify"]).coded(0);
}

#[test]
fn a_bucket() {
    let Some(moto) = program("SEAWORTHY_MOTO", "moto_server", "pip install 'moto[server]'") else { return };
    let lab = Lab::new();
    let port = free_port();
    let mut command = Command::new(moto);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let Some(server) = start(&lab, "moto", &mut command, port) else { return };
    let endpoint = format!("http://127.0.0.1:{}", server.port);
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "lab"),
        ("AWS_SECRET_ACCESS_KEY", "pw"),
        ("AWS_REGION", "eu-west-1"),
    ];
    // Nobody made the bucket.
    let publisher = Publisher::new();
    let words = ["db", "publish", "s3://data/x", "--key", "../key.pem"];
    run(&publisher.lab, &variables, &words).refused(&["s3://data/x", "HTTP 404"]);
    let made = Command::new("curl")
        .args(["-sSf", "-X", "PUT", "-H"])
        .arg("Authorization: AWS4-HMAC-SHA256 Credential=lab/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
        .arg(format!("{endpoint}/data"))
        .output();
    if !made.as_ref().is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED: no bucket could be made (curl): {made:?}");
    }
    two_days("s3://data/deep/prefix", &variables, &[]);
    // What nothing refers to goes when it is asked to.
    let publish = |more: &[&str]| {
        let words = [&["db", "publish", "s3://data/deep/prefix", "--key", "../key.pem"], more].concat();
        run(&publisher.lab, &variables, &words)
    };
    // Another publisher's publication is not built upon.
    publish(&["--prune"]).refused(&["earlier publication"]);
    let foreign = Publisher::new();
    let words = ["db", "publish", "s3://data/own", "--key", "../key.pem", "--prune", "--deltas", "0"];
    for _ in 0..2 {
        foreign.day_two();
        run(&foreign.lab, &variables, &words).coded(0);
        fs::write(foreign.lab.path("feeds/osv/npm/CVE-2026-10004.json"), "{}").expect("written");
    }
}

/// An authority and a certificate of it for the loopback; `None`, said loudly, without openssl.
fn certificates(lab: &Lab) -> Option<()> {
    program("SEAWORTHY_OPENSSL", "openssl", "apt-get install openssl")?;
    let openssl = |arguments: &[&str]| {
        let output =
            Command::new("openssl").args(arguments).current_dir(lab.path("")).output().expect("openssl");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    for name in ["ca.key", "srv.key"] {
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name]);
    }
    let subject = ["-subj", "/CN=lab-ca", "-out", "ca.crt"];
    openssl(&[&["req", "-x509", "-new", "-key", "ca.key", "-days", "30"], &subject[..]].concat());
    fs::write(lab.path("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("written");
    openssl(&["req", "-new", "-key", "srv.key", "-subj", "/CN=lab", "-out", "srv.csr"]);
    let signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"];
    openssl(&[&["x509", "-req", "-in", "srv.csr", "-out", "srv.crt"], &signed[..]].concat());
    Some(())
}

fn registry(lab: &Lab, more: &str) -> Option<Server> {
    let how = "apt-get install docker-registry";
    let registry = program("SEAWORTHY_DOCKER_REGISTRY", "docker-registry", how)?;
    let port = free_port();
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: registry }} }}\n\
         http: {{ addr: \"127.0.0.1:{port}\"{more}\n"
    );
    fs::write(lab.path("registry.yml"), config).expect("written");
    let mut command = Command::new(registry);
    command.args(["serve", "registry.yml"]).current_dir(lab.path(""));
    start(lab, "registry", &mut command, port)
}

#[test]
fn a_registry() {
    let lab = Lab::new();
    let Some(server) = registry(&lab, " }") else { return };
    two_days(&format!("oci://127.0.0.1:{}/team/data:1", server.port), &[], &["--insecure", "--anonymous"]);
}

#[test]
fn a_registry_with_a_login() {
    let lab = Lab::new();
    let how = "apt-get install apache2-utils";
    if program("SEAWORTHY_HTPASSWD", "htpasswd", how).is_none() || certificates(&lab).is_none() {
        return;
    }
    let users = Command::new("htpasswd").args(["-Bbn", "lab", "pw"]).output().expect("htpasswd");
    fs::write(lab.path("htpasswd"), users.stdout).expect("written");
    let more =
        ", tls: { certificate: srv.crt, key: srv.key } }\nauth: { htpasswd: { realm: lab, path: htpasswd } }";
    let Some(server) = registry(&lab, more) else { return };
    let place = format!("oci://localhost:{}/team/data:1", server.port);
    let ca = lab.path("ca.crt").to_string_lossy().into_owned();
    let login = [("SEAWORTHY_REGISTRY_USER", "lab"), ("SEAWORTHY_REGISTRY_PASSWORD", "pw")];
    two_days(&place, &login, &["--ca", &ca]);
    let key = Publisher::new().public_key();
    let pull = ["db", "pull", &place, "--key", &key];
    lab.run(&pull).refused(&["x509", "stays as it was"]);
    lab.run(&[&pull[..], &["--ca", &ca]].concat()).refused(&["wants a login"]);
    // Data of somebody else.
    run(&lab, &login, &[&pull[..], &["--ca", &ca]].concat()).refused(&["signed by"]);
}

#[test]
fn a_web_server_with_a_certificate() {
    let lab = Lab::new();
    if certificates(&lab).is_none() {
        return;
    }
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let port = free_port();
    let mut command = Command::new("openssl");
    let accept = format!("127.0.0.1:{port}");
    command.args(["s_server", "-quiet", "-WWW", "-accept", &accept, "-cert"]).arg(lab.path("srv.crt"));
    command.arg("-key").arg(lab.path("srv.key")).current_dir(publisher.depot());
    let Some(server) = start(&lab, "openssl", &mut command, port) else { return };
    let (place, key) = (format!("https://localhost:{}", server.port), publisher.public_key());
    let ca = lab.path("ca.crt").to_string_lossy().into_owned();
    lab.run(&["db", "pull", &place, "--key", &key]).refused(&["x509", "another certificate authority"]);
    lab.run(&["db", "pull", &place, "--key", &key, "--ca", &ca]).coded(0);
    lab.run(&["db", "verify"]).coded(0);
}

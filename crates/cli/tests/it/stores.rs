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
}

#[test]
fn a_registry() {
    let how = "apt-get install docker-registry";
    let Some(registry) = program("SEAWORTHY_DOCKER_REGISTRY", "docker-registry", how) else { return };
    let lab = Lab::new();
    let port = free_port();
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: \"127.0.0.1:{port}\" }}\n",
        lab.path("registry").display()
    );
    fs::write(lab.path("registry.yml"), config).expect("written");
    let mut command = Command::new(registry);
    command.arg("serve").arg(lab.path("registry.yml"));
    let Some(server) = start(&lab, "registry", &mut command, port) else { return };
    two_days(&format!("oci://127.0.0.1:{}/team/data:1", server.port), &[], &["--insecure", "--anonymous"]);
}

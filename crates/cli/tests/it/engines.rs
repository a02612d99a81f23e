//! Real engines for tests: each with folders of its own below a short path, ended and removed with the
//! test. Needs root and the programs on PATH; without them the tests say SKIPPED.

use crate::lab::wait_for;
use seaworthy_testkit::{Packing, Tar, TestImage};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Whether programs can be started; says what is missing.
pub fn can(programs: &[&str]) -> bool {
    let output = Command::new("id").arg("-u").output().expect("started");
    if output.stdout != b"0\n" {
        println!("SKIPPED: engines are started by root alone");
        return false;
    }
    for program in programs {
        if Command::new(program).arg("--version").output().is_err() {
            println!("SKIPPED: `{program}` is not installed: nothing was tested against it");
            return false;
        }
    }
    true
}

/// A static busybox for containers.
pub fn busybox() -> Option<Vec<u8>> {
    let bytes = fs::read("/bin/busybox").or_else(|_| fs::read("/usr/bin/busybox")).ok();
    if bytes.is_none() {
        println!("SKIPPED: no static busybox (busybox-static): no container was started");
    }
    bytes
}

/// Two images with a layer in common: a busybox, a marker that is read when the layer is, and a package each.
pub fn images(busybox: Option<&[u8]>) -> [TestImage; 2] {
    let mut base = Tar::new();
    base.folder("bin/").folder("etc/").folder("proc/").folder("sys/").folder("dev/").folder("tmp/");
    if let Some(busybox) = busybox {
        base.file_with_mode("bin/busybox", 0o755, busybox);
        for name in ["sh", "sleep", "rm", "mkdir", "cat", "ln", "dd"] {
            base.symlink(&format!("bin/{name}"), "busybox");
        }
    }
    base.file("etc/marker-of-the-base", &[b'x'; 3_000]).hardlink("etc/second", "etc/marker-of-the-base");
    let base = base.finish();
    ["holed", "scratched"].map(|package| {
        let mut top = Tar::new();
        let json = format!("{{\"name\":\"{package}\",\"version\":\"1.0.0\"}}");
        top.file(&format!("usr/lib/node_modules/{package}/package.json"), json.as_bytes());
        top.gnu_long_name(&format!("opt/{}", "long/".repeat(40))).entry(
            &seaworthy_testkit::Fields { name: b"opt/x", flag: b'5', mode: 0o755, ..Default::default() },
            b"",
        );
        let mut image = TestImage::of([base.clone(), top.finish()]).packed(Packing::Plain);
        image.names = vec![format!("lab/{package}:1")];
        image.run["Cmd"] = serde_json::json!(["/bin/sleep", "1000"]);
        image
    })
}

/// An engine's folder, removed with everything that is still mounted below it.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        // Sockets have short names.
        let path = PathBuf::from(format!("/tmp/swe-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut places: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|at| Path::new(at).starts_with(&self.0))
            .collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(place.len()));
        for place in places {
            let _ = Command::new("umount").args(["-l", place]).status();
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program that must succeed; gives what it printed.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn end(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let _ = child.wait();
}

fn start(command: &mut Command, log: &Path) -> Child {
    let log = File::create(log).expect("a log");
    let errors = log.try_clone().expect("a copy");
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("started")
}

/// A dockerd.
pub struct Dockerd {
    child: Child,
    pub place: Place,
}

impl Dockerd {
    pub fn new(name: &str) -> Self {
        let place = Place::new(name);
        let host = format!("unix://{}", place.text("s"));
        let mut command = Command::new("dockerd");
        command.args(["--data-root", &place.text("data"), "--exec-root", &place.text("exec"), "-H", &host]);
        command.args([
            "--pidfile",
            &place.text("pid"),
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
        ]);
        command.args(["--ip-forward=false", "--ip-masq=false"]);
        let child = start(&mut command, &place.path("log"));
        let docker = Self { child, place };
        let ready = || {
            Command::new("docker").args(["-H", &host, "version"]).output().is_ok_and(|o| o.status.success())
        };
        assert!(wait_for(ready), "{}", fs::read_to_string(docker.place.path("log")).unwrap_or_default());
        docker
    }
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let host = format!("unix://{}", self.place.text("s"));
        run("docker", &[&["-H", &host], arguments].concat())
    }
    /// Runs a command whatever comes of it.
    pub fn output(&self, arguments: &[&str]) -> std::process::Output {
        let host = format!("unix://{}", self.place.text("s"));
        let mut docker = Command::new("docker");
        docker.args(["-H", &host]).args(arguments).stdin(Stdio::null()).output().expect("started")
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // Its containers end with it.
        end(&mut self.child);
    }
}

/// A podman with storage of its own.
pub struct Podman {
    pub place: Place,
}

impl Podman {
    pub fn new(name: &str) -> Self {
        Self { place: Place::new(name) }
    }
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let (root, runroot) = (self.place.text("root"), self.place.text("run"));
        let own =
            ["--root", &root, "--runroot", &runroot, "--runtime", "runc", "--cgroup-manager", "cgroupfs"];
        run("podman", &[&own, arguments].concat())
    }
    /// Starts a container; the limits are those that a machine without CAP_SYS_RESOURCE allows.
    #[track_caller]
    pub fn start(&self, name: &str, image: &str) {
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network", "none"];
        self.run(&[&["run", "-d", "--name", name][..], &limits, &[image]].concat());
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let (root, runroot) = (self.place.text("root"), self.place.text("run"));
        let own =
            ["--root", &root, "--runroot", &runroot, "--runtime", "runc", "--cgroup-manager", "cgroupfs"];
        let _ = Command::new("podman").args(own).args(["rm", "-f", "-a", "-t", "0"]).output();
    }
}

/// A containerd.
pub struct Containerd {
    child: Child,
    pub place: Place,
}

impl Containerd {
    pub fn new(name: &str) -> Self {
        let place = Place::new(name);
        let (root, state, own) = (place.text("root"), place.text("state"), place.text("c.sock"));
        let config = format!(
            "version = 2\nroot = \"{root}\"\nstate = \"{state}\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{own}\"\n[ttrpc]\naddress = \"{}\"\n",
            place.text("t.sock")
        );
        fs::write(place.path("config.toml"), config).expect("written");
        let mut command = Command::new("containerd");
        command.args(["-c", &place.text("config.toml")]);
        let child = start(&mut command, &place.path("log"));
        let containerd = Self { child, place };
        let ready =
            || Command::new("ctr").args(["-a", &own, "version"]).output().is_ok_and(|o| o.status.success());
        assert!(wait_for(ready), "{}", fs::read_to_string(containerd.place.path("log")).unwrap_or_default());
        containerd
    }
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        run("ctr", &[&["-a", &self.place.text("c.sock")], arguments].concat())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let tasks =
            Command::new("ctr").args(["-a", &self.place.text("c.sock"), "tasks", "ls", "-q"]).output();
        let tasks =
            tasks.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for task in tasks.split_whitespace() {
            let socket = self.place.text("c.sock");
            let _ = Command::new("ctr").args(["-a", &socket, "tasks", "kill", "-s", "9", task]).output();
            let gone = || {
                let deleted = Command::new("ctr").args(["-a", &socket, "tasks", "rm", task]).output();
                deleted.is_ok_and(|output| output.status.success())
            };
            wait_for(gone);
        }
        end(&mut self.child);
    }
}

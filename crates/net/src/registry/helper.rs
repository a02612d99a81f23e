//! Credential helpers: `docker-credential-NAME get`, the registry's address on standard input, JSON on
//! standard output (docker-credential-helpers). ECR, GCR and ACR come through theirs. Bounded in time
//! and output; the helper is killed when it takes longer.

use super::world::HelperOutput;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a helper may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const OUTPUT_BYTES_MAX: u64 = 64 << 10;

/// Runs a helper.
pub(super) fn run(program: &str, input: &str, patience: Duration) -> io::Result<HelperOutput> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let result = talk(&mut child, input, patience);
    if result.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    result
}

fn talk(child: &mut Child, input: &str, patience: Duration) -> io::Result<HelperOutput> {
    let end = Instant::now() + patience;
    let late =
        || io::Error::new(io::ErrorKind::TimedOut, format!("no answer after {} s", patience.as_secs()));
    if let Some(mut stdin) = child.stdin.take() {
        // One short line fits into the pipe; a helper that does not read it may be done already.
        match stdin.write_all(input.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    if let Some(stdout) = child.stdout.take() {
        // Not joined: something the helper started may hold the pipe open for ever.
        thread::spawn(move || {
            let mut output = Vec::new();
            let result = stdout.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut output);
            let _ = sender.send(result.map(|_| output));
        });
    }
    let output = receiver.recv_timeout(patience).map_err(|_| late())??;
    if output.len() as u64 > OUTPUT_BYTES_MAX {
        return Err(io::Error::other(format!("it wrote more than {OUTPUT_BYTES_MAX} bytes")));
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(HelperOutput { is_success: status.success(), output });
        }
        if Instant::now() >= end {
            return Err(late());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        let path = path.to_string_lossy().into_owned();
        (folder, path)
    }

    #[test]
    fn helpers_answer_fail_hang_and_babble() {
        let (_folder, path) = script("read host; echo \"$1 $host\"");
        let said = run(&path, "registry.example\n", PATIENCE).expect("it runs");
        assert!(said.is_success);
        assert_eq!(said.output, b"get registry.example\n");
        let (_folder, path) = script("echo no; exit 1");
        assert!(!run(&path, "x", PATIENCE).expect("it runs").is_success);
        let start = Instant::now();
        let (_folder, path) = script("sleep 60");
        let hung = run(&path, "x", Duration::from_millis(200));
        assert_eq!(hung.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        let (_folder, path) = script("exec >&-; sleep 60");
        assert!(run(&path, "x", Duration::from_millis(200)).is_err());
        let (_folder, path) = script("head -c 100000 /dev/zero; sleep 60");
        assert!(run(&path, "x", PATIENCE).is_err());
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(run("docker-credential-that-is-not-there", "x", PATIENCE).is_err());
    }
}

//! Measures whole commands: wall and CPU seconds, and the peak memory of all their processes together.

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Seconds from start to end.
    pub wall: f64,
    /// User and system seconds of all its processes.
    pub cpu: f64,
    /// Peak resident bytes: the sum of each process's own peak, so an upper bound.
    pub memory: u64,
}

impl Sample {
    /// The figures for people.
    pub fn text(&self) -> String {
        format!("{:7.3} s wall {:7.3} s CPU {:6.0} MB", self.wall, self.cpu, self.memory as f64 / 1e6)
    }
}

/// Runs a command; what it prints is thrown away. Exit codes up to 3 are answers, not failures.
pub fn measure(program: &str, arguments: &[&str]) -> Result<Sample> {
    let before = children_cpu()?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let mut peaks: BTreeMap<u32, u64> = BTreeMap::new();
    let status = loop {
        note_peaks(child.id(), &mut peaks);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = start.elapsed().as_secs_f64();
    let cpu = children_cpu()? - before;
    if status.code().is_none_or(|code| code > 3) {
        anyhow::bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    if status.code() == Some(2) && program.ends_with("seaworthy") {
        anyhow::bail!("{program} {} failed", arguments.join(" "));
    }
    Ok(Sample { wall, cpu, memory: peaks.values().sum() })
}

/// The run with the least CPU time out of several; memory is the most of all.
pub fn best(runs: usize, mut run: impl FnMut() -> Result<Sample>) -> Result<Sample> {
    let mut best = run()?;
    for _ in 1..runs.max(1) {
        let next = run()?;
        best.wall = best.wall.min(next.wall);
        best.cpu = best.cpu.min(next.cpu);
        best.memory = best.memory.max(next.memory);
    }
    Ok(best)
}

fn children_cpu() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Notes the peak of a process and of all below it.
fn note_peaks(process: u32, peaks: &mut BTreeMap<u32, u64>) {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return };
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    if let Some(kilobytes) = peak {
        let known = peaks.entry(process).or_default();
        *known = (*known).max(kilobytes * 1024);
    }
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return };
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
            note_peaks(child, peaks);
        }
    }
}

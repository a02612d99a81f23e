//! The lock of the parsing child: Landlock takes away the file system and TCP, seccomp every system
//! call that parsing does not need. Applied before the first thread. Each half that the kernel
//! lacks becomes an info note, never a silent loss.
//!
//! Sources: landlock(7), seccomp(2). Refused calls answer EPERM, so a library that probes goes on.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use seaworthy_types::Note;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

/// What the child may still open.
#[derive(Clone, Copy)]
pub enum Files<'a> {
    /// Nothing: it reads descriptors it already has.
    None,
    /// Read files beneath this folder.
    Beneath(BorrowedFd<'a>),
}

/// Locks this process for good. Must run while it has one thread.
pub fn lock(files: Files<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Err(why) = lock_files(files) {
        notes.push(Note::info(
            "jail-partly",
            "jail",
            "landlock",
            format!("the parsing process could not be fenced off from files: {why}"),
        ));
    }
    if let Err(why) = lock_calls(files) {
        notes.push(Note::info(
            "jail-partly",
            "jail",
            "seccomp",
            format!("the parsing process could not be held to few system calls: {why}"),
        ));
    }
    notes
}

fn lock_files(files: Files<'_>) -> Result<(), String> {
    let abi = ABI::V6;
    let describe = |error: landlock::RulesetError| error.to_string();
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .map_err(describe)?
        .handle_access(AccessNet::from_all(abi))
        .map_err(describe)?
        .scope(Scope::from_all(abi))
        .map_err(describe)?
        .create()
        .map_err(describe)?;
    if let Files::Beneath(folder) = files {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        ruleset = ruleset.add_rule(PathBeneath::new(folder, read)).map_err(describe)?;
    }
    match ruleset.restrict_self().map_err(describe)?.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock".into()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

/// System calls that reading, hashing and threads need.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_sched_yield,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_dup,
    libc::SYS_nanosleep,
    libc::SYS_getpid,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_clone,
    libc::SYS_exit,
    libc::SYS_fcntl,
    libc::SYS_sigaltstack,
    libc::SYS_prctl,
    libc::SYS_gettid,
    libc::SYS_futex,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit_group,
    libc::SYS_tgkill,
    libc::SYS_set_robust_list,
    libc::SYS_prlimit64,
    libc::SYS_getrandom,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_clone3,
    libc::SYS_fstatfs,
];

/// System calls that walking a folder needs besides.
const FOLDER_CALLS: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_getdents64,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
];

fn lock_calls(files: Files<'_>) -> Result<(), String> {
    let folder = match files {
        Files::None => &[][..],
        Files::Beneath(_) => FOLDER_CALLS,
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().chain(folder).map(|number| (*number, Vec::new())).collect();
    // Facts about a descriptor that is already open; with a path only where folders are walked.
    let describe = |error: seccompiler::BackendError| error.to_string();
    let empty_path = libc::AT_EMPTY_PATH as u64;
    for (number, flags_argument) in [(libc::SYS_statx, 2), (libc::SYS_newfstatat, 3)] {
        let of_descriptor = SeccompCondition::new(
            flags_argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(empty_path),
            empty_path,
        )
        .map_err(describe)?;
        rules.entry(number).or_insert(vec![SeccompRule::new(vec![of_descriptor]).map_err(describe)?]);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let filter =
        SeccompFilter::new(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow, arch)
            .map_err(|error| error.to_string())?;
    let program: BpfProgram =
        filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

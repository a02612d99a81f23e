//! What can go wrong with an engine, each with what to try.

use std::io;

/// Why an engine gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither storage nor socket is there.
    #[error(
        "{engine} was not found on this machine: no storage at {}, no socket\nTry: start it, or name its storage with --engine-root or its socket with --socket.",
        list(looked)
    )]
    NotFound {
        /// Which engine.
        engine: &'static str,
        /// Where storage was looked for.
        looked: Vec<String>,
    },
    /// It is there and may not be read.
    #[error("{engine}: `{place}` may not be read by this user\nTry: {advice}")]
    Denied {
        /// Which engine.
        engine: &'static str,
        /// What may not be read.
        place: String,
        /// What to try.
        advice: String,
    },
    /// No image or container of that name.
    #[error("{engine} has no {what} `{name}`{}", near(offered, *total))]
    NoSuch {
        /// Which engine.
        engine: String,
        /// `image` or `container`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// Names that look like it, the nearest first.
        offered: Vec<String>,
        /// How many there are in all.
        total: usize,
    },
    /// The name means several.
    #[error("{engine}: `{name}` means several {what}s: {}; name one of them, or write more of its id", offered.join(", "))]
    Ambiguous {
        /// Which engine, or engines.
        engine: String,
        /// `image` or `container`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What it means.
        offered: Vec<String>,
    },
    /// What the engine keeps contradicts itself or is of an unknown kind.
    #[error(
        "{engine}: {what}: {why}\nTry: save the image (`docker save`, `podman save`, `ctr images export`) and scan the archive."
    )]
    Storage {
        /// Which engine.
        engine: &'static str,
        /// What was read.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The engine's socket gave no usable answer.
    #[error("{engine} at `{socket}`: {why}")]
    Socket {
        /// Which engine.
        engine: &'static str,
        /// Where.
        socket: String,
        /// What happened, and what to try.
        why: String,
    },
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn near(offered: &[String], total: usize) -> String {
    match offered {
        [] => "; it has none at all".into(),
        offered if offered.len() == total => format!("; there is: {}", offered.join(", ")),
        offered => format!("; nearest of {total}: {}", offered.join(", ")),
    }
}

//! What can go wrong with a registry, each with what to try. No text holds a secret: addresses are shown
//! without query and user, and what a server says is clipped.

use super::cause::Cause;
use seaworthy_types::Digest;
use std::time::Duration;

/// Why a registry gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection, or it broke or stalled.
    #[error("{what} did not come through: {host} {cause}\n{}", cause.advice())]
    Unreachable {
        /// What was wanted.
        what: String,
        /// From where.
        host: String,
        /// Why.
        cause: Cause,
    },
    /// 401: not logged in, or the login was refused.
    #[error(
        "{what}: {host} wants a login (401){}\nTry: `docker login {registry}` or `podman login {registry}`, or set SEAWORTHY_REGISTRY_USER and SEAWORTHY_REGISTRY_PASSWORD; check the spelling too: some registries answer so when there is no such repository.",
        looked(tried)
    )]
    Login {
        /// What was wanted.
        what: String,
        /// Who refused: the registry or its login server.
        host: String,
        /// The registry to log in to.
        registry: String,
        /// Which login was used, or where one was looked for.
        tried: String,
    },
    /// The registry offers only logins that this program does not know.
    #[error(
        "{what}: {host} wants a login of a kind that is not known here ({offered})\nTry: a password or token login of that registry; Basic and Bearer are known."
    )]
    LoginKind {
        /// What was wanted.
        what: String,
        /// Who.
        host: String,
        /// The schemes it offered.
        offered: String,
    },
    /// 403.
    #[error(
        "{what}: {host} refuses it (403); the login has no right to pull, or the address is blocked\nTry: ask for the right to pull from this repository, or log in as somebody who has it."
    )]
    Denied {
        /// What was wanted.
        what: String,
        /// Who refused.
        host: String,
    },
    /// 403 for a push.
    #[error(
        "{what}: {host} refuses it (403){}; the login has no right to push\nTry: ask for the right to push to this repository, or log in as somebody who has it.",
        quoted(said)
    )]
    PushDenied {
        /// What was to be pushed.
        what: String,
        /// Who refused.
        host: String,
        /// First words of the answer, when it was text.
        said: String,
    },
    /// 405 for a push.
    #[error(
        "{what}: {host} takes nothing (405): it is read-only, or a cache of another registry\nTry: push to the registry behind it."
    )]
    ReadOnly {
        /// What was to be pushed.
        what: String,
        /// Who.
        host: String,
    },
    /// 404 for a push.
    #[error(
        "{what}: {host} knows no such repository (404){}\nTry: create the repository there first: not every registry makes it with the first push; check the spelling.",
        quoted(said)
    )]
    NoRepository {
        /// What was to be pushed.
        what: String,
        /// Who.
        host: String,
        /// First words of the answer, when it was text.
        said: String,
    },
    /// 413 for a push, also in pieces.
    #[error(
        "{what}: {host} does not take so much (413)\nTry: ask the registry's operator to raise the limit of the registry or of the proxy before it."
    )]
    TooLargeThere {
        /// What was to be pushed.
        what: String,
        /// Who.
        host: String,
    },
    /// Any other refusal of a push.
    #[error(
        "{what}: {host} does not take it (HTTP {status}){}\nTry: is there room, is the tag immutable, and does the registry take this kind of manifest (OCI 1.1)?",
        quoted(said)
    )]
    Rejected {
        /// What was to be pushed.
        what: String,
        /// Who.
        host: String,
        /// HTTP status.
        status: u16,
        /// First words of the answer, when it was text.
        said: String,
    },
    /// What was to be pushed could not be read here.
    #[error(
        "{what}: it could not be read here: {detail}\nTry: is the file whole, and did nobody change it meanwhile?"
    )]
    Source {
        /// What was to be pushed.
        what: String,
        /// Why.
        detail: String,
    },
    /// 404.
    #[error(
        "{what} is not at {host} (404)\nTry: check the spelling of the repository and the tag; some registries also answer so when a login is missing."
    )]
    NotFound {
        /// What was wanted.
        what: String,
        /// Who was asked.
        host: String,
    },
    /// 429 after all tries, or with a wait that is too long.
    #[error("{what}: {host} answers too many requests (429){}\nTry: wait, log in (limits are higher with a login), or name a mirror.", wait_text(*wait))]
    TooMany {
        /// What was wanted.
        what: String,
        /// Who.
        host: String,
        /// What it told us to wait.
        wait: Option<Duration>,
    },
    /// 5xx after all tries.
    #[error("{what}: {host} has trouble (HTTP {status}), {tries} tries{}\nTry: again later, or name a mirror.", wait_text(*wait))]
    Trouble {
        /// What was wanted.
        what: String,
        /// Who.
        host: String,
        /// HTTP status.
        status: u16,
        /// How often it was asked.
        tries: u32,
        /// What it told us to wait.
        wait: Option<Duration>,
    },
    /// Any other status.
    #[error(
        "{what}: {host} answered HTTP {status}{}\nTry: is it a registry (OCI distribution or Docker v2) that listens there?",
        quoted(said)
    )]
    Status {
        /// What was wanted.
        what: String,
        /// Who.
        host: String,
        /// HTTP status.
        status: u16,
        /// First words of the answer, when it was text.
        said: String,
    },
    /// A web page instead of data.
    #[error(
        "{what}: {url} answered with a web page instead of data; probably a login in a browser or a proxy's page stands before the registry\nTry: log in there with a browser once, use a token login (`docker login`), or check the proxy settings."
    )]
    Browser {
        /// What was wanted.
        what: String,
        /// Where.
        url: String,
    },
    /// A redirect that is not followed.
    #[error(
        "{what}: {host} redirects to {to}, which is not followed: {reason}\nTry: tell the registry's operator; this is a wrong setting or an attack."
    )]
    Redirect {
        /// What was wanted.
        what: String,
        /// Who redirects.
        host: String,
        /// Where to.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// A login server that gets no credentials.
    #[error(
        "{host} sends logins to {realm}, which is not followed: {reason}\nTry: tell the registry's operator; no credentials were sent."
    )]
    Realm {
        /// Who.
        host: String,
        /// Where to.
        realm: String,
        /// Why not.
        reason: &'static str,
    },
    /// More bytes than allowed.
    #[error(
        "{what} from {host} is larger than {bytes_max} bytes and was not read further\nTry: is it an image? Manifests are small; the limit is the specification's."
    )]
    TooLarge {
        /// What.
        what: String,
        /// From where.
        host: String,
        /// Bound.
        bytes_max: u64,
    },
    /// The bytes are not those that were named.
    #[error(
        "{what} from {host} has the digest {found}, wanted was {wanted}; the bytes were not used\nTry: again; if it stays, the registry, a mirror or a proxy between changes data."
    )]
    Digest {
        /// What.
        what: String,
        /// From where.
        host: String,
        /// Named.
        wanted: Digest,
        /// Computed.
        found: Digest,
    },
    /// The length is not the one that was named.
    #[error(
        "{what} from {host} has {found} bytes, its descriptor says {wanted}; the bytes were not used\nTry: again; if it stays, the image was pushed wrongly or something between changes data."
    )]
    Length {
        /// What.
        what: String,
        /// From where.
        host: String,
        /// Named.
        wanted: u64,
        /// Offered: at least.
        found: u64,
    },
    /// Not a manifest we read.
    #[error(
        "{what} from {host} has the media type `{media_type}`, which is no image manifest or index{}",
        media_advice(media_type)
    )]
    MediaType {
        /// What.
        what: String,
        /// From where.
        host: String,
        /// Said.
        media_type: String,
    },
    /// Malformed.
    #[error("{what} from {host} is malformed: {detail}\nTry: was the image pushed whole? Push it again.")]
    Malformed {
        /// What.
        what: String,
        /// From where.
        host: String,
        /// How.
        detail: String,
    },
    /// The index has nothing for the platform.
    #[error("{what} has nothing for {wanted}; it offers {offered}\nTry: --platform with one of these.")]
    Platform {
        /// What.
        what: String,
        /// Asked for.
        wanted: String,
        /// There is.
        offered: String,
    },
    /// A file of ours: credentials, certificates.
    #[error(
        "{path} could not be used: {detail}\nTry: repair or remove the file; it is read for logins and certificates of registries."
    )]
    File {
        /// Which file.
        path: String,
        /// Why.
        detail: String,
    },
    /// A credential helper failed.
    #[error(
        "the credential helper {program} failed for {registry}: {detail}\nTry: run it by hand (`echo {registry} | {program} get`), or log in anew."
    )]
    Helper {
        /// Program.
        program: String,
        /// For which registry.
        registry: String,
        /// Why.
        detail: String,
    },
    /// A setting of this machine forbids it.
    #[error(
        "{image} is blocked by {file}; nothing was asked\nTry: ask who keeps that file, or take the image from another registry."
    )]
    Blocked {
        /// The image.
        image: String,
        /// Where it stands.
        file: String,
    },
    /// An option that cannot be.
    #[error("{0}")]
    Option(String),
    /// Every place failed; the last is the registry itself.
    #[error("{last}\nThese places were tried too: {}", mirrors.join("; "))]
    Everywhere {
        /// First lines of what the mirrors gave.
        mirrors: Vec<String>,
        /// The registry's own answer.
        last: Box<Error>,
    },
}

impl Error {
    /// The first line.
    pub fn headline(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }
    /// Whether the place itself is out of order, and not only what was asked for.
    pub(super) fn is_an_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Trouble { .. } | Self::TooMany { .. })
    }
    /// Whether another place may have what this one did not give. A local fault stays everywhere.
    pub(super) fn is_of_the_place(&self) -> bool {
        !matches!(self, Self::Option(_) | Self::Platform { .. })
    }
}

fn looked(tried: &str) -> String {
    if tried.is_empty() { String::new() } else { format!("; {tried}") }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn wait_text(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!("; it says to wait {} s", wait.as_secs()))
}

fn media_advice(media_type: &str) -> String {
    if super::media::DOCKER_SCHEMA_1.contains(&media_type) {
        "\nIt is a Docker manifest of schema 1, which has no verifiable configuration and was given up in 2019.\nTry: pull and push the image again with a present Docker, or `skopeo copy --format oci`.".into()
    } else {
        "\nTry: is it an image? Helm charts, signatures and other artifacts cannot be scanned as one.".into()
    }
}

/// What a server says, safe to show: one line, clipped, printable.
pub(crate) fn clip(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(200).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

//! Readers of software bills of materials: an SBOM enters the pipeline as an inventory.

use crate::json::{Json, Name};
use crate::loose::{NO_ROOM, begin_document_of, charge};
use seaworthy_types::{About, ImageFacts, Inventory, Limits, Outcome, TargetKind};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;

// tidy:begin
pub mod cyclonedx;
pub mod spdx;
pub mod spdx_3;

/// Every reader of software bills of materials, sorted by name.
pub const ALL: &[&dyn SbomReader] = &[cyclonedx::READER, spdx::READER, spdx_3::READER];
// tidy:end

/// Names and versions of the readers, for cache keys.
pub fn fingerprint() -> String {
    ALL.iter().map(|reader| format!("{} {}\n", reader.about().name, reader.about().version)).collect()
}

/// What a document says. Notes that our own documents carry come as notes of the outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SbomContent {
    /// Packages, operating system, evidence.
    pub inventory: Inventory,
    /// The image it was made from; only our own documents say enough.
    pub image: Option<ImageFacts>,
    /// What the document is about, as it names it.
    pub target_name: Option<String>,
    /// What the document was made from; only our own documents say so.
    pub target_kind: Option<TargetKind>,
}

/// Reads one SBOM format.
pub trait SbomReader: Sync {
    /// Name, version, coverage.
    fn about(&self) -> &'static About;
    /// Whether the document looks like this format; `document` is parsed JSON.
    fn recognises(&self, document: &Json<'_>) -> bool;
    /// The packages of the document. What has no usable identity becomes a gap note.
    fn read(&self, document: &Json<'_>, limits: &Limits) -> Outcome<SbomContent>;
}

/// Why a document could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// Larger than the limit.
    #[error("the document has {size} bytes; the limit for one record is {max}: raise --max-memory")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// Its values take more memory than there is.
    #[error("{NO_ROOM}: raise --max-memory")]
    TooManyValues,
    /// A known kind of document that no reader reads.
    #[error("{what} cannot be read; {SUPPORTED}. {advice}")]
    Unsupported {
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Not JSON.
    #[error("the document is neither valid JSON nor a known kind of SBOM; {SUPPORTED}")]
    Json(#[from] serde_json::Error),
    /// JSON of another kind.
    #[error("this JSON is no SBOM that we know; {SUPPORTED}")]
    Unknown,
}

/// Named by every error, so that nobody has to look it up.
const SUPPORTED: &str =
    "supported are CycloneDX JSON 1.2 to 1.7, SPDX JSON 2.2 and 2.3, and SPDX 3.0 JSON-LD";

/// Reads a document of any supported format. In-toto statements are opened.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Outcome<SbomContent>, SbomError> {
    let size = bytes.len() as u64;
    if size > limits.record_bytes_max {
        return Err(SbomError::TooLarge { size, max: limits.record_bytes_max });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Some(error) = unsupported_text(bytes) {
        return Err(error);
    }
    // Documents of real tools take two bytes for each of their text, so the largest take a third.
    begin_document_of(usize::try_from(limits.memory_bytes_max / 20 * 9).unwrap_or(usize::MAX));
    let TopLevel(mut document) = serde_json::from_slice(bytes).map_err(no_room)?;
    // A statement may hold a statement only once: `Data` is how older cosign wraps a predicate.
    for key in ["predicate", "Data"] {
        let wraps = key == "Data" || document.get("predicateType").is_some();
        if let Some(inner) = document.get_mut(key).filter(|inner| wraps && inner.is_object()) {
            document = inner.take();
        }
    }
    match ALL.iter().find(|reader| reader.recognises(&document)) {
        Some(reader) => Ok(reader.read(&document, limits)),
        None => Err(unsupported_json(&document)),
    }
}

fn no_room(error: serde_json::Error) -> SbomError {
    match error.is_data() && error.to_string().starts_with(NO_ROOM) {
        true => SbomError::TooManyValues,
        false => SbomError::Json(error),
    }
}

/// A document without the values of top-level lists that no reader reads; they may be the larger
/// half. That such a list had members stays visible.
struct TopLevel<'a>(Json<'a>);

const UNREAD: [&str; 2] = ["dependencies", "vulnerabilities"];

impl<'de> Deserialize<'de> for TopLevel<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopLevelVisitor).map(Self)
    }
}

struct TopLevelVisitor;

impl<'de> Visitor<'de> for TopLevelVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        let mut names = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            charge::<(Cow<'_, str>, Json<'_>, Cow<'_, str>), _>()?;
            // Of two lists of packages other readers may take the other one: neither is believed.
            if !names.insert(name.clone()) {
                let name = crate::component::clipped(&name, 40);
                return Err(serde::de::Error::custom(format!("`{name}` stands twice in the document")));
            }
            let value = match UNREAD.contains(&name.as_ref()) {
                true => Json::Array(map.next_value::<Unread>()?.0),
                false => map.next_value()?,
            };
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Array(Vec::new()))
    }
}

/// A list reduced to whether it has members.
struct Unread(Vec<Json<'static>>);

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(UnreadVisitor)
            .map(|some| Self(if some { vec![Json::Null] } else { Vec::new() }))
    }
}

struct UnreadVisitor;

impl<'de> Visitor<'de> for UnreadVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let mut some = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            some = true;
        }
        Ok(some)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}

/// An SBOM names itself within this many bytes.
pub const HEAD_BYTES: usize = 64 << 10;

/// Whether a file that starts so is an SBOM of any kind, supported or not, by what such a document must
/// say of itself.
pub fn looks_like(head: &[u8]) -> bool {
    let text = start(head);
    if text.starts_with('{') {
        let marks = [
            "\"bomFormat\"",
            "cyclonedx.org/schema/bom",
            "\"spdxVersion\"",
            "\"SPDXID\"",
            "spdx.org/rdf/3",
            "spdx.github.io/spdx-spec/v3",
        ];
        return marks.iter().any(|mark| text.contains(mark));
    }
    foreign(&text).is_some()
}

/// The first characters, without what may stand before a document.
fn start(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(bytes.get(..HEAD_BYTES).unwrap_or(bytes));
    head.trim_start_matches('\u{feff}').trim_start().to_owned()
}

const ADVICE_CYCLONEDX: &str = "Convert it: cyclonedx convert --output-format json";
const ADVICE_SPDX: &str =
    "Convert it to SPDX JSON with the tools of SPDX (pyspdxtools -i FILE -o FILE.spdx.json)";

/// A form of SBOM that no reader reads, and what to do with it. A mere mention of a format, as in the
/// build file of a project, is not enough.
fn foreign(text: &str) -> Option<(&'static str, &'static str)> {
    let line = |start: &str| text.lines().any(|line| line.starts_with(start));
    match text.as_bytes().first()? {
        b'<' if text.contains("=\"http://cyclonedx.org/schema/bom") => {
            Some(("CycloneDX in XML", ADVICE_CYCLONEDX))
        }
        b'<' if text.contains("http://spdx.org/rdf/terms") => Some(("SPDX in RDF or XML", ADVICE_SPDX)),
        b'@' if text.contains("spdx.org/rdf/") => Some(("SPDX in RDF (Turtle)", ADVICE_SPDX)),
        b'S' | b'#' if line("SPDXVersion:") => Some(("SPDX in tag-value form", ADVICE_SPDX)),
        b'{' | b'<' => None,
        _ if line("spdxVersion:") => Some(("SPDX in YAML", ADVICE_SPDX)),
        _ => None,
    }
}

fn unsupported_text(bytes: &[u8]) -> Option<SbomError> {
    let head = start(bytes);
    let other = || match head.as_bytes() {
        [b'<', ..] => Some(("XML", "Make the document in JSON")),
        // Nobody writes JSON in UTF-16 but the shells of Windows, when output is redirected.
        [..] if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
            Some(("Text in UTF-16", "Convert it: iconv -f UTF-16 -t UTF-8"))
        }
        _ => None,
    };
    let (what, advice) = foreign(&head).or_else(other)?;
    Some(SbomError::Unsupported { what, advice })
}

fn unsupported_json(document: &Json<'_>) -> SbomError {
    if document.get("payloadType").is_some() && document.get("payload").is_some() {
        return SbomError::Unsupported {
            what: "A signed envelope (DSSE)",
            advice: "Take the statement out: jq -r .payload FILE | base64 -d",
        };
    }
    if document.get("artifacts").is_some_and(Json::is_array) && document.get("descriptor").is_some() {
        return SbomError::Unsupported {
            what: "Syft's own JSON",
            advice: "Make the document with: syft IMAGE -o cyclonedx-json",
        };
    }
    SbomError::Unknown
}

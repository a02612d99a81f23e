//! Readers of software bills of materials: an SBOM enters the pipeline as an inventory.

use crate::json::Json;
use seaworthy_types::{About, ImageFacts, Inventory, Limits, Outcome, TargetKind};

// tidy:begin
pub mod cyclonedx;
pub mod spdx;
pub mod spdx_3;

/// Every reader of software bills of materials, sorted by name.
pub const ALL: &[&dyn SbomReader] = &[cyclonedx::READER, spdx::READER, spdx_3::READER];
// tidy:end

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
    let mut document: Json<'_> = serde_json::from_slice(bytes)?;
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

/// Whether the document looks like an SBOM of any kind, supported or not.
pub fn looks_like(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head.get(..4096).unwrap_or(head));
    ["CycloneDX", "cyclonedx.org", "spdxVersion", "SPDXVersion", "spdx.org"]
        .iter()
        .any(|word| text.contains(word))
}

fn unsupported_text(bytes: &[u8]) -> Option<SbomError> {
    let head = String::from_utf8_lossy(bytes.get(..4096).unwrap_or(bytes));
    let head = head.trim_start();
    let unsupported = |what, advice| Some(SbomError::Unsupported { what, advice });
    if head.starts_with('<') {
        return match () {
            () if head.contains("cyclonedx") => {
                unsupported("CycloneDX in XML", "Convert it: cyclonedx convert --output-format json")
            }
            () if head.contains("spdx") => {
                unsupported("SPDX in RDF or XML", "Convert it to SPDX JSON with the SPDX tools")
            }
            () => unsupported("XML", "Make the document in JSON"),
        };
    }
    if head.starts_with("SPDXVersion:") || (head.starts_with('#') && head.contains("\nSPDXVersion:")) {
        return unsupported("SPDX in tag-value form", "Convert it to SPDX JSON with the SPDX tools");
    }
    if !head.starts_with('{') && head.contains("spdxVersion:") {
        return unsupported("SPDX in YAML", "Convert it to SPDX JSON with the SPDX tools");
    }
    None
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

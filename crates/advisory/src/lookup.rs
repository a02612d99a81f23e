//! How matching asks for data: implemented by the installed database, by the starter set and by
//! tests.

use crate::Loss;
use seaworthy_types::{Advisory, Affected, DataSource, Enrichment, Timestamp};

/// One advisory's word on one package.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The advisory, its `affected` list left empty.
    pub advisory: Advisory,
    /// Its word on the package that was asked for.
    pub affected: Affected,
    /// The vulnerabilities it speaks of: one for most, one per CVE for bulletins. Computed at
    /// import over all feeds, so that aliases of aliases are known.
    pub vulnerabilities: Vec<Vulnerability>,
}

/// A vulnerability under its main id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vulnerability {
    /// CVE id if there is one, else the best other id.
    pub id: String,
    /// Other ids, sorted; never a second CVE id, never a bulletin.
    pub aliases: Vec<String>,
}

/// Why data could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// A stored block fails its checksum or cannot be decoded.
    #[error("the data of `{shard}` are damaged ({what}); run `seaworthy db update` to install them anew")]
    Damaged {
        /// Shard that is damaged.
        shard: String,
        /// What failed.
        what: String,
    },
    /// The file cannot be read.
    #[error("the data of `{shard}` cannot be read: {source_text}")]
    Unreadable {
        /// Shard that cannot be read.
        shard: String,
        /// The system's words.
        source_text: String,
    },
}

/// Answers questions about packages and vulnerabilities.
pub trait Lookup: Sync {
    /// What is known of a shard (`debian:12`, `npm`), `None` when there is none.
    fn source(&self, shard: &str) -> Option<DataSource>;
    /// Records on a package of a shard whose word on it is `wanted`; the name is in its ecosystem's
    /// canonical form, in the order in which they were wanted; some may be left out after all. The
    /// advisories of all others are not read: most say nothing of the installed version.
    fn records_where(
        &self,
        shard: &str,
        package: &str,
        wanted: &mut dyn FnMut(&Affected) -> bool,
    ) -> Result<Vec<Record>, LookupError>;
    /// All records on a package of a shard.
    fn records(&self, shard: &str, package: &str) -> Result<Vec<Record>, LookupError> {
        self.records_where(shard, package, &mut |_| true)
    }
    /// What import lost of a shard.
    fn lost(&self, shard: &str) -> &[Loss] {
        let _ = shard;
        &[]
    }
    /// Until when the data are fresh by the word of who published them; `None` when nobody said.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
    /// Whether a shard is in the publication that the data were fetched from, and is not installed.
    fn is_left_out(&self, shard: &str) -> bool {
        let _ = shard;
        false
    }
    /// What is known of a vulnerability besides packages; empty when nothing is.
    fn enrichment(&self, id: &str) -> Result<Enrichment, LookupError>;
    /// Package names of a shard whose last part (after `:` or `/`) is `name`, sorted: candidates
    /// for software that carries an incomplete name.
    fn names_ending(&self, shard: &str, name: &str) -> Result<Vec<String>, LookupError>;
}

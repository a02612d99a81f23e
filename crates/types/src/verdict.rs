//! The answer: may it sail?

use serde::{Deserialize, Serialize};

/// What the policy decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may sail.
    Allow,
    /// It may sail, and somebody should look.
    Warn,
    /// It may not sail.
    Deny,
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// True when an unaccepted gap means that something was not seen.
    pub incomplete: bool,
    /// One sentence each, most important first.
    pub reasons: Vec<String>,
    /// Ids of the findings that made it `Deny`, in report order.
    pub blocking: Vec<String>,
    /// The rule that was applied, in one sentence.
    pub rule: String,
}

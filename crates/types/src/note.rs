//! Notes: what a stage could not see, or what people should know about how it saw it.

use serde::{Deserialize, Serialize};

/// How much a note weighs (DESIGN, law 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Worth knowing; nothing was lost.
    Info,
    /// Something was not seen: the result is incomplete.
    Gap,
}

/// One remark of one unit about one subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    /// Whether the result is still complete.
    pub grade: Grade,
    /// Stable name of the kind of remark in kebab case; gaps are accepted by this name.
    pub code: String,
    /// The unit that remarks (`dpkg`, `layer`, `match`).
    pub unit: String,
    /// What it is about: a path, a layer, a package; may be empty.
    pub subject: String,
    /// One sentence: what was lost or seen, and what to do when something can be done.
    pub detail: String,
}

impl Note {
    /// A remark that takes nothing away from the result.
    pub fn info(code: &str, unit: &str, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Grade::Info, code, unit, subject.into(), detail.into())
    }
    /// A remark that makes the result incomplete.
    pub fn gap(code: &str, unit: &str, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Grade::Gap, code, unit, subject.into(), detail.into())
    }
    fn new(grade: Grade, code: &str, unit: &str, subject: String, detail: String) -> Self {
        Self { grade, code: code.into(), unit: unit.into(), subject, detail }
    }
}

/// A value, and what was lost on the way to it. Odd input gives notes; `Err` is for stages that
/// could not run at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome<T> {
    /// What the stage made.
    pub value: T,
    /// What it could not see, in no particular order.
    pub notes: Vec<Note>,
}

impl<T> Outcome<T> {
    /// A value with nothing to remark.
    pub fn clean(value: T) -> Self {
        Self { value, notes: Vec::new() }
    }
    /// Changes the value and keeps the notes.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome { value: change(self.value), notes: self.notes }
    }
    /// Moves the notes into `notes` and gives the value.
    pub fn take(self, notes: &mut Vec<Note>) -> T {
        notes.extend(self.notes);
        self.value
    }
}

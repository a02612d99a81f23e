//! Notes about many entries of one kind, folded into one note with an example and a count.

use seaworthy_types::{Grade, Note};
use std::collections::BTreeMap;

/// Collects remarks; a code is written once however often it occurs.
#[derive(Debug, Default)]
pub(crate) struct Notebook {
    lines: BTreeMap<&'static str, Line>,
}

#[derive(Debug)]
struct Line {
    grade: Grade,
    subject: String,
    detail: String,
    count: u64,
}

impl Notebook {
    /// Something was lost.
    pub fn gap(&mut self, code: &'static str, subject: &str, detail: &str) {
        self.add(Grade::Gap, code, subject, detail);
    }

    /// Worth knowing.
    pub fn info(&mut self, code: &'static str, subject: &str, detail: &str) {
        self.add(Grade::Info, code, subject, detail);
    }

    fn add(&mut self, grade: Grade, code: &'static str, subject: &str, detail: &str) {
        let line = self.lines.entry(code).or_insert_with(|| Line {
            grade,
            subject: subject.chars().take(512).collect(),
            detail: detail.to_owned(),
            count: 0,
        });
        line.count += 1;
        line.grade = line.grade.max(grade);
    }

    /// The notes, by code.
    pub fn finish(self, unit: &str) -> Vec<Note> {
        let note = |(code, line): (&str, Line)| {
            let detail = match line.count {
                1 => line.detail,
                count => format!("{} (and {} more like it)", line.detail, count - 1),
            };
            match line.grade {
                Grade::Info => Note::info(code, unit, line.subject, detail),
                Grade::Gap => Note::gap(code, unit, line.subject, detail),
            }
        };
        self.lines.into_iter().map(note).collect()
    }
}

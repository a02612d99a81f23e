//! Feeds: first byte the feed, the rest its file. What comes out is counted and encoded as the database
//! stores it, because that is where it goes.

use seaworthy_advisory::database::stored;
use seaworthy_advisory::feed::{ALL, Sink};
use seaworthy_types::{Advisory, Enrichment, Note};
use std::io::Cursor;

#[derive(Default)]
struct Counter {
    advisories: usize,
    enrichments: usize,
    notes: usize,
}

impl Sink for Counter {
    fn advisory(&mut self, advisory: Advisory) {
        self.advisories += 1;
        assert!(!advisory.id.is_empty(), "an advisory has an id");
        let bytes = [stored::encode_vulnerabilities(&[]), stored::encode_advisory(&advisory)].concat();
        let (_, again) = stored::decode_advisory(&bytes).expect("what is stored can be read");
        let affected = advisory.affected.clone();
        assert_eq!(Advisory { affected, ..again }, advisory, "what is stored comes back");
    }
    fn enrichment(&mut self, _id: &str, enrichment: Enrichment) {
        self.enrichments += 1;
        let bytes = stored::encode_enrichment(&enrichment);
        assert!(stored::decode_enrichment(&bytes).is_ok(), "what is stored can be read");
    }
    fn note(&mut self, _note: Note) {
        self.notes += 1;
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((feed, rest)) = crate::choose(ALL, data) else { return };
    let mut counter = Counter::default();
    let result = feed.read("case", &mut Cursor::new(rest.to_vec()), &mut counter);
    let said = counter.advisories + counter.enrichments + counter.notes;
    assert!(said <= rest.len() + 16, "{}: {said} answers from {} bytes", feed.about().name, rest.len());
    if let Err(error) = result {
        assert!(!error.to_string().is_empty());
    }
}

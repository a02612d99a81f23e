//! Whiteouts and what a layer itself holds under their names.

use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerFacts, LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::Limits;

const STATUS: &str = "var/lib/dpkg/status";
const BODY: &[u8] = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n";

fn layer(entries: &[(&str, EntryKind)]) -> LayerFacts {
    let matcher = Matcher::new(units_for(Target::Image));
    let limits = Limits::default();
    let mut reader = LayerReader::new(&matcher, &limits);
    for (index, (path, kind)) in (0..).zip(entries) {
        let body = if *kind == EntryKind::File { BODY } else { b"" };
        let size = body.len() as u64;
        let entry = Entry { path, kind: *kind, mode: 0, uid: 0, gid: 0, size, link: "" };
        if reader.entry(&entry, body) == Want::Content {
            reader.content(index, Content::Whole(body));
        }
    }
    reader.finish(Vec::new())
}

fn packages(layers: &[&LayerFacts]) -> usize {
    assemble(layers, Target::Image).value.packages.len()
}

#[test]
fn a_whiteout_hides_lower_layers_only() {
    let file = (STATUS, EntryKind::File);
    let hidden = [(STATUS, EntryKind::Whiteout), ("var/lib/dpkg", EntryKind::OpaqueFolder)];
    for hidden in hidden {
        let (before, after) = (layer(&[hidden, file]), layer(&[file, hidden]));
        assert_eq!((packages(&[&before]), packages(&[&after])), (1, 1), "{hidden:?}");
        let (low, high) = (layer(&[file]), layer(&[hidden]));
        assert_eq!(packages(&[&low, &high]), 0, "{hidden:?}");
        assert_eq!(packages(&[&low, &high, &low]), 1, "{hidden:?}");
    }
}

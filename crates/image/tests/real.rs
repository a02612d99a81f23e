//! The real images of the recipe, where they lie: `SEAWORTHY_IMAGES` names their folder.

mod common;

use common::*;
use seaworthy_image::{FileSource, WalkMode, Wish, open_archive, walk_layer};
use seaworthy_types::Limits;
use std::sync::Arc;

#[test]
fn real_images_agree_in_both_forms() {
    let Some(folder) = std::env::var_os("SEAWORTHY_IMAGES") else {
        println!("SKIPPED: real images, SEAWORTHY_IMAGES is not set");
        return;
    };
    let limits = Limits::default();
    let mut seen_any = false;
    for kind in ["debian-plain", "node", "go"] {
        let mut walks = Vec::new();
        for ending in ["tar", "oci.tar"] {
            let path = std::path::Path::new(&folder).join(format!("{kind}.{ending}"));
            let Ok(file) = std::fs::File::open(&path) else {
                println!("SKIPPED: {} is absent", path.display());
                continue;
            };
            let source = Arc::new(FileSource::new(file).expect("a source"));
            let image = open_archive(source, &Wish::default(), &limits).expect("an image");
            let mut seen = Recorder { wants: "os-release", ..Recorder::default() };
            let mut bytes = Vec::new();
            for layer in &image.layers {
                let walked = walk_layer(layer, &limits, &mut seen, WalkMode::Piped).expect("a walk");
                assert!(walked.notes.is_empty(), "{:?}", walked.notes);
                bytes.push((walked.diff_id, walked.bytes, walked.entries));
            }
            assert!(seen.contents.iter().any(|content| content.1.starts_with(b"PRETTY_NAME")));
            walks.push((bytes, seen));
        }
        if let [plain, packed] = walks.as_slice() {
            assert!(plain == packed, "{kind} differs between its forms");
            seen_any = true;
        }
    }
    if !seen_any {
        println!("SKIPPED: no pair of real images was there");
    }
}

//! Image archives: the first byte says whether tar checksums are set right, the rest is the archive. It
//! is opened, and each layer that it lists is walked.

use crate::layer::Recorder;
use seaworthy_image::{MemorySource, WalkMode, Wish, open_archive, walk_layer};
use std::sync::Arc;

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut archive = rest.to_vec();
    if how & 1 == 1 {
        crate::tar::repair(&mut archive);
    }
    let limits = crate::limits();
    let Ok(image) = open_archive(Arc::new(MemorySource(archive)), &Wish::default(), &limits) else { return };
    assert!(image.layers.len() as u64 <= limits.layers_max, "the limit of layers holds");
    for layer in &image.layers {
        let mut recorder = Recorder::default();
        let _ = walk_layer(layer, &limits, &mut recorder, WalkMode::Inline);
    }
}

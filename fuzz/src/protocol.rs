//! What parent and locked child say to one another: the first byte chooses the kind of message, the
//! rest is a frame (its length is set right when the second bit is set). A layer's facts are laid out
//! as the parent does with them.

use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::{LayerFacts, assemble};
use seaworthy_scan::protocol::{Hello, Reply, Task, receive, send};
use seaworthy_types::Inventory;

const FRAME_BYTES_MAX: u64 = 1 << 20;

fn frame<T: serde::Serialize + serde::de::DeserializeOwned>(wire: &[u8]) -> Option<T> {
    let value: T = receive(&mut &*wire, FRAME_BYTES_MAX).ok()?;
    let mut once = Vec::new();
    send(&mut once, &value).expect("memory takes everything");
    let again: T = receive(&mut once.as_slice(), FRAME_BYTES_MAX * 4).expect("what was sent is received");
    let mut twice = Vec::new();
    send(&mut twice, &again).expect("memory takes everything");
    assert_eq!(once, twice, "a message keeps its bytes");
    Some(value)
}

fn squash(facts: &LayerFacts) {
    for target in [Target::Image, Target::Source] {
        name(&assemble(&[facts, facts], target).value);
    }
}

fn name(inventory: &Inventory) {
    for package in &inventory.packages {
        let _ = package.purl(inventory.os.as_ref());
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut wire = rest.to_vec();
    if how & 2 == 2 {
        wire = [&(rest.len() as u32).to_le_bytes(), rest].concat();
    }
    match how >> 2 & 3 {
        0 => drop(frame::<Hello>(&wire)),
        1 => drop(frame::<Vec<Task>>(&wire)),
        2 => {
            if let Some(facts) = frame::<LayerFacts>(&wire) {
                squash(&facts);
            }
        }
        _ => match frame::<Reply>(&wire) {
            Some(Reply::Layer(layer)) => layer.facts.iter().for_each(squash),
            Some(Reply::Sbom(sbom)) => name(&sbom.inventory),
            _ => {}
        },
    }
}

//! Proof that stored bytes have the digest they claim, without unpacking: for layers whose facts are
//! known already.

use crate::pool::CHUNK_BYTES;
use crate::source::read_full;
use crate::stream::Packing;
use crate::{Error, LayerRef};
use seaworthy_types::Digest;
use sha2::{Digest as _, Sha256};

/// Whether the stored bytes can prove the layer: a compressed layer without a blob digest of its own
/// (docker archives of some tools) claims only what it inflates to.
pub fn is_provable_stored(layer: &LayerRef) -> Result<bool, Error> {
    if layer.blob_digest.is_some() {
        return Ok(true);
    }
    let (source, offset, len) = layer.open()?;
    let mut start = [0; 512];
    let shown = usize::try_from(len).unwrap_or(usize::MAX).min(start.len());
    let count = read_full(&*source, offset, start.get_mut(..shown).unwrap_or_default())
        .map_err(|error| Error::io(layer.describe(), error))?;
    Ok(Packing::of(start.get(..count).unwrap_or_default()) == Some(Packing::Plain))
}

/// Hashes the stored bytes of a layer and compares them with the digest they claim.
pub fn verify_stored(layer: &LayerRef, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
    let what = layer.describe();
    let expected = layer.blob_digest.unwrap_or(layer.diff_id);
    let (source, start, len) = layer.open()?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut done = 0u64;
    while done < len {
        let wanted = usize::try_from(len - done).unwrap_or(usize::MAX).min(chunk.len());
        let buffer = chunk.get_mut(..wanted).unwrap_or_default();
        let count =
            source.read_at(start.saturating_add(done), buffer).map_err(|error| Error::io(&*what, error))?;
        if count == 0 {
            return Err(Error::broken(what, "the archive ends before the layer does"));
        }
        hash.update(buffer.get(..count).unwrap_or_default());
        done += count as u64;
        progress(count as u64);
    }
    let found = Digest::from_bytes(hash.finalize().into());
    match found == expected {
        true => Ok(()),
        false => Err(Error::DigestMismatch { what, claimed: expected, found }),
    }
}

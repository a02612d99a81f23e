//! Containers of a disk's bytes: each is a [`Source`] of the disk it holds. A file without a known
//! signature is the disk itself.

mod qcow2;
mod vhd;
mod vmdk;

use super::bytes::{Fields, Volume, Work, damaged};
use super::unpack::Kept;
use crate::source::read_full;
use crate::{Error, Source};
use std::io;
use std::sync::Arc;

/// Bytes of unpacked pieces that are kept.
const KEPT_BYTES: u64 = 4 << 20;

/// Signature at the start, what it is, what to do.
const REFUSED: [(&[u8], &str); 7] = [
    (b"vhdxfile", "a VHDX disk"),
    (b"COWD", "an ESX sparse disk"),
    (b"\xbe\xba\xfe\xca\0\0\0\0", "an SESparse disk"),
    (b"QED\0", "a QED disk"),
    (b"WithoutFreeSpace", "a Parallels disk"),
    (b"WithouFreSpacExt", "a Parallels disk"),
    (b"QFI\xfb\0\0\0\x01", "a qcow disk of version 1"),
];
/// VirtualBox has its signature after a line of text.
const VDI: (usize, &[u8]) = (0x40, &[0x7f, 0x10, 0xda, 0xbe]);

/// Whether these first bytes, or the last 512, are those of a container.
pub(crate) fn is_container(source: &dyn Source, head: &[u8]) -> bool {
    let vdi = head.get(VDI.0..).is_some_and(|rest| rest.starts_with(VDI.1));
    let other = REFUSED.iter().any(|(magic, _)| head.starts_with(magic));
    vdi || other || qcow2::is_qcow2(head) || vmdk::is_vmdk(head) || vhd::is_vhd(source)
}

/// The disk in a container; the file itself when it is none.
pub(crate) fn open(source: Arc<dyn Source>) -> Result<Arc<dyn Source>, Error> {
    let mut head = vec![0; 1_024];
    let count = read_full(&*source, 0, &mut head).map_err(|error| Error::io("the disk", error))?;
    head.truncate(count);
    let what =
        REFUSED.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name).or_else(|| {
            Fields(&head).bytes(VDI.0, 4).is_ok_and(|found| found == VDI.1).then_some("a VDI disk")
        });
    if let Some(what) = what {
        let detail = format!("it is {what}, which is not read; convert it: qemu-img convert -O qcow2");
        return Err(Error::Refused { what: "the disk".into(), detail });
    }
    let wrap = |name: &str, error: io::Error| match error.kind() {
        io::ErrorKind::Unsupported => {
            Error::Refused { what: "the disk".into(), detail: format!("it is {name}: {error}") }
        }
        io::ErrorKind::InvalidData => Error::broken(format!("the disk ({name})"), error.to_string()),
        _ => Error::io(format!("the disk ({name})"), error),
    };
    if qcow2::is_qcow2(&head) {
        return qcow2::open(source).map_err(|error| wrap("qcow2", error));
    }
    if vmdk::is_vmdk(&head) {
        return vmdk::open(source, &head).map_err(|error| wrap("VMDK", error));
    }
    if vhd::is_vhd(&*source) {
        return vhd::open(source).map_err(|error| wrap("VHD", error));
    }
    Ok(source)
}

/// All bytes of a container's file. What its reading costs is bounded by what is read through it.
fn whole(source: Arc<dyn Source>) -> Volume {
    let len = source.len();
    Volume::new(source, 0, len, Arc::new(Work::endless()))
}

/// What is at a place of a disk; lengths count from that place.
enum Found {
    /// Never written.
    Zeros { len: u64 },
    /// Stored as it is, from this offset of the file.
    Plain { offset: u64, len: u64 },
    /// Within a piece that must be unpacked.
    Packed { number: u64, inside: u64 },
}

/// A format of containers.
trait Format: Send + Sync {
    /// Bytes of the disk.
    fn disk_bytes(&self) -> u64;
    /// The file.
    fn file(&self) -> &Volume;
    /// What is at `offset` of the disk, which is before its end.
    fn find(&self, offset: u64) -> io::Result<Found>;
    /// A piece, unpacked.
    fn unpack(&self, number: u64) -> io::Result<Vec<u8>>;
}

/// A container as the disk it holds.
struct Contained<F> {
    format: F,
    kept: Kept,
}

impl<F: Format + 'static> Contained<F> {
    /// As a source; `piece_bytes` is what one unpacked piece takes.
    fn source(format: F, piece_bytes: u64) -> Arc<dyn Source> {
        Arc::new(Self { format, kept: Kept::new(KEPT_BYTES, piece_bytes) })
    }

    fn packed(&self, number: u64, inside: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self.kept.copy(number, inside, buffer, || self.format.unpack(number))? {
            0 => Err(damaged("a compressed piece is shorter than it should be")),
            count => Ok(count),
        }
    }
}

impl<F: Format + 'static> Source for Contained<F> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let fit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let length = buffer.len().min(fit(self.len().saturating_sub(offset)));
        if length == 0 {
            return Ok(0);
        }
        let found = self.format.find(offset)?;
        let len = match found {
            Found::Zeros { len } | Found::Plain { len, .. } => fit(len).max(1),
            Found::Packed { .. } => length,
        };
        let part = buffer.get_mut(..length.min(len)).unwrap_or_default();
        match found {
            Found::Zeros { .. } => part.fill(0),
            Found::Plain { offset, .. } => self.format.file().exact(offset, part)?,
            Found::Packed { number, inside } => return self.packed(number, inside, part),
        }
        Ok(part.len())
    }
    fn len(&self) -> u64 {
        self.format.disk_bytes()
    }
}

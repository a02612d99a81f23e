//! Java archives: Maven artifacts by their coordinates, and evidence where they carry none.
//!
//! Reads manifest, `META-INF/maven/**/pom.properties` (or `pom.xml`), the packages of the classes,
//! and archives within archives (Spring Boot, web archives). Does not look into classes.

mod file_name;
mod identity;
mod manifest;
mod pom;
mod prefixes;
mod walk;

use crate::assemble::{Builder, View};
use crate::cataloguer::{Cataloguer, Fact, Facts, File, Pattern};
use identity::ArchiveFact;
use pom::Pom;
use seaworthy_types::{About, Location, Note, Package, Reads, Unidentified};

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &JavaArchive;

const ABOUT: About = About {
    name: "java-archive",
    version: 2,
    ecosystem: "maven",
    reads: Reads::Installed,
    coverage: "Maven artifacts in jar, war, ear and plug-in archives, also nested and shaded ones that \
               keep their pom.properties; others are named from the database where it knows them.",
};

/// Endings whose files are Java archives whatever they start with.
const SURE: &[&str] = &[".jar", ".war", ".ear", ".hpi", ".jpi"];
/// Endings that others use too: only with a zip's first bytes.
const SHARED: &[&str] = &[".par", ".nar", ".lpkg", ".sar", ".kar", ".rar"];

struct JavaArchive;

impl Cataloguer for JavaArchive {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        &[
            Pattern::Extension(".jar"),
            Pattern::Extension(".war"),
            Pattern::Extension(".ear"),
            Pattern::Extension(".hpi"),
            Pattern::Extension(".jpi"),
            Pattern::Extension(".par"),
            Pattern::Extension(".nar"),
            Pattern::Extension(".lpkg"),
            Pattern::Extension(".sar"),
            Pattern::Extension(".kar"),
            Pattern::Extension(".rar"),
        ]
    }

    fn accepts(&self, path: &str, head: &[u8]) -> bool {
        head.starts_with(b"PK") || is_surely_java(path)
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        walk::read(file, facts);
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            if let Some(archive) = fact.get::<ArchiveFact>() {
                assemble_one(view, fact, &archive, builder);
            }
        }
    }
}

/// Whether a name ends as Java archives do.
fn is_archive_name(name: &[u8]) -> bool {
    let Some(at) = memchr::memrchr(b'.', name) else { return false };
    let extension = name.get(at..).unwrap_or_default();
    SURE.iter().chain(SHARED).any(|known| known.as_bytes().eq_ignore_ascii_case(extension))
}

/// Whether a name ends as only Java archives do.
fn is_surely_java(path: &str) -> bool {
    let extension = path.rfind('.').and_then(|at| path.get(at..)).unwrap_or_default();
    SURE.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

fn assemble_one(view: &View<'_>, fact: &Fact<'_>, archive: &ArchiveFact, builder: &mut Builder) {
    let place = match archive.inner.as_str() {
        "" => fact.path.to_owned(),
        inner => format!("{}!/{inner}", fact.path),
    };
    let name = file_name::split(&place);
    if identity::is_beside_the_point(&name, archive) {
        let detail =
            "source code, documentation or a part of the Java runtime: not taken as a Maven artifact";
        builder.note(Note::info("archive-not-an-artifact", ABOUT.name, place, detail));
        return;
    }
    let own = identity::of(&name, archive);
    for (index, pom) in archive.poms.iter().enumerate() {
        let is_own = own == Some(index);
        let path = if is_own { place.clone() } else { format!("{place}!/{}", pom.path) };
        let mut package = package_of(pom);
        if is_own {
            if package.version.is_empty() {
                package.version = identity::versions(&name, archive).into_iter().next().unwrap_or_default();
            }
            package.licences.extend(archive.manifest.get("Bundle-License").cloned());
        }
        if package.version.is_empty() {
            let detail = format!("{} is in it, but its version is not recorded", package.name);
            builder.note(Note::info("maven-version-unknown", ABOUT.name, path.clone(), detail));
        }
        package.locations.push(Location { path, layer: Some(fact.layer) });
        package.layer = Some(view.first_layer(fact));
        builder.package(package);
    }
    if own.is_none() {
        builder.unidentified(Unidentified {
            ecosystem: "maven".into(),
            layer: Some(fact.layer),
            first_layer: Some(view.first_layer(fact)),
            sha1: archive.sha1.clone(),
            names: identity::names(&name, archive),
            versions: identity::versions(&name, archive),
            groups: identity::groups(&name, archive),
            owner: None,
            found_by: ABOUT.name.into(),
            path: place,
        });
    }
}

fn package_of(pom: &Pom) -> Package {
    let name = format!("{}:{}", pom.group, pom.artifact);
    let mut package = Package::new("maven", name, pom.version.clone(), ABOUT.name);
    let file = pom.path.rsplit('/').next().unwrap_or_default();
    file.clone_into(&mut package.evidence);
    package
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_image::{Content, ReadAt};
    use seaworthy_types::Limits;

    const JAR: &[u8] = include_bytes!("../../../cases/java-archive/normal-nested/input/srv/shop.jar");

    struct Large<'a>(&'a [u8]);

    impl ReadAt for Large<'_> {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
            let start = (offset as usize).min(self.0.len());
            let count = buffer.len().min(self.0.len() - start);
            buffer[..count].copy_from_slice(&self.0[start..start + count]);
            Ok(count)
        }
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
    }

    fn read(content: Content<'_>, limits: &Limits) -> (Vec<ArchiveFact>, Vec<Note>) {
        let file = File { path: "srv/shop.jar", content, mode: 0, limits };
        let mut facts = Facts::new(&ABOUT, "srv/shop.jar", limits);
        CATALOGUER.read(&file, &mut facts);
        let (bytes, notes) = facts.finish();
        (bytes.iter().map(|bytes| postcard::from_bytes(bytes).expect("own fact")).collect(), notes)
    }

    #[test]
    fn stored_archives_too_large_to_copy_are_read_in_place() {
        let whole = read(Content::Whole(JAR), &Limits::default());
        // So little that no nested archive fits a buffer, but their directories do.
        let limits = Limits { record_bytes_max: 600, ..Limits::default() };
        let small = read(Content::Large(&Large(JAR)), &limits);
        assert_eq!(whole.1, []);
        assert_eq!(small, whole);
    }

    #[test]
    fn entries_are_bounded_over_all_archives() {
        let limits = Limits { archive_entries_max: 5, ..Limits::default() };
        let (facts, notes) = read(Content::Whole(JAR), &limits);
        assert!(!facts.is_empty());
        assert!(notes.iter().any(|note| note.code == "archive-too-many-entries"), "{notes:?}");
    }

    /// An archive of `count` stored entries, each named as an archive and holding text.
    fn of_broken_archives(count: u32) -> Vec<u8> {
        let (mut local, mut directory) = (Vec::new(), Vec::new());
        for index in 0..count {
            let name = format!("{index:04}.jar");
            let offset = local.len() as u32;
            local.extend(b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\x04\0\0\0\x08\0\0\0");
            local.extend(name.bytes().chain(*b"text"));
            directory.extend(b"PK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\x04\0\0\0\x08\0");
            directory.extend([0; 12]);
            directory.extend(offset.to_le_bytes());
            directory.extend(name.bytes());
        }
        let (start, size) = (local.len() as u32, directory.len() as u32);
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend([(count as u16).to_le_bytes(); 2].concat());
        end.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
        end.extend([0; 2]);
        [local, directory, end].concat()
    }

    #[test]
    fn notes_are_bounded_and_say_so() {
        let (facts, notes) = read(Content::Whole(&of_broken_archives(3)), &Limits::default());
        assert_eq!((facts.len(), notes.len()), (1, 3), "{notes:?}");
        let (_, notes) = read(Content::Whole(&of_broken_archives(5_000)), &Limits::default());
        assert_eq!(notes.len(), 200);
        assert_eq!(notes.last().map(|note| note.code.as_str()), Some("archive-too-many-notes"));
    }

    #[test]
    fn any_cut_and_any_flip_is_survived() {
        let limits = Limits::default();
        let mut bytes = JAR.to_vec();
        for at in 0..bytes.len() {
            bytes[at] ^= 0xff;
            let changed = read(Content::Whole(&bytes), &limits);
            assert!(!changed.0.is_empty() || !changed.1.is_empty(), "silence with byte {at} changed");
            bytes[at] ^= 0xff;
            let cut = read(Content::Whole(&bytes[..at]), &limits);
            assert!(!cut.0.is_empty() || !cut.1.is_empty(), "silence when cut at {at}");
        }
    }
}

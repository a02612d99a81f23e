//! Debian's package database.
//!
//! Formats: deb-control(5) stanzas in `var/lib/dpkg/status` (dpkg(1), section "Information about
//! packages", gives the states), `status.d/*` with one stanza a file as distroless images have them,
//! `info/*.list` with one path a line, `*.md5sums` with a sum and a path a line. Does not read
//! databases of other roots (`opt/chroot/var/lib/dpkg`), `status-old` or `available`.
//!
//! A package counts when its files are on the disk: `installed`, and also `unpacked`,
//! `half-configured`, `half-installed`, `triggers-awaited`, `triggers-pending`, which are noted.

use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::database::{self, DatabaseFact, Ownership, Record, Strangers, UNREADABLE};
use crate::paths::PathListBuilder;
use crate::third_party;
use seaworthy_types::{About, Origin, Package, Reads};
use std::collections::{BTreeMap, HashMap};

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &Dpkg;

struct Dpkg;

const ABOUT: About = About {
    name: "dpkg",
    version: 1,
    ecosystem: "deb",
    reads: Reads::Installed,
    coverage: "Reads var/lib/dpkg/status and status.d/* with the owned files of info/*.list and *.md5sums; \
               databases of roots within the root are not read.",
};

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_FOLDER: &str = "var/lib/dpkg/status.d";
const INFO_FOLDER: &str = "var/lib/dpkg/info";
/// States in which no file of the package is left but configuration.
const GONE: [&str; 2] = ["not-installed", "config-files"];

/// Files that stand beside the stanzas in some images.
const NO_STANZAS: [&str; 8] =
    [".preinst", ".postinst", ".prerm", ".postrm", ".conffiles", ".triggers", ".shlibs", ".symbols"];

impl Cataloguer for Dpkg {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        const PATTERNS: &[Pattern] = &[
            Pattern::Path(STATUS),
            Pattern::InFolder(STATUS_FOLDER, ""),
            Pattern::InFolder(INFO_FOLDER, ".list"),
            Pattern::InFolder(INFO_FOLDER, ".md5sums"),
        ];
        PATTERNS
    }

    fn accepts(&self, path: &str, _head: &[u8]) -> bool {
        !(path.starts_with(STATUS_FOLDER) && NO_STANZAS.iter().any(|ending| path.ends_with(ending)))
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let Some(bytes) = file.record(facts) else { return };
        let text = String::from_utf8_lossy(&bytes);
        let name = file.path.rsplit('/').next().unwrap_or(file.path);
        if let Some(package) = name.strip_suffix(".list") {
            read_paths(package, &text, facts, Some);
        } else if let Some(package) = name.strip_suffix(".md5sums") {
            read_paths(package, &text, facts, |line| {
                line.split_once(char::is_whitespace).map(|(_, path)| path)
            });
        } else {
            read_stanzas(file, &text, facts);
        }
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        let os = view.os().map_or("", |os| os.id.as_str());
        let mut strangers = Strangers::default();
        let mut owners = HashMap::new();
        for (record, location, layer) in database::records(view) {
            let mut package = database::package(&ABOUT, &record, location, layer);
            if let Some(why) = other_maker(&package, os) {
                strangers.add(&mut package, &why);
            }
            // The distribution's data does not speak of others' packages: they shadow nothing.
            if package.origin == Origin::Distribution {
                let owner = *owners.entry(record.name.clone()).or_insert_with(|| builder.owner(&record.name));
                for location in package.locations.iter().filter(|l| l.path != STATUS) {
                    owners.insert(location.path.clone(), owner);
                }
            }
            builder.package(package);
        }
        strangers.note(&ABOUT, builder);
        let lists = claim_files(view, builder, &owners);
        let folders = ["var/lib/dpkg", STATUS_FOLDER];
        database::note_absence(view, builder, &ABOUT, &folders, &[STATUS], lists);
    }
}

/// Registers the files of `info` and `status.d`; tells whether there are any such records.
fn claim_files(view: &View<'_>, builder: &mut Builder, owners: &HashMap<String, u32>) -> bool {
    let mut ownership = Ownership::default();
    let mut any = false;
    for fact in view.visible() {
        let Some(DatabaseFact::Files { package, paths }) = fact.get::<DatabaseFact>() else { continue };
        any = true;
        // In distroless images the file may have another name than the package.
        let beside = fact.path.strip_suffix(".md5sums").and_then(|path| owners.get(path));
        if let Some(owner) = beside.or_else(|| owners.get(&package)) {
            ownership.claim(view, builder, *owner, &paths);
        }
    }
    any
}

/// The evidence that somebody else than the distribution made the package.
fn other_maker(package: &Package, os: &str) -> Option<String> {
    // Packages built with fpm and the like carry a `Vendor`, some repositories write an `Origin`;
    // distributions leave both out or name themselves.
    const OWN: [&str; 4] = ["debian", "ubuntu", "canonical", "(none)"];
    let named = |field: &str| {
        let value = package.facts.get(field)?;
        let lower = value.to_lowercase();
        let own = OWN.iter().any(|own| lower.starts_with(own)) || (!os.is_empty() && lower.starts_with(os));
        (!own).then(|| format!("{field} {value}"))
    };
    named("origin")
        .or_else(|| named("vendor"))
        .or_else(|| package.facts.get("maintainer").and_then(|field| third_party::maintainer(field)))
        .or_else(|| third_party::version(&package.version, os))
}

fn read_paths<'t>(
    package: &str,
    text: &'t str,
    facts: &mut Facts<'_>,
    path_of: impl Fn(&'t str) -> Option<&'t str>,
) {
    let mut paths = PathListBuilder::default();
    let mut lines =
        text.lines().filter_map(path_of).map(|path| path.trim_start().trim_matches('/')).peekable();
    while let Some(path) = lines.next() {
        let rest = lines.peek().and_then(|next| next.strip_prefix(path));
        // A folder comes right before what lies in it; only files matter.
        if path.is_empty() || path == "." || rest.is_some_and(|rest| rest.starts_with('/')) {
            continue;
        }
        paths.push(path);
    }
    // `libc6:amd64.list`: packages that may be installed for several architectures at once.
    let package = package.split(':').next().unwrap_or(package).to_owned();
    facts.push(&DatabaseFact::Files { package, paths: paths.finish() });
}

fn read_stanzas(file: &File<'_>, text: &str, facts: &mut Facts<'_>) {
    let mut records = Vec::new();
    let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut damaged = 0u64;
    let is_folder = file.path != STATUS;
    for fields in stanzas(text) {
        if !database::has_room(&records, file, facts) {
            break;
        }
        match record(&fields) {
            Stanza::Record(record, state) => {
                if state != "installed" && !(is_folder && state.is_empty()) {
                    let state = if state.is_empty() { "unknown" } else { state };
                    states.entry(database::clean(state)).or_default().push(record.name.clone());
                }
                records.push(*record);
            }
            Stanza::Gone => {}
            Stanza::Damaged => damaged += 1,
        }
    }
    for (state, names) in states {
        let shown = names[..names.len().min(20)].join(", ");
        let detail = format!("{} packages in the state `{state}` are counted: {shown}", names.len());
        facts.info("packages-not-fully-installed", detail);
    }
    if damaged > 0 {
        let detail = format!("{damaged} stanzas without name or version were left out");
        facts.gap(UNREADABLE, detail);
    }
    database::push_records(facts, records);
}

enum Stanza<'t> {
    Record(Box<Record>, &'t str),
    Gone,
    Damaged,
}

type Fields<'t> = HashMap<String, &'t str>;

/// Turns the fields of one stanza into a record and its state.
fn record<'t>(fields: &Fields<'t>) -> Stanza<'t> {
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let state = field("status").split_whitespace().nth(2).unwrap_or_default();
    if GONE.contains(&state) {
        return Stanza::Gone;
    }
    let (name, version) = (database::clean(field("package")), database::clean(field("version")));
    if name.is_empty() || version.is_empty() {
        return Stanza::Damaged;
    }
    // `Source: glibc (2.36-9)`: the version stands there only when it differs.
    let (source_name, source_version) = match field("source").split_once('(') {
        Some((name, version)) => (name, version.split(')').next().unwrap_or(version)),
        None => (field("source"), ""),
    };
    let facts = [("maintainer", "maintainer"), ("origin", "origin"), ("vendor", "vendor")]
        .iter()
        .map(|(name, key)| ((*key).to_owned(), database::clean(field(name))))
        .filter(|(_, value)| !value.is_empty());
    let record = Record {
        name,
        version,
        architecture: database::clean(field("architecture")),
        source_name: database::clean(source_name),
        source_version: database::clean(source_version),
        facts: facts.collect(),
        ..Record::default()
    };
    Stanza::Record(Box::new(record), state)
}

/// The stanzas of a control file: the first lines of their fields, names in lower case. A stanza
/// without a single field (free text) counts as one without fields.
fn stanzas(text: &str) -> impl Iterator<Item = Fields<'_>> {
    const WANTED: [&str; 8] =
        ["package", "status", "version", "architecture", "source", "maintainer", "origin", "vendor"];
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        while lines.next_if(|line| line.trim().is_empty()).is_some() {}
        lines.peek()?;
        let mut fields = Fields::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
            if line.starts_with([' ', '\t', '#']) {
                continue;
            }
            if let Some((name, value)) = line.split_once(':') {
                let name = name.trim().to_ascii_lowercase();
                if WANTED.contains(&name.as_str()) {
                    fields.entry(name).or_insert(value.trim());
                }
            }
        }
        Some(fields)
    })
}

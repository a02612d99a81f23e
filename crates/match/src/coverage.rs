//! What nobody could judge, and why: the coverage that data and inventory leave.

use crate::Options;
use crate::range::{Judgement, judge};
use crate::subject::Judged;
use seaworthy_advisory::{Lookup, LookupError, Loss, LostOf, Record};
use seaworthy_types::{Affected, Completeness, DataSource, Inventory, Note, distribution, ecosystem, is_cve};
use std::collections::{BTreeMap, BTreeSet};

/// Shards that every scan asks for what is known of vulnerabilities.
const GENERAL_SHARDS: [&str; 2] = ["cve", "epss"];
const UNIT: &str = "match";
/// Names listed in one note.
const NAMES_MAX: usize = 5;

/// Gathers what was not judged.
pub(crate) struct Coverage<'a> {
    data: &'a dyn Lookup,
    options: &'a Options,
    inventory: &'a Inventory,
    sources: BTreeMap<String, Option<DataSource>>,
    without_data: BTreeMap<String, Vec<String>>,
    third_party: Vec<String>,
    versions: BTreeMap<(String, String), String>,
    unknown_versions: BTreeSet<String>,
    errors: BTreeMap<String, String>,
    /// By name and version: statements compared by a guess, and what was guessed at.
    guessed: BTreeMap<(String, String), (u64, String, &'static str)>,
    /// What stands in place of something else, and advisories on that.
    replaced: BTreeSet<(String, String)>,
    /// Names that shards were asked for of which import lost something.
    asked: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Coverage<'a> {
    pub(crate) fn new(inventory: &'a Inventory, data: &'a dyn Lookup, options: &'a Options) -> Self {
        Self {
            data,
            options,
            inventory,
            sources: BTreeMap::new(),
            without_data: BTreeMap::new(),
            third_party: Vec::new(),
            versions: BTreeMap::new(),
            unknown_versions: BTreeSet::new(),
            errors: BTreeMap::new(),
            asked: BTreeMap::new(),
            guessed: BTreeMap::new(),
            replaced: BTreeSet::new(),
        }
    }

    /// Whether data speak of the subject; if not, that is remembered.
    pub(crate) fn judges(&mut self, judged: &Judged<'_>) -> bool {
        if judged.is_third_party() {
            self.third_party.push(judged.subject.name.clone());
            return false;
        }
        if judged.shard.is_empty() {
            self.without_data
                .entry(judged.subject.ecosystem.clone())
                .or_default()
                .push(judged.subject.name.clone());
            return false;
        }
        let data = self.data;
        let source = self.sources.entry(judged.shard.clone()).or_insert_with(|| data.source(&judged.shard));
        if source.is_none() {
            self.without_data.entry(judged.shard.clone()).or_default().push(judged.subject.name.clone());
            return false;
        }
        self.asks(&judged.shard, judged);
        true
    }

    /// Remembers the names a shard is asked for, when import lost something of it.
    fn asks(&mut self, shard: &str, judged: &Judged<'_>) {
        if !self.data.lost(shard).is_empty() {
            let names = judged.questions.iter().map(|question| question.name.to_owned());
            self.asked.entry(shard.to_owned()).or_default().extend(names);
        }
    }

    /// Whether there are data of the subscription; if not, nobody asks them.
    pub(crate) fn asks_paid(&mut self, judged: &mut Judged<'_>) {
        let data = self.data;
        let Some(paid) = &judged.paid else { return };
        let source = self.sources.entry(paid.shard.clone()).or_insert_with(|| data.source(&paid.shard));
        match source {
            Some(_) => self.asks(&paid.shard, judged),
            None => judged.paid = None,
        }
    }

    /// Statements on it were compared although the order can only guess at a version.
    pub(crate) fn version_guessed(&mut self, judged: &Judged<'_>, count: u64, version: &str) {
        let key = (judged.subject.name.clone(), judged.subject.version.clone());
        let known = self.guessed.entry(key).or_insert_with(|| (0, version.to_owned(), judged.scheme));
        known.0 = known.0.saturating_add(count);
    }

    /// Remembers what was built in place of another package (a replaced Go module) when the data know
    /// something of that other one: what is built is judged, and the original is not.
    pub(crate) fn replaces(&mut self, judged: &Judged<'_>) {
        const IDS_MAX: usize = 3;
        for package in &judged.packages {
            let Some((name, version)) = package.facts.get("replaces").and_then(|o| o.rsplit_once('@')) else {
                continue;
            };
            let Some(scheme) = seaworthy_version::by_name(judged.scheme).filter(|_| name != package.name)
            else {
                continue;
            };
            let mut wanted =
                |affected: &Affected| matches!(judge(affected, version, scheme), Judgement::Affected(_));
            let records = match self.data.records_where(&judged.shard, name, &mut wanted) {
                Ok(records) => records,
                Err(error) => return self.data_error(&judged.shard, &error),
            };
            let mut ids: Vec<String> = records
                .into_iter()
                .filter(|record| record.advisory.withdrawn.is_none())
                .flat_map(|record| record.vulnerabilities)
                .map(|vulnerability| vulnerability.id)
                .collect();
            ids.sort();
            ids.dedup();
            if ids.is_empty() {
                continue;
            }
            let more = ids.len().saturating_sub(IDS_MAX);
            ids.truncate(IDS_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let detail = format!(
                "it was built in place of {name} {version}, of which {}{more} would speak: what is built was judged, \
                 and nobody says here whether it holds their fixes",
                ids.join(", ")
            );
            self.replaced.insert((format!("{} {}", package.name, package.version), detail));
        }
    }

    pub(crate) fn data_error(&mut self, shard: &str, error: &LookupError) {
        self.errors.entry(shard.to_owned()).or_insert_with(|| error.to_string());
    }

    pub(crate) fn no_scheme(&mut self, scheme: &str, judged: &Judged<'_>) {
        let text = format!("there is no version order `{scheme}`");
        self.versions.insert((judged.subject.name.clone(), judged.subject.version.clone()), text);
    }

    /// A record speaks of the package, and its version is not known.
    pub(crate) fn version_unknown(&mut self, judged: &Judged<'_>) {
        self.unknown_versions.insert(judged.subject.name.clone());
    }

    pub(crate) fn version_unreadable(&mut self, judged: &Judged<'_>, record: &Record, what: &str) {
        let text = format!("{what} ({})", record.advisory.id);
        self.versions.entry((judged.subject.name.clone(), judged.subject.version.clone())).or_insert(text);
    }

    /// Shards asked, and the notes.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<Note>) {
        let mut notes = self.distribution_notes();
        notes.extend(self.source_notes());
        for (shard, names) in &self.asked {
            notes.extend(self.data.lost(shard).iter().flat_map(|loss| lost(self.data, shard, loss, names)));
        }
        for (shard, names) in &self.without_data {
            // What was published and left out is said apart.
            if !self.data.is_left_out(shard) {
                notes.push(without_data(shard, names, self.inventory));
            }
        }
        if !self.third_party.is_empty() {
            let detail = format!(
                "{} from other repositories than the distribution's: its data do not speak of them ({})",
                counted(self.third_party.len(), "package"),
                listed(&self.third_party)
            );
            notes.push(Note::gap("third-party-packages", UNIT, "", detail));
        }
        for ((name, version), what) in &self.versions {
            let detail =
                format!("an advisory on {name} could not be compared with the installed {version}: {what}");
            notes.push(Note::gap("version-unreadable", UNIT, name, detail));
        }
        for ((name, version), (count, guess, scheme)) in &self.guessed {
            let detail = format!(
                "{} on {name} {version} could be compared only by a guess: `{guess}` is no version of the \
                 order `{scheme}`, and was taken as older than all that are",
                counted(*count as usize, "statement")
            );
            notes.push(Note::gap("version-guessed", UNIT, name, detail));
        }
        for (subject, detail) in &self.replaced {
            notes.push(Note::info("package-replaced", UNIT, subject, detail.clone()));
        }
        for name in &self.unknown_versions {
            let detail = "advisories speak of it, and its version is not recorded (a development build?)";
            notes.push(Note::gap("version-unknown", UNIT, name, detail));
        }
        for (shard, what) in &self.errors {
            notes.push(Note::gap("data-damaged", UNIT, shard, what.clone()));
        }
        for evidence in &self.inventory.unidentified {
            if evidence.owner.is_none() && !self.is_named(&evidence.path) {
                let detail = "no coordinates inside, and nothing in the data fits its name and classes: it was not judged";
                notes.push(Note::gap("archive-unidentified", UNIT, &evidence.path, detail));
            }
        }
        let shards =
            self.sources.into_iter().filter(|(_, source)| source.is_some()).map(|(shard, _)| shard).collect();
        (shards, notes)
    }

    fn is_named(&self, path: &str) -> bool {
        self.inventory
            .packages
            .iter()
            .any(|package| package.locations.iter().any(|location| location.path == path))
    }

    fn distribution_notes(&self) -> Vec<Note> {
        let of_distribution = |id: &str| ecosystem::by_id(id).is_some_and(|e| e.of_distribution);
        let installed = self.inventory.packages.iter().filter(|p| of_distribution(&p.ecosystem)).count();
        let Some(os) = &self.inventory.os else {
            return match installed {
                0 => Vec::new(),
                count => {
                    let detail = format!(
                        "{} of a distribution that does not say its name (no os-release): none could be judged",
                        counted(count, "package")
                    );
                    vec![Note::gap("distribution-unknown", UNIT, "", detail)]
                }
            };
        };
        let Some(record) = distribution::of(os) else {
            let detail = match installed {
                0 => "a distribution that is not known here, and no packages of its own".to_owned(),
                count => format!(
                    "a distribution that is not known here: {} could not be judged",
                    counted(count, "package")
                ),
            };
            let note = if installed == 0 { Note::info } else { Note::gap };
            return vec![note("distribution-unknown", UNIT, os.label(), detail)];
        };
        match record.end_of_life(os) {
            Some(day) if day < self.options.today => {
                let detail = format!(
                    "free security support ended on {day}: newer vulnerabilities may not be recorded for it. Move to a supported release"
                );
                vec![Note::gap("distribution-end-of-life", UNIT, os.label(), detail)]
            }
            _ => Vec::new(),
        }
    }

    /// What was published and is not installed, and data that are no longer fresh by their publisher's word.
    fn delivery_notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        if self.sources.is_empty() {
            return notes;
        }
        let asked = self.sources.keys().map(String::as_str);
        for shard in asked.chain(GENERAL_SHARDS).filter(|shard| self.data.is_left_out(shard)) {
            let detail = format!(
                "the published data have it, and it is not installed: run `seaworthy db pull --shard {shard}`, or scan with `--update`"
            );
            notes.push(Note::gap("data-not-installed", UNIT, shard, detail));
        }
        if let Some(expires) = self.data.expires().filter(|expires| expires.date() < self.options.today) {
            let detail = format!(
                "the published data were to be renewed before {expires}: what is newer was not fetched or is kept back; run `seaworthy db update`"
            );
            notes.push(Note::gap("data-expired", UNIT, "", detail));
        }
        notes
    }

    fn source_notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut starter = Vec::new();
        notes.extend(self.delivery_notes());
        for (shard, source) in &self.sources {
            let Some(source) = source.as_ref().filter(|_| !self.data.is_left_out(shard)) else { continue };
            match source.completeness {
                Completeness::Complete => {}
                Completeness::Partial => {
                    notes.push(Note::gap("data-partial", UNIT, shard, source.remark.clone()));
                }
                Completeness::Starter => starter.push(shard.clone()),
            }
            let age = source.as_of.map(|time| time.date().days_until(self.options.today));
            if let Some(days) = age.filter(|days| *days > self.options.data_age_days_max)
                && source.completeness != Completeness::Starter
            {
                let detail = format!("the data are {days} days old: run `seaworthy db update`");
                notes.push(Note::gap("data-old", UNIT, shard, detail));
            }
        }
        if !starter.is_empty() {
            let detail = format!(
                "only the built-in starter set (exploited vulnerabilities that matter most) was asked for {}: run `seaworthy db update`",
                starter.join(", ")
            );
            notes.push(Note::gap("data-starter-only", UNIT, "", detail));
        }
        notes
    }
}

/// What import lost of a shard, when it concerns this scan: statements on packages it holds, or on
/// nobody knows which. Nothing is missing where other advisories speak of the same vulnerabilities of
/// the package. The rest is told by `seaworthy db status`.
fn lost(data: &dyn Lookup, shard: &str, loss: &Loss, names: &BTreeSet<String>) -> Vec<Note> {
    const UNIT: &str = "import";
    if loss.packages.is_empty() && loss.unnamed == 0 {
        return vec![Note::info(&loss.code, UNIT, shard, loss.detail.clone())];
    }
    let held = loss.packages.iter().filter(|(name, _)| names.contains(*name));
    let (told, held): (Vec<_>, Vec<_>) = held.partition(|(name, of)| is_told(data, shard, name, of));
    let mut notes = Vec::new();
    if !told.is_empty() {
        let records: Vec<String> = told.iter().flat_map(|(_, of)| of.records.iter().cloned()).collect();
        let detail = format!(
            "{} could not be used when the data were imported ({}); other advisories speak of the same \
             vulnerabilities of these packages",
            listed(&records),
            loss.detail
        );
        notes.push(Note::info(&loss.code, UNIT, shard, detail));
    }
    let mut records: Vec<String> = held.iter().flat_map(|(_, of)| of.records.iter().cloned()).collect();
    let mut parts = Vec::new();
    if !held.is_empty() {
        let count = held.iter().map(|(_, of)| of.count).fold(0, u64::saturating_add);
        let held: Vec<String> = held.iter().map(|(name, _)| (*name).clone()).collect();
        parts.push(format!("{} on {}", counted(count as usize, "statement"), listed(&held)));
    }
    if loss.unnamed > 0 {
        let what = counted(loss.unnamed as usize, "statement");
        parts.push(format!("{what} on packages that are not known"));
        records.extend(loss.examples.iter().cloned());
    }
    if parts.is_empty() {
        return notes;
    }
    let detail = format!(
        "{} could not be used when the data were imported and did not count ({}): {}",
        parts.join(" and "),
        listed(&records),
        loss.detail
    );
    notes.push(Note::gap(&loss.code, UNIT, shard, detail));
    notes
}

/// Whether other advisories speak of all vulnerabilities of which statements on a package were lost.
fn is_told(data: &dyn Lookup, shard: &str, package: &str, of: &LostOf) -> bool {
    let Ok(said) = data.records(shard, package) else { return false };
    let standing: Vec<&Record> = said.iter().filter(|record| record.advisory.withdrawn.is_none()).collect();
    let told = |lost: &String| {
        // `VICTIMS-CVE-2014-3529` says itself which it is; of what was kept of it the rest is known.
        let own = lost.find("CVE-").and_then(|at| lost.get(at..)).filter(|id| is_cve(id));
        let kept = standing.iter().filter(|record| record.advisory.id == *lost);
        let mut ids: BTreeSet<&str> = kept.flat_map(|r| &r.vulnerabilities).map(|v| v.id.as_str()).collect();
        ids.extend(own);
        let speaks = |id: &str| {
            let mut others = standing.iter().filter(|record| record.advisory.id != *lost);
            others.any(|record| {
                record.vulnerabilities.iter().any(|v| v.id == id || v.aliases.iter().any(|a| a == id))
            })
        };
        match ids.is_empty() {
            true => speaks(lost),
            false => ids.iter().all(|id| speaks(id)),
        }
    };
    of.count == of.records.len() as u64 && of.records.iter().all(told)
}

fn without_data(shard: &str, names: &[String], inventory: &Inventory) -> Note {
    let label = ecosystem::by_id(shard).map_or(shard, |e| e.label);
    let os = inventory.os.as_ref().map(|os| os.label()).unwrap_or_default();
    let of_distribution = ecosystem::by_id(shard).is_some_and(|e| e.of_distribution);
    let why = match of_distribution {
        true => format!(
            "no data can speak of them without a known distribution and release ({})",
            if os.is_empty() { "none found" } else { &os }
        ),
        false => "no data about them are installed: run `seaworthy db update`".into(),
    };
    let detail = format!("{} of {label}: {why} ({})", counted(names.len(), "package"), listed(names));
    Note::gap("data-missing", UNIT, shard, detail)
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn listed(names: &[String]) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

//! From a target to a report: read → assemble → identify → match → policy → report. Data move one way.

use crate::read::{self, Read};
use crate::{Archive, Cache, Elsewhere, Error, Progress, TargetSpec, identify};
use seaworthy_advisory::Lookup;
use seaworthy_analyze::{LayerFacts, assemble_within};
use seaworthy_match::{Matches, match_inventory};
use seaworthy_policy::{Applied, Policy};
use seaworthy_types::{
    DataStatus, Finding, ImageFacts, Inventory, LayerReport, Limits, Note, Platform, Report, Severity,
    Target, TargetKind, Timestamp, Tool, ecosystem,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Version of the report's schema.
pub const REPORT_SCHEMA: u32 = 1;

/// Where parsing runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Isolation {
    /// In a locked child process: this program, started again as `PROGRAM __read`.
    Child(PathBuf),
    /// In a thread of this process, unlocked.
    InProcess,
}

/// Everything a scan is told; time and environment come in here.
pub struct Request<'a> {
    /// The target.
    pub spec: &'a TargetSpec,
    /// The image, when the target is one that lies elsewhere.
    pub image: Option<Arc<dyn Elsewhere>>,
    /// The archive, when the target is one that comes from elsewhere.
    pub archive: Option<Arc<dyn Archive>>,
    /// Wished platform.
    pub platform: Option<Platform>,
    /// Wished image of an archive that holds several.
    pub reference: Option<String>,
    /// Bounds.
    pub limits: Limits,
    /// Threads for reading.
    pub threads: usize,
    /// Layer cache.
    pub cache: Option<&'a Cache>,
    /// Where parsing runs.
    pub isolation: Isolation,
    /// The present.
    pub now: Timestamp,
    /// The policy.
    pub policy: &'a Policy,
    /// Data older than this many days are a gap.
    pub data_age_days_max: i64,
    /// Vulnerability data.
    pub data: &'a dyn Lookup,
    /// When the data were built, and their digest; the shards are filled in here.
    pub data_status: DataStatus,
    /// Remarks on the data as a whole.
    pub data_notes: &'a [Note],
    /// Brings data up to date once it is known which are needed; `None` when that was not asked for.
    pub refresh: Option<&'a dyn Refresh>,
    /// Version of the program.
    pub tool_version: String,
}

/// Brings vulnerability data up to date between reading a target and judging it: only then it is known
/// which of them are needed. Whoever gives one may use the network; nothing here does.
pub trait Refresh: Sync {
    /// Data that speak of these shards as well as can be had now. What could not be had is said in notes.
    fn refresh(&self, shards: &[String], progress: &dyn Progress) -> Fresh;
}

/// Data that were brought up to date.
#[derive(Clone)]
pub struct Fresh {
    /// The data.
    pub data: Arc<dyn Lookup + Send + Sync>,
    /// As in a request.
    pub status: DataStatus,
    /// Remarks on the data as a whole, in place of those of the request.
    pub notes: Vec<Note>,
}

/// What is in a target: image facts when it is one, inventory, coverage so far.
pub struct Contents {
    /// Kind of target.
    pub kind: TargetKind,
    /// The image.
    pub image: Option<ImageFacts>,
    /// The inventory, named as far as data can name it.
    pub inventory: Inventory,
    /// Coverage so far.
    pub notes: Vec<Note>,
}

/// Reads a target and says what is in it.
pub fn contents(request: &Request<'_>, progress: &dyn Progress) -> Result<Contents, Error> {
    Ok(read_and_named(request, progress)?.0)
}

/// What is in a target, and the data that were brought up to date for it.
fn read_and_named(
    request: &Request<'_>,
    progress: &dyn Progress,
) -> Result<(Contents, Option<Fresh>), Error> {
    let Read { kind, image, layers, target, inventory, mut notes } = read::read(request, progress)?;
    progress.stage("assembling", 0);
    let inventory = match inventory {
        Some(inventory) => inventory,
        None => {
            let layers: Vec<&LayerFacts> = layers.iter().collect();
            assemble_within(&layers, target, &request.limits).take(&mut notes)
        }
    };
    let fresh = request.refresh.map(|refresh| {
        progress.stage("updating vulnerability data", 0);
        refresh.refresh(&seaworthy_match::needed_shards(&inventory), progress)
    });
    let data: &dyn Lookup = fresh.as_ref().map_or(request.data, |fresh| &*fresh.data);
    let inventory = identify::identify(inventory, data).take(&mut notes);
    notes.extend(fresh.as_ref().map_or(request.data_notes, |fresh| &fresh.notes).iter().cloned());
    if inventory.packages.is_empty() {
        notes.push(nothing_found());
    }
    Ok((Contents { kind, image, inventory, notes }, fresh))
}

/// An empty inventory is worth a word: it is either a minimal image or something not understood.
fn nothing_found() -> Note {
    let detail = "no package record of any known kind was found: nothing could be judged. \
                  `seaworthy list cataloguers` shows what is read";
    Note::gap("no-packages", "match", "", detail)
}

/// Scans a target.
pub fn scan(request: &Request<'_>, progress: &dyn Progress) -> Result<Report, Error> {
    let (Contents { kind, image, inventory, mut notes }, fresh) = read_and_named(request, progress)?;
    let lookup: &dyn Lookup = fresh.as_ref().map_or(request.data, |fresh| &*fresh.data);
    progress.stage("matching", 0);
    let today = request.now.date();
    let options = seaworthy_match::Options { today, data_age_days_max: request.data_age_days_max };
    let Matches { findings, mut suppressed, shards } =
        match_inventory(&inventory, lookup, &options).take(&mut notes);
    let Applied { verdict, findings, suppressed: by_policy, coverage, accepted } =
        seaworthy_policy::apply(request.policy, findings, notes, today);
    suppressed.extend(by_policy);
    suppressed.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
    let layers = image.as_ref().map(|image| layer_reports(image, &inventory, &findings)).unwrap_or_default();
    let mut data = fresh.as_ref().map_or(&request.data_status, |fresh| &fresh.status).clone();
    data.sources = shards.iter().filter_map(|shard| lookup.source(shard)).collect();
    Ok(Report {
        schema: REPORT_SCHEMA,
        tool: Tool { name: "seaworthy".into(), version: request.tool_version.clone() },
        created: request.now,
        target: Target { name: request.spec.text.clone(), kind },
        actions: seaworthy_remedy::plan(&findings),
        image,
        verdict,
        findings,
        suppressed,
        inventory,
        layers,
        coverage,
        accepted,
        data,
    })
}

fn layer_reports(image: &ImageFacts, inventory: &Inventory, findings: &[Finding]) -> Vec<LayerReport> {
    let mut reports: Vec<LayerReport> = image
        .layers
        .iter()
        .map(|layer| LayerReport { layer: layer.clone(), packages: 0, findings: [0; 6] })
        .collect();
    let at = |layer: Option<u32>| layer.and_then(|index| usize::try_from(index).ok());
    for package in &inventory.packages {
        let own = package.owner.is_none()
            || ecosystem::by_id(&package.ecosystem).is_some_and(|e| e.of_distribution);
        if let Some(report) = at(package.layer).and_then(|index| reports.get_mut(index)).filter(|_| own) {
            report.packages += 1;
        }
    }
    for finding in findings {
        let place = Severity::ALL.iter().position(|severity| *severity == finding.severity).unwrap_or(5);
        if let Some(report) = at(finding.subject.layer).and_then(|index| reports.get_mut(index)) {
            report.findings[place] += 1;
        }
    }
    reports
}

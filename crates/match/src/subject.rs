//! What is judged: distribution packages once per source package, language packages by name and
//! version.

use seaworthy_types::{Inventory, Location, Origin, Package, Subject, distribution, ecosystem};
use std::collections::BTreeMap;

/// One thing to judge.
pub struct Judged<'a> {
    /// How findings name it.
    pub subject: Subject,
    /// Shard that speaks of it, or empty when nobody does.
    pub shard: String,
    /// Data of the distribution's subscription, where there is one.
    pub paid: Option<Paid>,
    /// Package URL without version, for the finding's identity.
    pub identity: String,
    /// `os` or `app`: the place class of the finding's identity.
    pub place: &'static str,
    /// Version scheme.
    pub scheme: &'static str,
    /// Names and versions to ask data for.
    pub questions: Vec<Question<'a>>,
    /// The packages behind it.
    pub packages: Vec<&'a Package>,
}

/// Data on updates that need a subscription. Their word on whether a version is affected is evidence
/// for everyone; their fixes are a fix only for who has it.
pub struct Paid {
    /// Shard.
    pub shard: String,
    /// Name of the subscription.
    pub label: &'static str,
    /// The installed version came by it: these data decide before those of the release.
    pub held: bool,
}

/// A name to look up, with the version to compare.
pub struct Question<'a> {
    /// Name in the data.
    pub name: &'a str,
    /// Version to compare.
    pub version: &'a str,
    /// The package that asks; its facts answer conditions.
    pub package: &'a Package,
}

impl Judged<'_> {
    /// The distribution package that owns all of it, if one does.
    pub fn owner(&self) -> Option<&str> {
        self.packages.first().and_then(|package| package.owner.as_deref())
    }
    /// Whether another repository made it.
    pub fn is_third_party(&self) -> bool {
        self.packages.iter().any(|package| package.origin == Origin::ThirdParty)
    }
}

/// Everything to judge, in a stable order.
pub fn subjects(inventory: &Inventory) -> Vec<Judged<'_>> {
    let mut groups: BTreeMap<[&str; 4], Vec<&Package>> = BTreeMap::new();
    for package in &inventory.packages {
        let of_distribution = ecosystem::by_id(&package.ecosystem).is_some_and(|e| e.of_distribution);
        let (name, version) = match of_distribution {
            true => package.source_or_self(),
            false => (package.name.as_str(), package.version.as_str()),
        };
        let owner = package.owner.as_deref().unwrap_or_default();
        groups.entry([&package.ecosystem, name, version, owner]).or_default().push(package);
    }
    groups
        .into_iter()
        .map(|([ecosystem, name, version, _], packages)| {
            judged(inventory, ecosystem, name, version, packages)
        })
        .collect()
}

fn judged<'a>(
    inventory: &Inventory,
    ecosystem: &'a str,
    name: &'a str,
    version: &'a str,
    packages: Vec<&'a Package>,
) -> Judged<'a> {
    let os = inventory.os.as_ref();
    let record = ecosystem::by_id(ecosystem);
    let of_distribution = record.is_some_and(|e| e.of_distribution);
    let distribution = os.and_then(distribution::of).filter(|_| of_distribution);
    let by_binary = distribution.is_some_and(|d| d.data_by_binary);
    let shard = match of_distribution {
        true => os
            .filter(|_| distribution.is_some_and(|d| d.ecosystem == ecosystem))
            .and_then(|os| os.shard())
            .unwrap_or_default(),
        false => ecosystem.to_owned(),
    };
    let paid = distribution.filter(|_| !shard.is_empty()).and_then(|distribution| {
        let subscription = distribution.subscription?;
        let held = subscription.made(version);
        Some(Paid { shard: distribution.subscription_shard(os?)?, label: subscription.label, held })
    });
    let shown = Package {
        name: name.to_owned(),
        version: version.to_owned(),
        ecosystem: ecosystem.to_owned(),
        ..Package::default()
    };
    let purl = shown.purl(os);
    let subject = Subject {
        purl: purl.to_string(),
        binaries: binaries(&packages, of_distribution),
        locations: locations(&packages),
        layer: packages.iter().filter_map(|package| package.layer).min(),
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let questions = match by_binary {
        true => {
            packages.iter().map(|p| Question { name: &p.name, version: &p.version, package: p }).collect()
        }
        false => packages.iter().take(1).map(|p| Question { name, version, package: p }).collect(),
    };
    Judged {
        subject,
        shard,
        paid,
        identity: purl.without_version().to_string(),
        place: if of_distribution { "os" } else { "app" },
        scheme: record.map_or("generic", |e| e.scheme),
        questions,
        packages,
    }
}

fn binaries(packages: &[&Package], of_distribution: bool) -> Vec<String> {
    if !of_distribution {
        return Vec::new();
    }
    let mut names: Vec<String> = packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    names.sort();
    names.dedup();
    names
}

fn locations(packages: &[&Package]) -> Vec<Location> {
    let mut all: Vec<Location> =
        packages.iter().flat_map(|package| package.locations.iter().cloned()).collect();
    all.sort();
    all.dedup();
    all
}

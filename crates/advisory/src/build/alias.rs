//! Which ids mean the same vulnerability (DESIGN, law 4).
//!
//! - Ids that are no CVE ids and no bulletins are joined when one record names them together.
//! - CVE ids never join anything: they are labels on such groups. So no merge joins two CVE ids.
//! - Bulletins are no aliases: they are expanded into what they fix.
//! - `UBUNTU-CVE-2024-1` and the like are a distribution's record of that CVE and stand for it.
//!
//! A record's main ids are its own CVE ids; else the only CVE id of its group; else, when its group
//! has none, the group's best id (GHSA first, then by alphabet); else (several CVE ids that the
//! record does not choose between) its own id. One id may be the alias of two vulnerabilities (a
//! GHSA that covers two CVEs): aliases are names to be found by, not reasons to merge.

use super::intern::Interner;
use crate::Vulnerability;
use seaworthy_types::{is_bulletin, is_cve};
use std::collections::BTreeSet;

/// Aliases of one vulnerability that are kept; real ones have fewer than ten.
const ALIASES_MAX: usize = 64;
/// Ids of one record that are looked at.
const RECORD_IDS_MAX: usize = 4_096;

/// All ids and which records name them together.
#[derive(Default)]
pub struct Graph {
    ids: Interner,
    /// For each record: number of own ids, number of fixed ids, then these ids; own id first.
    records: Vec<u32>,
}

/// A record's place in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordIds(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cve,
    Bulletin,
    Other,
}

fn kind(id: &str) -> Kind {
    if is_cve(id) {
        Kind::Cve
    } else if is_bulletin(id) {
        Kind::Bulletin
    } else {
        Kind::Other
    }
}

/// The CVE id that a distribution's id of a CVE stands for.
fn stands_for(id: &str) -> &str {
    match id.find("-CVE-").and_then(|at| id.get(at + 1..)) {
        Some(cve) if is_cve(cve) => cve,
        _ => id,
    }
}

impl Graph {
    /// Takes a record's ids; `None` when there is no room for more.
    pub fn add(&mut self, id: &str, aliases: &[String], upstream: &[String]) -> Option<RecordIds> {
        let place = u32::try_from(self.records.len()).ok()?;
        let own = std::iter::once(id).chain(aliases.iter().map(String::as_str)).take(RECORD_IDS_MAX);
        let fixed = upstream.iter().map(String::as_str).take(RECORD_IDS_MAX);
        let mut numbers = Vec::with_capacity(2 + aliases.len());
        // The record's own name goes in as written: it may be all that is left of it.
        numbers.push(self.ids.add(id)?);
        for id in own {
            numbers.push(self.ids.add(stands_for(id))?);
        }
        let own = numbers.len() as u32;
        if kind(id) == Kind::Bulletin {
            for id in fixed {
                numbers.push(self.ids.add(stands_for(id))?);
            }
        }
        self.records.push(own);
        self.records.push(numbers.len() as u32 - own);
        self.records.extend(numbers);
        Some(RecordIds(place))
    }
    /// The number of the record's own id: equal for records of one id.
    pub fn id_of(&self, record: RecordIds) -> u32 {
        self.records.get(record.0 as usize + 2).copied().unwrap_or(u32::MAX)
    }
    /// The record's own id.
    pub fn id_text(&self, record: RecordIds) -> &str {
        self.ids.text(self.id_of(record))
    }
    /// Own ids (the id as written, then the ids it and its aliases stand for) and fixed ids.
    fn ids_at(&self, place: usize) -> (&[u32], &[u32]) {
        let count = |at: usize| self.records.get(at).copied().unwrap_or(0) as usize;
        let own_end = place + 2 + count(place);
        let own = self.records.get(place + 2..own_end).unwrap_or_default();
        (own, self.records.get(own_end..own_end + count(place + 1)).unwrap_or_default())
    }
    fn each_record(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        let mut place = 0;
        std::iter::from_fn(move || {
            if place >= self.records.len() {
                return None;
            }
            let (own, fixed) = self.ids_at(place);
            place += 2 + own.len() + fixed.len();
            Some((own, fixed))
        })
    }
    /// Works out all groups.
    pub fn resolve(self) -> Resolved {
        let kinds: Vec<Kind> = (0..self.ids.len() as u32).map(|number| kind(self.ids.text(number))).collect();
        let is = |id: u32, wanted: Kind| kinds.get(id as usize) == Some(&wanted);
        let mut groups = Groups::new(self.ids.len());
        for (own, _) in
            self.each_record().filter(|(own, _)| !own.first().is_some_and(|id| is(*id, Kind::Bulletin)))
        {
            let mut others = own.iter().skip(1).filter(|id| is(**id, Kind::Other));
            if let Some(first) = others.next() {
                others.for_each(|other| groups.join(*first, *other));
            }
        }
        groups.flatten();
        let mut cves_of_group = Vec::new();
        let mut together = Vec::new();
        for (own, _) in
            self.each_record().filter(|(own, _)| !own.first().is_some_and(|id| is(*id, Kind::Bulletin)))
        {
            let own = own.get(1..).unwrap_or_default();
            for cve in own.iter().filter(|id| is(**id, Kind::Cve)) {
                for other in own.iter().filter(|id| is(**id, Kind::Other)) {
                    cves_of_group.push((groups.root(*other), *cve));
                    together.push((*cve, *other));
                }
            }
        }
        sort_pairs(&mut cves_of_group);
        let mut members: Vec<(u32, u32)> = (0..self.ids.len() as u32)
            .filter(|id| is(*id, Kind::Other))
            .map(|id| (groups.root(id), id))
            .collect();
        sort_pairs(&mut members);
        for (root, id) in &members {
            if let [(_, cve)] = matching(&cves_of_group, *root) {
                together.push((*cve, *id));
            }
        }
        sort_pairs(&mut together);
        Resolved { graph: self, kinds, groups, cves_of_group, members, aliases_of_cve: together }
    }
}

fn sort_pairs(pairs: &mut Vec<(u32, u32)>) {
    pairs.sort_unstable();
    pairs.dedup();
}

/// The pairs with this first half.
fn matching(pairs: &[(u32, u32)], first: u32) -> &[(u32, u32)] {
    let start = pairs.partition_point(|pair| pair.0 < first);
    let rest = pairs.get(start..).unwrap_or_default();
    rest.get(..rest.partition_point(|pair| pair.0 == first)).unwrap_or_default()
}

/// Union-find over ids.
struct Groups(Vec<u32>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count as u32).collect())
    }
    fn parent(&self, id: u32) -> u32 {
        self.0.get(id as usize).copied().unwrap_or(id)
    }
    fn root(&self, mut id: u32) -> u32 {
        while self.parent(id) != id {
            id = self.parent(id);
        }
        id
    }
    fn set(&mut self, id: u32, parent: u32) {
        if let Some(place) = self.0.get_mut(id as usize) {
            *place = parent;
        }
    }
    /// The root, and the way to it halved.
    fn find(&mut self, mut id: u32) -> u32 {
        while self.parent(id) != id {
            let grandparent = self.parent(self.parent(id));
            self.set(id, grandparent);
            id = grandparent;
        }
        id
    }
    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.find(one), self.find(other));
        self.set(one.max(other), one.min(other));
    }
    /// Lets every id point to its root.
    fn flatten(&mut self) {
        for id in 0..self.0.len() as u32 {
            let root = self.find(id);
            self.set(id, root);
        }
    }
}

/// The groups of a finished graph.
pub struct Resolved {
    graph: Graph,
    kinds: Vec<Kind>,
    groups: Groups,
    cves_of_group: Vec<(u32, u32)>,
    members: Vec<(u32, u32)>,
    aliases_of_cve: Vec<(u32, u32)>,
}

impl Resolved {
    /// The number of the record's own id.
    pub fn id_of(&self, record: RecordIds) -> u32 {
        self.graph.id_of(record)
    }
    /// The record's own id.
    pub fn id_text(&self, record: RecordIds) -> &str {
        self.graph.id_text(record)
    }
    /// The vulnerabilities a record speaks of, sorted; never none.
    pub fn vulnerabilities(&self, record: RecordIds) -> Vec<Vulnerability> {
        let (own, fixed) = self.graph.ids_at(record.0 as usize);
        let (Some(name), Some(ids)) = (own.first(), own.get(1..)) else { return Vec::new() };
        let is_cve = |id: &u32| self.kind(*id) == Kind::Cve;
        if self.kind(*name) == Kind::Bulletin {
            let all = ids.iter().skip(1).chain(fixed).filter(|id| self.kind(**id) != Kind::Bulletin);
            let found: BTreeSet<Vulnerability> = all.map(|id| self.of_id(*id)).collect();
            if !found.is_empty() {
                return found.into_iter().collect();
            }
            return vec![Vulnerability { id: self.text(*name), aliases: Vec::new() }];
        }
        let direct: BTreeSet<u32> = ids.iter().copied().filter(is_cve).collect();
        if direct.is_empty() {
            return vec![self.of_id(*name)];
        }
        let mut found: Vec<Vulnerability> = direct.into_iter().map(|cve| self.of_cve(cve)).collect();
        found.sort();
        found
    }
    fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Other)
    }
    fn text(&self, id: u32) -> String {
        self.graph.ids.text(id).to_owned()
    }
    fn of_cve(&self, cve: u32) -> Vulnerability {
        let ids = matching(&self.aliases_of_cve, cve).iter().map(|pair| pair.1);
        Vulnerability { id: self.text(cve), aliases: self.sorted(ids) }
    }
    fn of_id(&self, id: u32) -> Vulnerability {
        if self.kind(id) == Kind::Cve {
            return self.of_cve(id);
        }
        let root = self.groups.root(id);
        match matching(&self.cves_of_group, root) {
            [(_, cve)] => self.of_cve(*cve),
            [] => {
                let members = matching(&self.members, root).iter().map(|pair| pair.1);
                let mut names = self.sorted(members);
                let best = names.iter().position(|name| name.starts_with("GHSA-")).unwrap_or(0);
                if names.is_empty() {
                    return Vulnerability { id: self.text(id), aliases: names };
                }
                Vulnerability { id: names.remove(best), aliases: names }
            }
            _ => Vulnerability { id: self.text(id), aliases: Vec::new() },
        }
    }
    fn sorted(&self, ids: impl Iterator<Item = u32>) -> Vec<String> {
        let mut names: Vec<&str> = ids.map(|id| self.graph.ids.text(id)).collect();
        names.sort_unstable_by_key(|name| (!name.starts_with("GHSA-"), *name));
        names.truncate(ALIASES_MAX);
        names.sort_unstable();
        names.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as `id < aliases > upstream`, separated by blanks; expected as `main=alias,alias`.
    fn check(records: &[&str], expected: &[&str]) {
        let mut graph = Graph::default();
        let list = |part: Option<&str>| -> Vec<String> {
            part.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let places: Vec<RecordIds> = records
            .iter()
            .map(|record| {
                let (front, upstream) = record.split_once('>').unwrap_or((record, ""));
                let (id, aliases) = front.split_once('<').unwrap_or((front, ""));
                graph.add(id.trim(), &list(Some(aliases)), &list(Some(upstream))).expect("room")
            })
            .collect();
        let resolved = graph.resolve();
        for (place, expected) in places.iter().zip(expected) {
            let found: Vec<String> = resolved
                .vulnerabilities(*place)
                .into_iter()
                .map(
                    |v| if v.aliases.is_empty() { v.id } else { format!("{}={}", v.id, v.aliases.join(",")) },
                )
                .collect();
            assert_eq!(found.join(" "), *expected, "{records:?}");
        }
    }

    #[test]
    fn one_cve_gives_its_name_to_all() {
        check(&["GHSA-a < CVE-2021-0001"], &["CVE-2021-0001=GHSA-a"]);
        check(
            &["GHSA-a < CVE-2021-0001", "PYSEC-1 < GHSA-a", "SNYK-1 < PYSEC-1"],
            &["CVE-2021-0001=GHSA-a,PYSEC-1,SNYK-1"; 3],
        );
        check(
            &["GHSA-a < CVE-2021-0001", "PYSEC-1 < CVE-2021-0001"],
            &["CVE-2021-0001=GHSA-a,PYSEC-1", "CVE-2021-0001=GHSA-a,PYSEC-1"],
        );
        check(&["CVE-2021-0001"], &["CVE-2021-0001"]);
    }

    #[test]
    fn two_cves_are_never_joined() {
        check(
            &["GHSA-a < CVE-2021-0001 CVE-2021-0002", "PYSEC-1 < GHSA-a", "PYSEC-2 < GHSA-a CVE-2021-0002"],
            &["CVE-2021-0001=GHSA-a CVE-2021-0002=GHSA-a,PYSEC-2", "PYSEC-1", "CVE-2021-0002=GHSA-a,PYSEC-2"],
        );
        check(
            &["CVE-2021-0001 < GHSA-a", "CVE-2021-0002 < GHSA-a"],
            &["CVE-2021-0001=GHSA-a", "CVE-2021-0002=GHSA-a"],
        );
    }

    #[test]
    fn without_a_cve_the_best_id_speaks() {
        check(&["PYSEC-1 < GHSA-b ASEC-1"], &["GHSA-b=ASEC-1,PYSEC-1"]);
        check(&["RUSTSEC-2 < A-1"], &["A-1=RUSTSEC-2"]);
        check(&["MAL-1"], &["MAL-1"]);
    }

    #[test]
    fn bulletins_are_expanded() {
        check(
            &["DSA-1-1 > CVE-2021-0001 CVE-2021-0002", "GHSA-a < CVE-2021-0001 DSA-1-1", "GHSA-c < DSA-1-1"],
            &["CVE-2021-0001=GHSA-a CVE-2021-0002", "CVE-2021-0001=GHSA-a", "GHSA-c"],
        );
        check(&["ALSA-2024:1 < CVE-2021-0001"], &["CVE-2021-0001"]);
        check(&["DSA-2-1", "DSA-3-1 > DSA-2-1"], &["DSA-2-1", "DSA-3-1"]);
        check(
            &["USN-1-1 > UBUNTU-CVE-2021-0001 GHSA-z", "GHSA-z < CVE-2021-0009"],
            &["CVE-2021-0001 CVE-2021-0009=GHSA-z", "CVE-2021-0009=GHSA-z"],
        );
    }

    #[test]
    fn upstream_of_others_are_no_aliases() {
        check(&["GHSA-a < X-1 > CVE-2021-0001"], &["GHSA-a=X-1"]);
        check(&["DEBIAN-CVE-2021-0001 > CVE-2021-0001"], &["CVE-2021-0001"]);
        check(&["DEBIAN-CVE-x"], &["DEBIAN-CVE-x"]);
    }

    #[test]
    fn order_does_not_matter_and_chains_are_short() {
        let records: Vec<String> = (0..50_000).map(|n| format!("X-{n} < X-{}", n + 1)).collect();
        let mut graph = Graph::default();
        let mut last = None;
        for record in records.iter().rev() {
            let (id, alias) = record.split_once(" < ").expect("made above");
            last = graph.add(id, &[alias.to_owned()], &[]);
        }
        let resolved = graph.resolve();
        let found = resolved.vulnerabilities(last.expect("room"));
        assert_eq!((found[0].id.as_str(), found[0].aliases.len()), ("X-0", ALIASES_MAX - 1));
    }
}

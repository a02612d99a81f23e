//! Delivery from database to database: full files, deltas, trust, damage, older and newer publications.

mod delivery;

use delivery::trusted;
use delivery::{DAY, NOW, Place, same_answers};
use seaworthy_advisory::database::epss;
use seaworthy_advisory::deliver::{
    Bundle, BundleChoice, Choice, DeliverError, Depot as _, How, export, missing,
};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[test]
fn what_is_published_is_what_is_fetched() {
    let place = Place::new("one");
    let published = place.publish(NOW);
    assert_eq!(published.shards.len(), 4, "{published:?}");
    let fetched = place.fetch(Choice::All, NOW).expect("fetched").value;
    assert!(fetched.shards.iter().all(|shard| shard.how == How::Full || shard.files == 0), "{fetched:?}");
    same_answers(&place.built(), &place.fetched());
    // A second time there is nothing to fetch but the index.
    let again = place.fetch(Choice::All, NOW).expect("fetched").value;
    assert_eq!((again.files, again.shards.iter().all(|shard| shard.how == How::Unchanged)), (1, true));
}

#[test]
fn a_delta_leads_to_the_same_as_the_whole() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    place.build("two");
    let published = place.publish(NOW.plus(DAY));
    assert!(published.shards.iter().any(|shard| !shard.deltas.is_empty()), "{published:?}");
    let fetched = place.fetch(Choice::All, NOW.plus(DAY)).expect("fetched").value;
    let how: Vec<How> = fetched.shards.iter().map(|shard| shard.how).collect();
    assert!(how.contains(&How::Delta) && !how.contains(&How::Full), "{fetched:?}");
    same_answers(&place.built(), &place.fetched());
    // Who starts now gets the same files.
    let other = place.other("elsewhere");
    other.fetch(Choice::All, NOW.plus(DAY)).expect("fetched");
    assert_eq!(other.data_files(), place.data_files());
}

#[test]
fn a_bundle_brings_a_fetched_database_over() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    let file = place.work().join("bundle.tar");
    let bundled = export(place.fetched_folder(), BundleChoice::All, &file, NOW.time()).expect("exported");
    assert!(bundled.signed, "{bundled:?}");
    let bundle = Bundle::open(&file).expect("opened");
    assert_eq!(bundle.shards(), bundled.shards);
    let other = place.other("beyond");
    let shards = bundled.shards.as_slice();
    let fetched = other.fetch_from(&[&bundle], Choice::Named(shards), NOW, &trusted(&[1])).expect("fetched");
    assert_eq!(fetched.notes, []);
    same_answers(&place.built(), &other.fetched());
    assert_eq!(other.data_files(), place.data_files());
    // A stranger's bundle is refused.
    let refused = place.other("nowhere").fetch_from(&[&bundle], Choice::All, NOW, &trusted(&[2]));
    assert!(matches!(refused, Err(DeliverError::Nowhere { .. })));
    assert!(!place.work().join("nowhere/index.json").exists());
}

#[test]
fn a_bundle_of_some_shards_says_what_is_missing() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    let file = place.work().join("bundle.tar");
    let some = ["npm".to_owned()];
    let choice = BundleChoice::Named(&some);
    let bundled = export(place.fetched_folder(), choice, &file, NOW.time()).expect("exported");
    assert_eq!(bundled.shards, ["cve", "epss", "npm"]);
    let bundle = Bundle::open(&file).expect("opened");
    let other = place.other("beyond");
    let outcome = other.fetch_from(&[&bundle], Choice::Named(&bundled.shards), NOW, &trusted(&[1]));
    assert_eq!(outcome.expect("fetched").notes, []);
    let asked = ["npm".to_owned(), "maven".to_owned(), "pypi".to_owned()];
    assert_eq!(missing(other.fetched_folder(), &asked).expect("read"), ["maven"]);
}

/// FIRST ranks scores and then rounds them, to five digits both: of scores that are equal when rounded, the
/// true ranks are lost, and all get the middle one.
#[test]
fn percentiles_of_a_real_feed_are_derived_closely() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("SEAWORTHY_SHARED").map_or(root, PathBuf::from);
    let path = shared.join("advisories/prioritisation/epss_scores-2026-08-16.csv.gz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: there is no {}", path.display());
        return;
    };
    let millionths = |text: &str| text.parse::<f32>().map(epss::millionths).expect("a share");
    let mut entries = Vec::new();
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let line = line.expect("read");
        let fields: Vec<&str> = line.split(',').collect();
        if let ([id, score, percentile], true) = (fields.as_slice(), line.starts_with("CVE-")) {
            entries.push((epss::key_of(id).expect("an id"), millionths(score), millionths(percentile)));
        }
    }
    let derived = epss::percentiles(&entries);
    let mut errors: Vec<u32> =
        entries.iter().zip(&derived).map(|(entry, derived)| entry.2.abs_diff(*derived)).collect();
    errors.sort_unstable();
    let at = |share: usize| errors[(errors.len() - 1) * share / 100];
    println!(
        "{} scores; error in millionths: median {}, 90 of 100 within {}, 99 within {}, largest {}",
        errors.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
    assert_eq!(errors.len(), 360_142);
    assert!((at(50), at(99), at(100)) <= (80, 640, 1_620), "{} {} {}", at(50), at(99), at(100));
    // Scores that only one has are ranked as FIRST ranks them, but for a hundred whose neighbours shift.
    let mut count = std::collections::HashMap::new();
    entries.iter().for_each(|entry| *count.entry(entry.1).or_insert(0) += 1);
    let single = entries.iter().zip(&derived).filter(|(entry, _)| count[&entry.1] == 1);
    let differ = single.clone().filter(|(entry, derived)| entry.2 != **derived).count();
    println!("{differ} of {} scores that stand alone differ, by one in the last digit", single.count());
    assert!(differ < 100);
}

#[test]
fn publishing_is_deterministic() {
    let (one, other) = (Place::new("one"), Place::new("one"));
    for place in [&one, &other] {
        place.publish(NOW);
        place.build("two");
        place.publish(NOW.plus(DAY));
    }
    let files = |place: &Place| {
        let mut names = place.depot_files();
        names.sort();
        names
    };
    assert_eq!(files(&one), files(&other));
    let index = |place: &Place| std::fs::read(place.depot_folder().join("index.seaworthy")).expect("read");
    assert_eq!(index(&one), index(&other));
}

#[test]
fn deltas_lead_from_seven_days_and_no_more() {
    for (days, how) in [(7, How::Delta), (8, How::Full)] {
        let place = Place::new("one");
        place.publish(NOW);
        place.fetch(Choice::All, NOW).expect("fetched");
        place.build("two");
        let late = NOW.plus(days * DAY);
        let published = place.publish(late);
        assert_eq!(published.unreferenced, Vec::<String>::new(), "who has the last index still needs them");
        let fetched = place.fetch(Choice::All, late).expect("fetched").value;
        let npm = fetched.shards.iter().find(|shard| shard.shard == "npm").expect("there");
        assert_eq!(npm.how, how, "{days}");
        // A day after, files that only the first publication had are no longer needed, deltas from it neither.
        let published = place.publish(late.plus(DAY));
        assert!(!published.unreferenced.is_empty());
        for name in &published.unreferenced {
            place.depot().remove(name).expect("removed");
        }
        let other = place.other("elsewhere");
        other.fetch(Choice::All, late.plus(DAY)).expect("all that is needed is there");
        same_answers(&place.built(), &other.fetched());
    }
}

#[test]
fn a_day_without_changes_costs_the_index() {
    let place = Place::new("one");
    place.publish(NOW);
    let again = place.publish(NOW.plus(DAY));
    assert!(again.shards.iter().all(|shard| shard.unchanged));
    assert_eq!((again.files, again.sequence > NOW.0.unsigned_abs()), (0, true));
}

#[test]
fn what_was_built_here_makes_a_bundle_unsigned() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    place.build_into("two", place.fetched_folder());
    let file = place.work().join("bundle.tar");
    let bundled = export(place.fetched_folder(), BundleChoice::All, &file, NOW.time()).expect("exported");
    assert_eq!((bundled.signed, bundled.notes.len()), (false, 0), "nothing of the publication is left");
    let bundle = Bundle::open(&file).expect("opened");
    let other = place.other("beyond");
    let refused = other.fetch_from(&[&bundle], Choice::All, NOW, &trusted(&[1]));
    assert!(refused.expect_err("refused").to_string().contains("not signed"));
}

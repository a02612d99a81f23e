//! Delivery from database to database: full files, deltas, trust, damage, older and newer publications.

mod delivery;

use delivery::{DAY, NOW, Place, same_answers};
use seaworthy_advisory::deliver::{Choice, How};

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

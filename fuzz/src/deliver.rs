//! Delivery of data: the first byte chooses an index, its payload, a full file (as it stands, or the body of
//! its frame), a delta on made-up records, edits of sound records, or a bundle; the second one a kind of
//! shard. Records that are sound as a list and can be built must come out of the built file as they went in.

use seaworthy_advisory::database::IndexShard;
use seaworthy_advisory::deliver::body::pack;
use seaworthy_advisory::deliver::delta::Applied;
use seaworthy_advisory::deliver::full::{self, Full};
use seaworthy_advisory::deliver::installed::Installed;
use seaworthy_advisory::deliver::rebuild::rebuild;
use seaworthy_advisory::deliver::record::{Canonical, Content, Owned, Record, Records, content_of};
use seaworthy_advisory::deliver::signed::seal;
use seaworthy_advisory::deliver::spool::{Promised, Spool};
use seaworthy_advisory::deliver::{
    Bundle, Fault, INDEX_NAME, PrivateKey, PublishedShard, SignedIndex, Store, Trusted, Unsigned,
};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Records of one input are never more: what grows is fuzzed elsewhere.
const RECORDS_MAX: usize = 4_096;
const NAMES: [(&str, &str); 4] =
    [("npm", "packages"), ("cve", "vulnerabilities"), ("epss", "epss"), ("graph", "later")];
const CASES: u8 = 8;

fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder")).path()
}

struct List<'a>(&'a [Owned], usize);

impl Records for List<'_> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        self.1 += 1;
        Ok(self.0.get(self.1 - 1).map(Owned::get))
    }
}

/// Sound records of each kind of shard, as bytes of their stored form.
fn sound(kind: &str) -> Vec<Owned> {
    let owned = |kind, key: &[u8], value: &[u8]| Owned { kind, key: key.to_vec(), value: value.to_vec() };
    match kind {
        "packages" => vec![
            owned(
                1,
                b"left\0A-1\0s\0\0\0\0\0",
                b"\x00\x01\x00\x02\x00\x010\x01\x031.0\x00\x00\x00\x00\x00\x00",
            ),
            owned(1, b"left\0A-2\0s\0\0\0\0\0", b"\x00\x00\x011\x00\x00\x00\x00\x00"),
            owned(2, b"A-1\0s\0\0\0\0\0", b"\x00\x03A-1\x01s\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
            owned(2, b"A-2\0s\0\0\0\0\0", b"\x00\x03A-2\x01s\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
            owned(9, b"later", b"times"),
        ],
        "vulnerabilities" => vec![
            owned(3, b"CVE-2021-0001", b"\x00\x00\x00\x05about\x00\x00\x00"),
            owned(3, b"CVE-2021-0002", b"\x01\x02\x00\x01\x00\x00\x00\x00\x00\x00"),
        ],
        "epss" => vec![
            owned(4, b"", b"\x05\x00"),
            owned(5, &(51_u32 << 25 | 1).to_be_bytes(), b"\x2a"),
            owned(5, &(51_u32 << 25 | 2).to_be_bytes(), b"\x90\x4e"),
        ],
        _ => vec![owned(1, b"x", b"y"), owned(77, b"", b"")],
    }
}

fn read(records: &mut dyn Records) -> Result<Vec<Owned>, Fault> {
    let mut list = Vec::new();
    while let Some(record) = records.next()? {
        let mut owned = Owned::default();
        owned.set(record);
        list.push(owned);
        if list.len() > RECORDS_MAX {
            return Err(Fault::Missing);
        }
    }
    Ok(list)
}

fn content(name: (&str, &str), list: &[Owned]) -> Option<Content> {
    let mut canonical = Canonical::new(name.0, name.1);
    for record in list {
        canonical.add(record.get()).ok()?;
    }
    Some(canonical.finish())
}

/// Records that are sound as a list travel, and come out of the file that is built of them.
fn travel(name: (&str, &str), list: &[Owned]) {
    let Some(content) = content(name, list) else { return };
    let Ok(file) = full::write_at(1, Vec::new(), name, &mut List(list, 0)) else { return };
    let mut records = Full::open(file.as_slice(), name).expect("what was written is read");
    let promised = Promised { shard: name.0, kind: name.1, content: &content.digest, bytes: content.bytes };
    let spool = Spool::fill(&mut records, promised, &folder().join("records")).expect("the same records");
    let facts = PublishedShard {
        shard: name.0.to_owned(),
        kind: name.1.to_owned(),
        content: content.digest.clone(),
        ..PublishedShard::default()
    };
    let Ok(entry) = rebuild(&spool, folder(), facts.facts()) else { return };
    let again = content_of(name.0, name.1, &mut Installed::open(folder(), &entry).expect("opened"));
    assert_eq!(again.expect("read"), content);
    look_up(&entry);
    let _ = std::fs::remove_file(folder().join(&entry.file));
}

/// What was built can be verified and asked.
fn look_up(entry: &IndexShard) {
    use seaworthy_advisory::database::container::Kind;
    use seaworthy_advisory::database::shard::Shard;
    let kind = match entry.kind.as_str() {
        "packages" => Kind::Packages,
        "vulnerabilities" => Kind::Vulnerabilities,
        _ => return,
    };
    let shard = Shard::open(&folder().join(&entry.file), entry.bytes, kind, &entry.shard).expect("opened");
    shard.verify(kind).expect("a built file is sound");
}

fn framed(magic: &[u8; 8], bodies: &[&[u8]]) -> Option<Vec<u8>> {
    let mut file = magic.to_vec();
    file.extend_from_slice(&1_u32.to_le_bytes());
    let mut output = pack(file, 1).ok()?;
    bodies.iter().try_for_each(|body| output.write_all(body)).ok()?;
    output.finish().ok()
}

fn head(name: (&str, &str)) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [text(name.0), text(name.1)].concat()
}

fn index(file: &[u8]) {
    static TRUSTED: OnceLock<Trusted> = OnceLock::new();
    let trusted = TRUSTED.get_or_init(|| {
        let key = PrivateKey::from_seed(&[1; 32]).expect("a key");
        Trusted::new(&[key.public()]).expect("keys")
    });
    let Ok(index) = SignedIndex::open(file, trusted, Unsigned::Allow) else { return };
    let again = seal(&index.payload, &[]).expect("what was read is written");
    let again = SignedIndex::open(&again, trusted, Unsigned::Allow).expect("and read again");
    assert_eq!(again.payload, index.payload);
}

fn apply(name: (&str, &str), rest: &[u8]) {
    let base = sound(name.1);
    let from = content(name, &base).expect("sound").digest;
    let digest = |hex: &str| -> Vec<u8> {
        (0..32).filter_map(|at| u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
    };
    let body = [head(name), digest(&from), digest(&from)].concat();
    let Some(file) = framed(b"SEAWDIF\n", &[&body, rest]) else { return };
    let mut base = List(&base, 0);
    let Ok(mut records) = Applied::open(file.as_slice(), name, (&from, &from), &mut base) else { return };
    if let Ok(list) = read(&mut records) {
        travel(name, &list);
    }
}

/// Changes bytes of keys and values, or repeats a record under another key.
fn edited(name: (&str, &str), rest: &[u8]) {
    let mut list = sound(name.1);
    for edit in rest.chunks_exact(4).take(32) {
        let at = usize::from(edit[0]) % list.len();
        let mut record = list[at].clone();
        let bytes = if edit[1] & 1 == 0 { &mut record.value } else { &mut record.key };
        let place = usize::from(edit[2]);
        match edit[1] >> 1 & 3 {
            0 | 3 if !bytes.is_empty() => {
                let place = place % bytes.len();
                bytes[place] = edit[3];
            }
            1 => bytes.insert(place.min(bytes.len()), edit[3]),
            2 => bytes.truncate(place),
            _ => record.kind = u32::from(edit[3]),
        }
        if edit[1] & 0x80 == 0 { list[at] = record } else { list.push(record) }
    }
    list.sort_by(|one, other| (one.kind, &one.key).cmp(&(other.kind, &other.key)));
    travel(name, &list);
}

fn bundle(bytes: &[u8]) {
    let path = folder().join("bundle");
    std::fs::write(&path, bytes).expect("written");
    let Ok(bundle) = Bundle::open(&path) else { return };
    let _ = bundle.shards();
    for name in [INDEX_NAME, "contents.json"] {
        if let Ok(Some(mut input)) = bundle.open(name, 1 << 20) {
            let _ = input.read_to_end(&mut Vec::new());
        }
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let [first, second, rest @ ..] = data else { return };
    let name = NAMES[usize::from(*second) % NAMES.len()];
    let full = |file: &[u8]| {
        let read = Full::open(file, name).and_then(|mut records| read(&mut records));
        if let Ok(list) = read {
            travel(name, &list);
        }
    };
    match first % CASES {
        0 => index(rest),
        1 => index(&[b"seaworthy-index 1\n\n".as_slice(), rest].concat()),
        2 => full(rest),
        3 => {
            if let Some(file) = framed(b"SEAWALL\n", &[&head(name), rest]) {
                full(&file);
            }
        }
        4 => apply(name, rest),
        5 | 6 => edited(name, rest),
        _ => bundle(rest),
    }
}

//! Carriers against a server that misbehaves on purpose, in a world without real pauses, environment or files.

use super::{Carrier, Http, Names, S3, Taker};
use crate::registry::testing::{Fake, Seen, Server, Wire, options};
use crate::web::Web;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const NAMES: Names = Names { index: "index.seaworthy", files: "files/" };
const FILE: &str = "files/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn web(world: Fake) -> Arc<Web> {
    Arc::new(Web::new(options(), Arc::new(world)))
}

fn http(server: &Server) -> Http {
    let base = format!("http://{}/data/", server.authority);
    Http::new(web(Fake::new()), &base, NAMES, None).expect("an address")
}

fn content(carrier: &dyn Carrier, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(mut reader) = carrier.open(name, bytes_max)? else { return Ok(None) };
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn refused(carrier: &dyn Carrier, name: &str, words: &[&str]) {
    let error = content(carrier, name, 1_000).expect_err("refused").to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn files_of_a_web_server() {
    let server = Server::new(|seen, wire| match seen.target.as_str() {
        "/data/index.seaworthy" => wire.answer(200, &[], b"index"),
        _ if seen.target.ends_with("9824") => wire.answer(200, &[], b"hello"),
        _ => wire.answer(404, &[], b""),
    });
    let carrier = http(&server);
    assert_eq!(carrier.name(), format!("http://{}/data", server.authority));
    assert_eq!(content(&carrier, "index.seaworthy", 10).expect("read").as_deref(), Some(&b"index"[..]));
    assert_eq!(content(&carrier, FILE, 5).expect("read").as_deref(), Some(&b"hello"[..]));
    let other = FILE.replace('2', "3");
    assert_eq!(content(&carrier, &other, 5).expect("read"), None);
    for name in ["index.seaworthy", FILE] {
        let error = content(&carrier, name, 4).expect_err("too large").to_string();
        assert!(error.contains("larger than 4"), "{error}");
    }
    for name in ["", "../index.seaworthy", "files/", "files/2CF2", &format!("{FILE}?x")] {
        assert_eq!(content(&carrier, name, 9).expect_err("no name").kind(), io::ErrorKind::InvalidInput);
    }
    assert!(Http::new(web(Fake::new()), "https://a.example/x?sig=1", NAMES, None).is_err());
    assert!(Http::new(web(Fake::new()), "ftp://a.example/", NAMES, None).is_err());
}

#[test]
fn the_index_is_asked_for_conditionally() {
    let server = Server::new(|seen, wire| match seen.header("if-none-match") {
        Some("\"one\"") => wire.answer(304, &[], b""),
        _ => wire.answer(200, &["etag: \"one\""], b"first\n\nindex"),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("deep/kept");
    let base = format!("http://{}", server.authority);
    let ask = |base: &str| {
        let carrier = Http::new(web(Fake::new()), base, NAMES, Some(kept.clone())).expect("an address");
        content(&carrier, "index.seaworthy", 100).expect("read").expect("there")
    };
    for _ in 0..2 {
        assert_eq!(ask(&base), b"first\n\nindex");
    }
    let asked: Vec<bool> = server.seen().iter().map(|seen| seen.header("if-none-match").is_some()).collect();
    assert_eq!(asked, [false, true]);
    // Another place has another index; rubbish counts as none.
    assert_eq!(ask(&format!("{base}/other")), b"first\n\nindex");
    std::fs::write(&kept, "rubbish").expect("written");
    assert_eq!(ask(&base), b"first\n\nindex");
    assert!(server.seen()[2..].iter().all(|seen| seen.header("if-none-match").is_none()));
}

fn after(
    times: u32,
    then: impl Fn(&Seen, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    first: impl Fn(&mut Wire) -> io::Result<()> + Send + Sync + 'static,
) -> Server {
    let count = AtomicU32::new(0);
    Server::new(move |seen, wire| match count.fetch_add(1, Ordering::Relaxed) < times {
        true => first(wire),
        false => then(seen, wire),
    })
}

#[test]
fn busy_servers_are_waited_for() {
    for name in ["index.seaworthy", FILE] {
        let server = after(
            2,
            |_, wire| wire.answer(200, &[], b"hello"),
            |wire| wire.answer(503, &["retry-after: 3"], b""),
        );
        assert_eq!(content(&http(&server), name, 10).expect("read").as_deref(), Some(&b"hello"[..]));
        let server = Server::new(|_, wire| wire.answer(429, &["retry-after: 7200"], b""));
        refused(&http(&server), name, &["HTTP 429", "7200 s", "another mirror"]);
        let server = Server::new(|_, wire| wire.answer(500, &[], b""));
        refused(&http(&server), name, &["HTTP 500", "5 tries"]);
    }
}

#[test]
fn a_place_that_failed_is_left_alone_for_a_while() {
    let server = Server::new(|_, wire| wire.answer(500, &[], b""));
    let world = Arc::new(Fake::new());
    let web = Arc::new(Web::new(options(), world.clone()));
    let carrier = Http::new(web, &format!("http://{}", server.authority), NAMES, None).expect("an address");
    refused(&carrier, "index.seaworthy", &["HTTP 500", "5 tries"]);
    refused(&carrier, FILE, &["HTTP 500", "5 tries"]);
    assert_eq!(server.seen().len(), 5);
    crate::registry::World::sleep(&*world, std::time::Duration::from_secs(61));
    refused(&carrier, FILE, &["HTTP 500", "5 tries"]);
    assert_eq!(server.seen().len(), 10);
}

#[test]
fn an_index_that_is_cut_short_is_asked_for_again() {
    let server = after(
        1,
        |_, wire| wire.answer(200, &[], b"hello"),
        |wire| {
            wire.head(200, &[], Some(5))?;
            wire.raw(b"he")
        },
    );
    assert_eq!(content(&http(&server), "index.seaworthy", 9).expect("read").as_deref(), Some(&b"hello"[..]));
}

#[test]
fn a_broken_file_is_taken_up_where_it_broke() {
    let body = b"0123456789";
    let server = after(
        1,
        move |seen, wire| {
            let from = seen.from();
            let range = format!("content-range: bytes {from}-9/10");
            wire.answer(206, &[&range], &body[from..])
        },
        move |wire| {
            wire.head(200, &[], Some(10))?;
            wire.raw(&body[..4])
        },
    );
    assert_eq!(content(&http(&server), FILE, 10).expect("read").as_deref(), Some(&body[..]));
    assert_eq!(server.seen()[1].from(), 4);
    // A server that sends all again.
    let server = after(
        1,
        move |_, wire| wire.answer(200, &[], body),
        move |wire| {
            wire.head(200, &[], Some(10))?;
            wire.raw(&body[..4])
        },
    );
    assert_eq!(content(&http(&server), FILE, 10).expect("read").as_deref(), Some(&body[..]));
    // One that sends another part.
    let server = after(
        1,
        move |_, wire| wire.answer(206, &["content-range: bytes 2-9/10"], &body[2..]),
        move |wire| {
            wire.head(200, &[], Some(10))?;
            wire.raw(&body[..4])
        },
    );
    refused(&http(&server), FILE, &["asked for bytes from 4"]);
    // One that always breaks.
    let server = Server::new(move |_, wire| {
        wire.head(200, &[], Some(10))?;
        wire.raw(&body[..4])
    });
    refused(&http(&server), FILE, &["ended too early"]);
}

#[test]
fn servers_that_misbehave() {
    for name in ["index.seaworthy", FILE] {
        let server =
            Server::new(|seen, wire| wire.answer(302, &[&format!("location: {}", seen.target)], b""));
        refused(&http(&server), name, &["circle"]);
        let server =
            Server::new(|seen, wire| wire.answer(302, &[&format!("location: {}x", seen.target)], b""));
        refused(&http(&server), name, &["sixth redirect"]);
        for to in ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://0.0.0.0/"] {
            let server = Server::new(move |_, wire| wire.answer(302, &[&format!("location: {to}")], b""));
            refused(&http(&server), name, &["on or beside this machine"]);
        }
        let server = Server::new(|_, wire| wire.answer(403, &["content-type: text/plain"], b"go away"));
        refused(&http(&server), name, &["refused (HTTP 403): go away"]);
        let server = Server::new(|_, wire| wire.answer(200, &["content-type: text/html"], b"<html>login"));
        refused(&http(&server), name, &["web page"]);
        let server = Server::new(|_, wire| {
            wire.head(200, &[], None)?;
            loop {
                wire.raw(&[b'x'; 4096])?;
            }
        });
        refused(&http(&server), name, &["larger than 1000"]);
        let server = Server::new(|_, wire| {
            wire.hang();
            Ok(())
        });
        refused(&http(&server), name, &["did not answer in time"]);
        let server = Server::new(|_, wire| {
            wire.reset();
            Ok(())
        });
        refused(&http(&server), name, &["broke the connection"]);
        let server = Server::new(|_, wire| wire.answer(206, &[], b"x"));
        refused(&http(&server), name, &["HTTP 206"]);
        // Bytes that drip.
        let server = Server::new(|_, wire| {
            wire.head(200, &[], Some(900))?;
            loop {
                wire.raw(b"x")?;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        refused(&http(&server), name, &["slowly"]);
    }
}

fn s3(server: &Server, world: Fake) -> S3 {
    let world = world.variable("AWS_ENDPOINT_URL", &format!("http://{}/", server.authority));
    S3::new(web(world), "s3://bucket/deep/pre fix/", NAMES).expect("an address")
}

fn keys() -> Fake {
    Fake::new().variable("AWS_ACCESS_KEY_ID", "AKID").variable("AWS_SECRET_ACCESS_KEY", "geheim")
}

#[test]
fn a_bucket_takes_and_gives() {
    let server = Server::new(|seen, wire| match seen.method.as_str() {
        "HEAD" => wire.answer(404, &[], b""),
        "PUT" => wire.answer(200, &[], b""),
        _ => wire.answer(200, &[], b"hello"),
    });
    let bucket = s3(&server, keys().variable("AWS_REGION", "eu-west-1").variable("AWS_SESSION_TOKEN", "tok"));
    assert_eq!(bucket.name(), "s3://bucket/deep/pre fix");
    bucket.put(FILE, 5, &mut &b"hello"[..]).expect("put");
    bucket.replace_index(b"index").expect("replaced");
    assert_eq!(content(&bucket, FILE, 5).expect("read").as_deref(), Some(&b"hello"[..]));
    let seen = server.seen();
    let methods: Vec<&str> = seen.iter().map(|seen| seen.method.as_str()).collect();
    assert_eq!(methods, ["HEAD", "PUT", "PUT", "GET"]);
    assert_eq!(seen[1].target, format!("/bucket/deep/pre%20fix/{FILE}"));
    assert_eq!((seen[1].body.as_str(), seen[2].body.as_str()), ("hello", "index"));
    assert_eq!(seen[1].header("x-amz-content-sha256"), FILE.strip_prefix("files/"));
    assert_eq!(seen[2].header("cache-control"), Some("no-cache"));
    assert!(seen[1].header("cache-control").is_some_and(|kept| kept.contains("immutable")));
    for request in &seen {
        let value = request.header("authorization").expect("signed");
        assert!(value.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20261124/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature="), "{value}");
        assert!(!value.contains("geheim"));
    }
    // Less or more than announced is not sent.
    for bytes in [4, 6] {
        assert!(bucket.put(FILE, bytes, &mut &b"hello"[..]).is_err());
    }
    assert_eq!(server.count("pre%20fix"), 6);
}

#[test]
fn a_bucket_is_listed_page_by_page_and_cleaned() {
    let server = Server::new(|seen, wire| {
        let key = |name: &str| format!("<Contents><Key>deep/pre fix/{name}</Key></Contents>");
        let page = |body: String| format!("<ListBucketResult>{body}</ListBucketResult>");
        match (seen.method.as_str(), seen.target.contains("continuation-token=a%2Fb%3D")) {
            ("DELETE", _) => wire.answer(204, &[], b""),
            (_, true) => wire.answer(200, &[], page(key(FILE)).as_bytes()),
            _ => {
                let more =
                    "<IsTruncated>true</IsTruncated><NextContinuationToken>a/b=</NextContinuationToken>";
                let body = key("files/other") + &key(&FILE.replace("2cf2", "0000")) + more;
                wire.answer(200, &["content-type: application/xml"], page(body).as_bytes())
            }
        }
    });
    let bucket = s3(&server, keys());
    let listed = bucket.list().expect("listed").expect("can");
    assert_eq!(listed, [FILE.replace("2cf2", "0000"), FILE.to_owned()]);
    bucket.remove(FILE).expect("removed");
    assert!(bucket.remove("index.seaworthy").is_err());
    let seen = server.seen();
    assert_eq!(seen[0].target, "/bucket/?list-type=2&prefix=deep%2Fpre%20fix%2Ffiles%2F");
    assert_eq!((seen[2].method.as_str(), seen.len()), ("DELETE", 3));
    let endless = Server::new(|_, wire| {
        wire.answer(200, &[], b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>")
    });
    let error = s3(&endless, keys()).list().expect_err("refused").to_string();
    assert!(error.contains("does not end"), "{error}");
}

#[test]
fn a_bucket_has_or_has_not() {
    let server = Server::new(|seen, wire| match seen.method.as_str() {
        "HEAD" => wire.head(200, &[], Some(5)),
        _ => wire.answer(500, &[], b""),
    });
    let bucket = s3(&server, keys());
    assert!(bucket.has(FILE, 5).expect("asked") && !bucket.has(FILE, 6).expect("asked"));
    bucket.put(FILE, 5, &mut &b""[..]).expect("it is there");
    let error = bucket.replace_index(b"x").expect_err("refused").to_string();
    assert!(error.contains("HTTP 500, 5 tries"), "{error}");
    // Each try sends the whole content anew.
    assert_eq!(server.seen().iter().filter(|seen| seen.body == "x").count(), 5);
}

#[test]
fn what_a_bucket_refuses_is_told_with_a_hint() {
    let answer =
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let server =
        Server::new(move |_, wire| wire.answer(403, &["content-type: application/xml"], answer.as_bytes()));
    refused(&s3(&server, keys()), "index.seaworthy", &["HTTP 403", "AccessDenied Access Denied"]);
    refused(&s3(&server, Fake::new()), "index.seaworthy", &["AccessDenied", "no keys were found"]);
    assert!(server.seen()[1].header("authorization").is_none(), "nothing is signed without keys");
    let server = Server::new(|seen, wire| match seen.method.as_str() {
        "PUT" => wire.answer(307, &["location: http://elsewhere.example/"], b""),
        _ => wire.answer(302, &["location: http://169.254.169.254/"], b""),
    });
    let error = s3(&server, keys()).replace_index(b"x").expect_err("refused").to_string();
    assert!(error.contains("what is written goes to the address"), "{error}");
    refused(&s3(&server, keys()), FILE, &["on or beside this machine"]);
}

#[test]
fn addresses_of_buckets() {
    let address = |bucket: &str, world: Fake| {
        S3::new(web(world), bucket, NAMES).expect("an address").place.url(FILE).expect("an address").whole()
    };
    let region = || Fake::new().variable("AWS_DEFAULT_REGION", "eu-west-1");
    for (bucket, world, wanted) in [
        ("s3://data", Fake::new(), "https://data.s3.us-east-1.amazonaws.com/"),
        ("s3://data/a/b", region(), "https://data.s3.eu-west-1.amazonaws.com/a/b/"),
        ("s3://my.data/a", region(), "https://s3.eu-west-1.amazonaws.com/my.data/a/"),
        (
            "s3://data/a",
            region().variable("AWS_ENDPOINT_URL_S3", "https://s.example:9000/x/"),
            "https://s.example:9000/x/data/a/",
        ),
    ] {
        assert_eq!(address(bucket, world), format!("{wanted}{FILE}"));
    }
    let broken = region().variable("AWS_ENDPOINT_URL", "nowhere");
    assert!(S3::new(web(broken), "s3://data", NAMES).is_err());
    let broken = Fake::new().variable("AWS_REGION", "eu west/1");
    assert!(S3::new(web(broken), "s3://data", NAMES).is_err());
}

#[test]
fn keys_of_profiles() {
    let server = Server::new(|_, wire| wire.answer(404, &[], b""));
    let credentials = "[default]\naws_access_key_id = ONE\naws_secret_access_key=x\n[team]\n aws_access_key_id = NO\naws_access_key_id=TWO\naws_secret_access_key=y\n";
    let config =
        "[default]\nregion = eu-central-1\n[profile team]\nregion = ap-south-1\ns3 =\n  region = nowhere\n";
    let home = || {
        let files = Fake::new().variable("HOME", "/h").file("/h/.aws/credentials", credentials);
        files.file("/h/.aws/config", config)
    };
    let ask = |world: Fake| {
        let _ = content(&s3(&server, world), FILE, 1).expect("asked");
        server.seen().last().expect("seen").header("authorization").unwrap_or_default().to_owned()
    };
    assert!(ask(home()).contains("Credential=ONE/20261124/eu-central-1/"));
    assert!(ask(home().variable("AWS_PROFILE", "team")).contains("Credential=TWO/20261124/ap-south-1/"));
    let both = home().variable("AWS_ACCESS_KEY_ID", "ENV").variable("AWS_SECRET_ACCESS_KEY", "z");
    assert!(ask(both).contains("Credential=ENV/"));
    let missing = S3::new(web(home().variable("AWS_PROFILE", "none")), "s3://bucket", NAMES);
    assert!(missing.is_err_and(|error| error.to_string().contains("no profile `none`")));
    for bad in ["s3://", "s3://ab", "s3://UPPER!/x", "s3://bucket/../x", "s3://bucket/a//b", "s4://bucket"] {
        assert!(S3::new(web(Fake::new()), bad, NAMES).is_err(), "{bad}");
    }
}

/// A registry with one repository that keeps what it is sent.
#[derive(Default)]
struct Kept {
    manifest: Vec<u8>,
    blobs: std::collections::BTreeMap<String, Vec<u8>>,
    order: Vec<String>,
}

fn registry(kept: &Arc<std::sync::Mutex<Kept>>) -> Server {
    let kept = Arc::clone(kept);
    Server::new(move |seen, wire| {
        let mut kept = kept.lock().expect("no panic");
        let digest = seen.target.split("sha256:").nth(1).or_else(|| seen.target.split("sha256%3A").nth(1));
        let digest = digest.unwrap_or_default().to_owned();
        match (seen.method.as_str(), seen.target.contains("/manifests/")) {
            ("GET", true) if kept.manifest.is_empty() => wire.answer(404, &[], b""),
            ("GET", true) => wire.manifest(&kept.manifest),
            ("PUT", true) => {
                kept.manifest = seen.bytes.clone();
                kept.order.push("manifest".into());
                wire.answer(201, &[], b"")
            }
            ("POST", _) => wire.answer(202, &["location: /v2/team/data/blobs/uploads/1"], b""),
            ("PUT", _) => {
                kept.order.push(digest.get(..4).unwrap_or_default().to_owned());
                kept.blobs.insert(digest, seen.bytes.clone());
                wire.answer(201, &[], b"")
            }
            (method, _) => match kept.blobs.get(&digest) {
                Some(blob) if method == "HEAD" => wire.head(200, &[], Some(blob.len())),
                Some(blob) => wire.answer(200, &[], blob),
                None => wire.answer(404, &[], b""),
            },
        }
    })
}

fn oci(server: &Server) -> super::Oci {
    let client = crate::registry::Client::new(options(), Arc::new(Fake::new()));
    let image = format!("{}/team/data:1", server.authority);
    super::Oci::new(Arc::new(client), seaworthy_types::ImageRef::parse(&image).expect("valid"), NAMES)
}

fn name_of(content: &str) -> String {
    format!("files/{}", super::signature::sha256_hex(content.as_bytes()))
}

#[test]
fn a_registry_takes_and_gives() {
    let kept = Arc::default();
    let server = registry(&kept);
    let day = |days: i64| seaworthy_types::Timestamp(days * 86_400);
    let publish = |days: i64, index: &str, contents: &[&str]| {
        let oci = oci(&server).keeping(day(days), 7);
        for content in contents {
            oci.put(&name_of(content), content.len() as u64, &mut content.as_bytes()).expect("put");
        }
        oci.replace_index(index.as_bytes()).expect("replaced");
    };
    assert_eq!(content(&oci(&server), "index.seaworthy", 9).expect("asked"), None);
    publish(100, "one", &["hello", "old"]);
    // The manifest is last, and names everything.
    assert_eq!(kept.lock().expect("no panic").order.last().map(String::as_str), Some("manifest"));
    let manifest: serde_json::Value =
        serde_json::from_slice(&kept.lock().expect("no panic").manifest).expect("JSON");
    assert_eq!(manifest["artifactType"], super::ARTIFACT_TYPE);
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(manifest["layers"][0]["mediaType"], super::INDEX_TYPE);
    assert_eq!(manifest["layers"][1]["mediaType"], super::FILE_TYPE);
    let reading = oci(&server);
    assert_eq!(content(&reading, "index.seaworthy", 9).expect("read").as_deref(), Some(&b"one"[..]));
    assert_eq!(content(&reading, &name_of("hello"), 9).expect("read").as_deref(), Some(&b"hello"[..]));
    assert_eq!(content(&reading, &name_of("other"), 9).expect("read"), None);
    refused(&reading, "index.seaworthy2", &["not a name"]);
    let error = content(&reading, &name_of("hello"), 4).expect_err("too large").to_string();
    assert!(error.contains("larger than 4"), "{error}");
    // The next day sends only what is new, and keeps what was referred to a while ago.
    kept.lock().expect("no panic").order.clear();
    publish(101, "two", &["hello", "new"]);
    assert_eq!(kept.lock().expect("no panic").order.len(), 3, "the new file, the index, the manifest");
    assert!(content(&oci(&server), &name_of("old"), 9).expect("read").is_some());
    publish(108, "three", &["hello"]);
    assert!(content(&oci(&server), &name_of("old"), 9).expect("read").is_none(), "seven days are over");
    assert!(content(&oci(&server), &name_of("new"), 9).expect("read").is_some());
}

#[test]
fn registries_with_something_else() {
    let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"x","digest":"{empty}","size":2}},"layers":[]}}"#
    );
    let server = Server::new(move |_, wire| wire.manifest(image.as_bytes()));
    refused(&oci(&server), "index.seaworthy", &["names no index of data"]);
    let server = Server::new(|_, wire| wire.answer(500, &[], b""));
    refused(&oci(&server), "index.seaworthy", &["500"]);
    // A blob that is another one.
    let kept = Arc::default();
    let server = registry(&kept);
    let publisher = oci(&server);
    publisher.put(&name_of("hello"), 5, &mut &b"hello"[..]).expect("put");
    publisher.replace_index(b"index").expect("replaced");
    for blob in kept.lock().expect("no panic").blobs.values_mut() {
        blob.iter_mut().for_each(|byte| *byte ^= 1);
    }
    refused(&oci(&server), "index.seaworthy", &["digest"]);
    refused(&oci(&server), &name_of("hello"), &["digest"]);
}

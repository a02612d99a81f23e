//! Whether a program can tell what vouches for it.

use crate::lab::{Lab, PROGRAM};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_advisory::deliver::{PrivateKey, PublicKey, make_key};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;

const PAYLOAD: &str = "application/vnd.in-toto+json";

fn key(seed: u8) -> (PrivateKey, PublicKey) {
    let (pem, public) = make_key(&[seed; 32]).expect("made");
    (PrivateKey::parse_pem(&pem).expect("read"), public)
}

/// An envelope that vouches for these bytes.
fn envelope(program: &[u8], key: Option<&PrivateKey>) -> String {
    let digest: String = Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "seaworthy", "digest": { "sha256": digest } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": { "buildDefinition": {
            "externalParameters": { "target": "some-target" },
            "resolvedDependencies": [{ "digest": { "gitCommit": "c0ffee" } }],
        } },
    });
    let payload = serde_json::to_vec(&statement).expect("JSON");
    let mut signed = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len()).into_bytes();
    signed.extend_from_slice(&payload);
    let signatures: Vec<_> =
        key.into_iter().map(|key| json!({ "sig": STANDARD.encode(key.sign(&signed)) })).collect();
    json!({ "payloadType": PAYLOAD, "payload": STANDARD.encode(payload), "signatures": signatures })
        .to_string()
}

#[test]
fn a_signed_provenance_vouches_for_the_program() {
    let lab = Lab::new();
    let (private, public) = key(1);
    let public = public.to_string();
    let program = fs::read(PROGRAM).expect("readable");
    lab.file("good.json", envelope(&program, Some(&private)));
    let arguments = ["verify-self", "--provenance", "good.json", "--key", &public];
    let ran = lab.run(&arguments);
    // Where the kernel lacks a part of the lock this is told, and is no clean answer.
    let held = !ran.out.contains("NOT REFUSED");
    let ran = ran.coded(if held { 0 } else { 3 });
    assert!(ran.out.contains("verified: signed with key") && ran.out.contains("c0ffee"), "{}", ran.out);
    assert_eq!(ran.out.matches("the parsing process that tries to").count(), 4, "{}", ran.out);
    lab.file("key.pub", format!("# of the release\n{public}\n"));
    let report = lab.run(&["verify-self", "--provenance", "good.json", "--key", "key.pub", "--json"]).json();
    assert_eq!(report["origin"]["verified"], true);
    assert_eq!(report["refused"]["open sockets"], held);
}

#[test]
fn another_program_or_key_is_no() {
    let lab = Lab::new();
    let (private, public) = key(1);
    let (other_private, other) = key(2);
    let (public, other) = (public.to_string(), other.to_string());
    let program = fs::read(PROGRAM).expect("readable");
    lab.file("good.json", envelope(&program, Some(&private)));
    lab.file("other-key.json", envelope(&program, Some(&other_private)));
    lab.file("other-file.json", envelope(b"other", Some(&private)));
    let run = |name: &str, key: &str| lab.run(&["verify-self", "--provenance", name, "--key", key]);
    assert!(run("other-key.json", &public).coded(1).out.contains("no signature of a trusted key"));
    assert!(run("good.json", &other).coded(1).out.contains("no signature of a trusted key"));
    assert!(run("other-file.json", &public).coded(1).out.contains("another file"));
    // One byte of the program itself.
    let mut changed = program.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    lab.file("changed", changed);
    let ran = lab.run(&["verify-self", "--file", "changed", "--provenance", "good.json", "--key", &public]);
    assert!(ran.coded(1).out.contains("WRONG"));
}

#[test]
fn without_a_voucher_nothing_is_verified() {
    let lab = Lab::new();
    let program = fs::read(PROGRAM).expect("readable");
    assert!(lab.run(&["verify-self"]).coded(3).out.contains("not verified: there is no"));
    lab.file("unsigned.json", envelope(&program, None));
    assert!(lab.run(&["verify-self", "--provenance", "unsigned.json"]).coded(3).out.contains("not signed"));
    for (name, bytes, word) in [
        ("empty", &b""[..], "no DSSE envelope"),
        ("broken", b"{\"payloadType\":", "no DSSE envelope"),
        (
            "hostile",
            br#"{"payloadType":"application/vnd.in-toto+json","payload":"%%","signatures":[]}"#,
            "no base64",
        ),
        ("type", br#"{"payloadType":"\u001b[31m","payload":"","signatures":[]}"#, "not an in-toto statement"),
    ] {
        lab.file(name, bytes);
        let ran = lab.run(&["verify-self", "--provenance", name]).refused(&[word]);
        assert!(!ran.err.contains('\u{1b}'));
    }
    lab.run(&["verify-self", "--provenance", "none.json"]).refused(&["none.json"]);
    lab.run(&["verify-self", "--key", "nobody"]).refused(&["nobody"]);
    lab.run(&["verify-self", "--key", "seaworthy-key-1 short"]).refused(&["32 bytes"]);
}

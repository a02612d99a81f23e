//! Prints the time of a comparison; asserts nothing about it. Run with
//! `cargo test --release -p seaworthy-version --test speed -- --nocapture`.

use std::hint::black_box;
use std::time::Instant;

const ROWS: &[(&str, &[&str])] = &[
    (
        "dpkg",
        &["2.36-9+deb12u4", "2.36-9+deb12u10", "1:9.2p1-2+deb12u2", "1:9.2p1-2+deb12u3", "3.0.11-1~deb12u2"],
    ),
    ("rpm", &["0:4.18.0-1.el9", "4.18.0-1.el9_2", "2:8.2.2637-20.el9_1", "2.34-60.el9", "2.34-100.el9_4.2"]),
    ("npm", &["4.17.20", "4.17.21", "7.0.0-rc.1", "7.0.0-rc.10", "18.2.0"]),
    ("maven", &["2.14.1", "2.17.0", "5.3.18", "5.3.20", "2.9.10.8"]),
    ("maven", &["31.1-jre", "31.1-android", "4.1.77.Final", "1.0-beta-2", "2.9.10.8-SNAPSHOT"]),
    ("pep440", &["2.28.1", "2.31.0", "1!2.0rc1", "4.0.0.post1", "1.0.dev3"]),
    ("go", &["v1.2.3", "v0.0.0-20220101000000-abcdefabcdef", "1.21rc2", "go1.20.3", "v0.17.0"]),
    ("apk", &["3.1.4-r0", "3.1.4-r5", "1.36.1_git20230101-r2", "9.0_p1-r1", "2.12.7-r0"]),
];

#[test]
fn prints_the_time_of_a_comparison() {
    const ROUNDS: u32 = 1000;
    for (name, versions) in ROWS {
        let compare = seaworthy_version::by_name(name).expect("a known scheme").compare;
        let comparisons = versions.len() * versions.len();
        let mut best = u128::MAX;
        // The shortest round is the one that nothing else on the machine disturbed.
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for a in *versions {
                for b in *versions {
                    black_box(compare(black_box(a), black_box(b)).expect("valid versions"));
                }
            }
            best = best.min(start.elapsed().as_nanos());
        }
        let each = best / comparisons as u128;
        println!("{name}: {each} ns per comparison (such as {} against {})", versions[0], versions[1]);
    }
}

//! Pulling from a registry on the loopback that serves an OCI layout. The client itself is tested against
//! real registries in `net`.

use crate::lab::{Lab, packages};
use crate::registry::{Answers, answers, image, serve};
use seaworthy_testkit::digest;

fn pull(lab: &Lab, authority: &str, more: &[&str]) -> crate::lab::Ran {
    let name = format!("{authority}/team/app:1");
    let arguments: Vec<&str> = ["pull", &name, "layout", "--insecure", "--anonymous"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    lab.run(&arguments)
}

fn left(lab: &Lab) -> Vec<String> {
    let names = std::fs::read_dir(lab.path("work")).expect("folder").flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains("layout"));
    names
}

#[test]
fn what_was_pulled_is_scanned_like_the_image() {
    let lab = Lab::with_data();
    let images = [image("amd64", "holed"), image("arm64", "scratched")];
    let authority = serve(answers(&images));
    let ran = pull(&lab, &authority, &["--platform", "linux/arm64"]).coded(0);
    assert!(ran.out.contains("next: seaworthy scan"), "{}", ran.out);
    assert_eq!(packages(&lab.report("layout", &[])), ["npm scratched 1.0.0"]);
    assert_eq!(left(&lab), ["layout"]);
    pull(&lab, &authority, &[]).refused(&["layout", "exists already"]);
    std::fs::remove_dir_all(lab.path("work/layout")).expect("removed");
    pull(&lab, &authority, &["--all-platforms"]).coded(0);
    for (platform, package) in [("linux/amd64", "npm holed 1.0.0"), ("linux/arm64", "npm scratched 1.0.0")] {
        assert_eq!(packages(&lab.report("layout", &["--platform", platform])), [package]);
    }
}

#[test]
fn what_is_not_what_it_should_be_leaves_nothing() {
    let lab = Lab::new();
    let images = [image("amd64", "holed")];
    let good = answers(&images);
    let layer = digest(&images[0].layers[1].blob());
    let layer = format!("/v2/team/app/blobs/{layer}");
    let mut other = good.clone();
    other.get_mut(&layer).expect("a layer").1[20] ^= 1;
    let mut short = good.clone();
    short.get_mut(&layer).expect("a layer").1.truncate(30);
    let mut gone = good.clone();
    gone.remove(&layer);
    for (answers, word) in [(other, "sha256"), (short, "bytes"), (gone, "not")] {
        pull(&lab, &serve(answers), &["--platform", "linux/amd64"]).refused(&[word]);
        assert!(left(&lab).is_empty(), "{:?}", left(&lab));
    }
    pull(&lab, &serve(good.clone()), &["--platform", "linux/s390x"]).refused(&["linux/s390x", "linux/amd64"]);
    pull(&lab, &serve(Answers::new()), &[]).refused(&["team/app", "(404). Try: "]);
    lab.run(&["pull", "UPPER/Case:1", "layout"]).refused(&["Case", "lower-case"]);
    assert!(left(&lab).is_empty(), "{:?}", left(&lab));
}

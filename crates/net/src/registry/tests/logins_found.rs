//! Credential files, helpers and environment: which login is found for which registry.

use super::super::credential::find;
use super::super::{Credential, Error, Options, Secret};
use super::world::Fake;

/// `user:password`, `identity:TOKEN`, `token:TOKEN`, or nothing.
fn shown(credential: Option<Credential>) -> String {
    match credential {
        Some(Credential::Password { user, password }) => format!("{user}:{}", password.reveal()),
        Some(Credential::Identity(token)) => format!("identity:{}", token.reveal()),
        Some(Credential::Token(token)) => format!("token:{}", token.reveal()),
        None => String::new(),
    }
}

fn found(world: &Fake, registry: &str, repository: &str) -> Result<String, Error> {
    find(&Options::default(), world, registry, repository, true).map(|found| shown(found.credential))
}

const AUTHS: &str = r#"{"auths":{
    "https://index.docker.io/v1/":{"auth":"aHViOmE6Yg=="},
    "quay.example":{"auth":"cTpx"},
    "quay.example/team":{"auth":"dGVhbTp0"},
    "quay.example/team/app":{"username":"app","password":"a"},
    "https://old.example/v2/":{"auth":"b2xkOm8="},
    "id.example":{"auth":"dTpw","identitytoken":"refresh"},
    "raw.example":{"registrytoken":"raw"},
    "empty.example":{},
    "port.example:5000":{"auth":"cDo1"}},
    "HttpHeaders":{"X":"y"}}"#;

#[test]
fn files_of_docker() {
    let world = Fake::new().variable("HOME", "/h").file("/h/.docker/config.json", AUTHS);
    for (registry, repository, login) in [
        ("docker.io", "library/alpine", "hub:a:b"),
        ("quay.example", "other/app", "q:q"),
        ("quay.example", "team/other", "team:t"),
        ("quay.example", "team/app", "app:a"),
        ("quay.example", "team/app/deep", "app:a"),
        ("quay.example", "teamwork/x", "q:q"),
        ("old.example", "x", "old:o"),
        ("id.example", "x", "identity:refresh"),
        ("raw.example", "x", "token:raw"),
        ("empty.example", "x", ""),
        ("port.example:5000", "x", "p:5"),
        ("port.example", "x", ""),
        ("none.example", "x", ""),
    ] {
        assert_eq!(found(&world, registry, repository).expect("readable"), login, "{registry}/{repository}");
    }
}

#[test]
fn order_of_files_and_environment() {
    let file = |user: &str| format!(r#"{{"auths":{{"r.example":{{"username":"{user}","password":"x"}}}}}}"#);
    let mut world = Fake::new()
        .variable("HOME", "/h")
        .file("/h/.docker/config.json", &file("docker"))
        .file("/d/config.json", &file("docker-config"))
        .file("/h/.config/containers/auth.json", &file("podman"))
        .file("/run/user/1/containers/auth.json", &file("podman-run"))
        .file("/auth.json", &file("named"));
    let steps: &[(&[(&str, &str)], &str)] = &[
        (&[], "podman:x"),
        (&[("XDG_CONFIG_HOME", "/nowhere")], "docker:x"),
        (&[("DOCKER_CONFIG", "/d")], "docker-config:x"),
        (&[("XDG_RUNTIME_DIR", "/run/user/1")], "podman-run:x"),
        (&[("REGISTRY_AUTH_FILE", "/auth.json")], "named:x"),
        (&[("SEAWORTHY_REGISTRY_USER", "env"), ("SEAWORTHY_REGISTRY_PASSWORD", "y")], "env:y"),
        (&[("SEAWORTHY_REGISTRY_TOKEN", "t")], "token:t"),
        (&[("SEAWORTHY_REGISTRY_HOST", "other.example")], "named:x"),
        (&[("SEAWORTHY_REGISTRY_HOST", "R.example")], "token:t"),
    ];
    for (variables, login) in steps {
        for (name, value) in *variables {
            world.variables.insert((*name).into(), (*value).into());
        }
        assert_eq!(found(&world, "r.example", "x").expect("readable"), *login, "{variables:?}");
    }
    let mirror = find(&Options::default(), &world, "r.example", "x", false).expect("readable");
    assert_eq!(shown(mirror.credential), "named:x");
    let mut options = Options { is_anonymous: true, ..Options::default() };
    let none = find(&options, &world, "r.example", "x", true).expect("nothing read");
    assert!(none.credential.is_none() && none.tried.contains("switched off"));
    options.logins.insert("r.example".into(), Credential::Token(Secret::new("given")));
    assert_eq!(
        shown(find(&options, &world, "r.example", "x", true).expect("given").credential),
        "token:given"
    );
    world.variables.remove("SEAWORTHY_REGISTRY_TOKEN");
    world.variables.remove("SEAWORTHY_REGISTRY_PASSWORD");
    assert!(found(&world, "r.example", "x").expect_err("half").to_string().contains("set both or none"));
}

#[test]
fn helpers_are_asked() {
    let world = Fake::new()
        .variable("HOME", "/h")
        .file(
            "/h/.docker/config.json",
            r#"{"credsStore":"desktop","credHelpers":{"1.dkr.ecr.example":"ecr-login","bad.example":"x/../y","gone.example":"gone","sick.example":"sick","odd.example":"odd","babble.example":"babble"},
               "auths":{"r.example":{"username":"file","password":"f"},"docker.io":{}}}"#,
        )
        .helper("docker-credential-ecr-login", true, r#"{"ServerURL":"x","Username":"AWS","Secret":"s"}"#)
        .helper("docker-credential-desktop", false, "credentials not found in native keychain\n")
        .helper("docker-credential-sick", false, "exit: no session,\n please log in")
        .helper("docker-credential-babble", false, r#"{"Secret":"geheim"}"#)
        .helper("docker-credential-odd", true, "geheim");
    assert_eq!(found(&world, "1.dkr.ecr.example", "x").expect("asked"), "AWS:s");
    assert_eq!(found(&world, "r.example", "x").expect("asked"), "file:f");
    assert_eq!(found(&world, "docker.io", "library/a").expect("asked"), "");
    let asked = world.asked.lock().expect("no panic").clone();
    assert_eq!(
        asked,
        [
            "docker-credential-ecr-login 1.dkr.ecr.example",
            "docker-credential-desktop r.example",
            "docker-credential-desktop https://index.docker.io/v1/",
        ]
    );
    for (registry, part) in [
        ("bad.example", "characters that no helper's name has"),
        ("gone.example", "docker-credential-gone failed for gone.example"),
        ("sick.example", "exit: no session, please log in"),
        ("odd.example", "not the JSON of a login"),
        ("babble.example", "ended with an error"),
    ] {
        let said = found(&world, registry, "x").expect_err(registry).to_string();
        assert!(said.contains(part) && said.contains("Try:") && !said.contains("geheim"), "{said}");
    }
    let acr = Fake::new()
        .variable("DOCKER_CONFIG", "/d")
        .file("/d/config.json", r#"{"credsStore":"acr"}"#)
        .helper("docker-credential-acr", true, r#"{"Username":"<token>","Secret":"refresh"}"#);
    assert_eq!(found(&acr, "x.azurecr.example", "x").expect("asked"), "identity:refresh");
}

#[test]
fn broken_files_are_named_without_their_secrets() {
    for (content, is_fault) in [
        ("", false),
        (" \n", false),
        ("{}", false),
        (r#"{"auths":null,"credHelpers":null}"#, false),
        (r#"{"auths":{"r.example":{"auth":"!geheim"}}}"#, true),
        (r#"{"auths":{"r.example":{"auth":"Z2VoZWlt"}}}"#, true),
        (r#"{"auths":{"r.example":{"auth":"geheim"#, true),
        (r#"{"auths":"geheim"}"#, true),
        ("[[[[", true),
    ] {
        let world = Fake::new().variable("HOME", "/h").file("/h/.docker/config.json", content);
        match found(&world, "r.example", "x") {
            Ok(login) => assert!(!is_fault && login.is_empty(), "{content}"),
            Err(error) => {
                let said = format!("{error} {error:?}");
                assert!(is_fault && said.contains("/h/.docker/config.json"), "{content}: {said}");
                assert!(!said.contains("geheim") && !said.contains("Z2Vo"), "{said}");
            }
        }
    }
    let none = find(&Options::default(), &Fake::new().variable("HOME", "/h"), "r.example", "x", true);
    let tried = none.expect("nothing there").tried;
    assert!(
        tried.contains("SEAWORTHY_REGISTRY_USER, /h/.config/containers/auth.json, /h/.docker/config.json"),
        "{tried}"
    );
}

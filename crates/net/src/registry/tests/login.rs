//! Logins against registries and login servers, good and bad.

use super::super::{Credential, Error, Secret};
use super::faults::MANIFEST;
use super::server::{Seen, Server, Wire};
use super::world::{Fake, client, client_with, image, options};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Registry and login server in one; gives `token-N` and takes only those that `is_good` likes.
fn token_server(is_good: impl Fn(&str) -> bool + Send + Sync + 'static, expires: u64) -> Server {
    let given = AtomicUsize::new(0);
    Server::new(move |seen, wire| {
        let host = seen.header("host").unwrap_or_default().to_owned();
        if seen.target.starts_with("/token") {
            let number = given.fetch_add(1, Ordering::Relaxed) + 1;
            let body = format!(r#"{{"access_token":"token-{number}","expires_in":{expires}}}"#);
            return wire.answer(200, &["content-type: application/json"], body.as_bytes());
        }
        match seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) if is_good(token) => wire.manifest(MANIFEST.as_bytes()),
            _ => challenge(
                wire,
                &format!(
                    r#"Bearer realm="http://{host}/token",service="lab",scope="repository:team/app:pull""#
                ),
            ),
        }
    })
}

fn challenge(wire: &mut Wire, value: &str) -> io::Result<()> {
    wire.answer(401, &[&format!("www-authenticate: {value}")], b"{}")
}

fn of<'s>(seen: &'s [Seen], part: &str) -> Vec<&'s Seen> {
    seen.iter().filter(|seen| seen.target.contains(part)).collect()
}

#[test]
fn a_token_is_got_once_and_kept() {
    let server = token_server(|token| token == "token-1", 300);
    let (client, _) = client(Fake::new());
    for _ in 0..3 {
        client.manifest(&image(&server.authority)).expect("anonymous token");
    }
    let seen = server.seen();
    let asked = of(&seen, "/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked.first().map(|seen| seen.target.as_str()),
        Some("/token?service=lab&scope=repository%3Ateam%2Fapp%3Apull")
    );
    assert!(asked.iter().all(|seen| seen.header("authorization").is_none()));
    assert_eq!(of(&seen, "/manifests/").len(), 4);
}

#[test]
fn an_expired_token_is_renewed_and_a_bad_one_refused() {
    // The server takes a token once only.
    let uses = AtomicUsize::new(0);
    let server = token_server(
        move |token| token == format!("token-{}", uses.fetch_add(1, Ordering::Relaxed) / 2 + 1),
        300,
    );
    let (first, _) = client(Fake::new());
    for _ in 0..4 {
        first.manifest(&image(&server.authority)).expect("renewed");
    }
    assert!(server.count("/token") >= 2);
    // A token that ends at once by its own word is not sent again, and the next one is asked for.
    let server = token_server(|_| true, 1);
    let (second, world) = client(Fake::new());
    second.manifest(&image(&server.authority)).expect("good");
    world.slept.lock().expect("no panic").push(std::time::Duration::from_secs(2));
    second.manifest(&image(&server.authority)).expect("good");
    assert_eq!(server.count("/token"), 2);
    let server = token_server(|_| false, 300);
    let (third, _) = client(Fake::new());
    let error = third.manifest(&image(&server.authority)).expect_err("refused");
    assert!(matches!(error, Error::Login { .. }), "{error:?}");
    assert_eq!(server.count("/token"), 1);
    assert_eq!(server.count("/manifests/"), 2);
}

#[test]
fn many_threads_share_one_token() {
    let server = token_server(|token| token == "token-1", 300);
    let (client, _) = client(Fake::new());
    let image = image(&server.authority);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.manifest(&image).expect("good"));
        }
    });
    assert_eq!(server.count("/token"), 1);
}

fn password() -> Credential {
    Credential::Password { user: "lab".into(), password: Secret::new("geheim") }
}

#[test]
fn passwords_go_to_the_registry_or_its_login_server_only() {
    let token = token_server(|_| true, 300);
    let basic = Server::new(|seen, wire| match seen.header("authorization") {
        Some("Basic bGFiOmdlaGVpbQ==") => wire.manifest(MANIFEST.as_bytes()),
        _ => challenge(wire, "Basic realm=\"lab\""),
    });
    for (server, sent) in [(&token, "/token"), (&basic, "/manifests/")] {
        let mut options = options();
        options.logins.insert(server.authority.clone(), password());
        let (client, _) = client_with(options, Fake::new());
        client.manifest(&image(&server.authority)).expect("logged in");
        let seen = server.seen();
        let with: Vec<_> = seen
            .iter()
            .filter(|seen| seen.header("authorization").is_some_and(|v| v.starts_with("Basic")))
            .collect();
        assert_eq!(with.len(), 1);
        assert!(with.iter().all(|seen| seen.target.contains(sent)), "{with:?}");
    }
    // The environment's login is for the registry that was named, not for a mirror of it.
    let mut options = options();
    options.mirrors.insert("registry.example".into(), vec![basic.authority.clone()]);
    let world = Fake::new()
        .variable("SEAWORTHY_REGISTRY_USER", "lab")
        .variable("SEAWORTHY_REGISTRY_PASSWORD", "geheim");
    let before = basic.seen().len();
    let (client, _) = client_with(options, world);
    let place = client.places(&image("registry.example")).expect("places");
    let mirror = place.first().expect("a mirror");
    let error = client.manifest_at(mirror, &image("registry.example")).expect_err("no login for mirrors");
    assert!(matches!(error, Error::Login { .. }), "{error:?}");
    assert!(basic.seen().iter().skip(before).all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn identity_tokens_are_posted() {
    let server = token_server(|_| true, 300);
    let mut options = options();
    options.logins.insert(server.authority.clone(), Credential::Identity(Secret::new("refresh me&x=1")));
    let (client, _) = client_with(options, Fake::new());
    client.manifest(&image(&server.authority)).expect("logged in");
    let seen = server.seen();
    let post = of(&seen, "/token");
    let post = post.first().expect("one");
    assert_eq!(post.method, "POST");
    assert_eq!(
        post.body,
        "grant_type=refresh_token&client_id=seaworthy&service=lab&scope=repository%3Ateam%2Fapp%3Apull&refresh_token=refresh%20me%26x%3D1"
    );
}

#[test]
fn redirects_do_not_carry_the_login() {
    let store = Server::new(|_, wire| wire.manifest(MANIFEST.as_bytes()));
    let to = format!("location: http://{}/signed?x=1", store.authority);
    let registry = Server::new(move |seen, wire| match seen.header("authorization") {
        Some(_) => wire.answer(307, &[&to], b""),
        None => challenge(wire, "Basic realm=lab"),
    });
    let mut options = options();
    options.logins.insert(registry.authority.clone(), password());
    let (client, _) = client_with(options, Fake::new());
    client.manifest(&image(&registry.authority)).expect("from the store");
    assert_eq!(store.seen().len(), 1);
    assert!(store.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn bad_login_servers_get_nothing() {
    let thief = Server::new(|_, wire| wire.answer(200, &[], br#"{"token":"x"}"#));
    let other_host = thief.authority.replace("127.0.0.1", "127.0.0.2");
    for (realm, part) in [
        (format!("http://{other_host}/token"), "it is not https"),
        ("ftp://x/token".to_owned(), "it is no https address"),
        ("https://user:pw@login.example/".to_owned(), "it is no https address"),
        ("https://169.254.169.254/token".to_owned(), "169.254.169.254"),
    ] {
        let server = Server::new(move |_, wire| challenge(wire, &format!("Bearer realm=\"{realm}\"")));
        let mut options = options();
        options.logins.insert(server.authority.clone(), password());
        let (client, _) = client_with(options, Fake::new());
        let said = client.manifest(&image(&server.authority)).expect_err("refused").to_string();
        assert!(said.contains(part), "{said}");
        assert!(!said.contains("geheim") && !said.contains("Z2VoZWlt"), "{said}");
    }
    assert_eq!(thief.seen().len(), 0);
}

#[test]
fn answers_of_login_servers() {
    for (status, media_type, body, part) in [
        (200, "text/html", "<html>", "login in a browser"),
        (302, "text/html", "", "login servers are not followed elsewhere"),
        (200, "application/json", "{}", "holds no token"),
        (200, "application/json", "nonsense", "not the JSON of a token"),
        (200, "application/json", r#"{"token":"a b\r\nx: y"}"#, "cannot be sent"),
        (401, "application/json", "{}", "the login from the command line or configuration was refused"),
        (403, "application/json", "{}", "the login from the command line or configuration was refused"),
        (503, "application/json", "{}", "has trouble (HTTP 503), 5 tries"),
    ] {
        let server = Server::new(move |seen, wire| {
            let host = seen.header("host").unwrap_or_default().to_owned();
            if seen.target.starts_with("/token") {
                let media_type = format!("content-type: {media_type}");
                return wire.answer(
                    status,
                    &[&media_type, "location: https://login.example/sso"],
                    body.as_bytes(),
                );
            }
            challenge(wire, &format!("Bearer realm=\"http://{host}/token\""))
        });
        let mut options = options();
        options.logins.insert(server.authority.clone(), password());
        let (client, _) = client_with(options, Fake::new());
        let said = client.manifest(&image(&server.authority)).expect_err("refused").to_string();
        assert!(said.contains(part) && !said.contains("geheim"), "{status} {body}: {said}");
    }
    let server = Server::new(|_, wire| challenge(wire, "Negotiate"));
    let (client, _) = client(Fake::new());
    let said = client.manifest(&image(&server.authority)).expect_err("refused").to_string();
    assert!(said.contains("kind that is not known here (Negotiate)"), "{said}");
}

#[test]
fn nothing_prints_a_secret() {
    let logins =
        [password(), Credential::Identity(Secret::new("geheim")), Credential::Token(Secret::new("geheim"))];
    let mut options = options();
    for (number, login) in logins.into_iter().enumerate() {
        options.logins.insert(number.to_string(), login);
    }
    assert!(!format!("{options:?}").contains("geheim"));
}

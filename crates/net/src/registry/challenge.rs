//! `WWW-Authenticate` (RFC 9110, section 11.6.1): which login a registry asks for. Of several challenges
//! Bearer is taken before Basic; others are named in the error. Does not send anything.

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// The best challenge of the header values; the schemes that were offered when none is known.
pub(super) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Result<Challenge, String> {
    let offers: Vec<Offer> = headers.take(8).flat_map(parse).collect();
    let bearer = offers.iter().find_map(|offer| {
        let realm = offer.value("realm")?;
        let is_bearer = offer.scheme.eq_ignore_ascii_case("bearer");
        is_bearer.then(|| Challenge::Bearer {
            realm,
            service: offer.value("service"),
            scope: offer.value("scope"),
        })
    });
    let basic = || offers.iter().any(|offer| offer.scheme.eq_ignore_ascii_case("basic"));
    match bearer {
        Some(bearer) => Ok(bearer),
        None if basic() => Ok(Challenge::Basic),
        None => Err(offers.iter().map(|offer| offer.scheme.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

struct Offer {
    scheme: String,
    values: Vec<(String, String)>,
}

impl Offer {
    fn value(&self, name: &str) -> Option<String> {
        let found = self.values.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }
}

/// Words, `=`, `,` and quoted texts; a word not followed by `=` begins a challenge.
fn parse(header: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    let mut rest = header.get(..header.len().min(8 << 10)).unwrap_or_default();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return offers;
        }
        rest = after.trim_start_matches([' ', '\t']);
        let Some(value) = rest.strip_prefix('=') else {
            offers.push(Offer { scheme: word.chars().take(40).collect(), values: Vec::new() });
            continue;
        };
        let (value, after) = take_value(value.trim_start_matches([' ', '\t']));
        rest = after;
        if let Some(offer) = offers.last_mut() {
            offer.values.push((word.to_owned(), value));
        }
    }
}

fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut is_escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if is_escaped => {
                value.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<Challenge, String> {
        Ok(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        })
    }

    #[test]
    fn challenges_of_real_and_odd_registries() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#;
        let cases: &[(&[&str], Result<Challenge, String>)] = &[
            (
                &[hub],
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/alpine:pull"),
                ),
            ),
            (&["Basic realm=\"lab\""], Ok(Challenge::Basic)),
            (&["basic"], Ok(Challenge::Basic)),
            (
                &["Basic realm=lab, Bearer realm=https://a.example/t"],
                bearer("https://a.example/t", None, None),
            ),
            (
                &["Basic realm=\"a, b\"", "BEARER realm = \"x\\\"y\" , scope=\"a b,c\""],
                bearer("x\"y", None, Some("a b,c")),
            ),
            (&["Negotiate", "NTLM TlRMTVNTUAAB=="], Err("Negotiate, NTLM".into())),
            (&["Bearer"], Err("Bearer".into())),
            (&["Bearer realm=\"\""], Err("Bearer".into())),
            (&["Bearer realm=\"unclosed"], bearer("unclosed", None, None)),
            (&["=,=\"", ""], Err(String::new())),
            (&[], Err(String::new())),
        ];
        for (headers, expected) in cases {
            assert_eq!(&choose(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}

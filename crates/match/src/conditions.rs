//! Conditions of a record besides the version: architecture, module, binary package.

use seaworthy_types::Package;

/// Whether all conditions hold: several values of one key are alternatives. A condition whose key
/// the package has no fact for holds: leaving a finding out needs evidence.
pub fn hold(conditions: &[(String, String)], package: &Package) -> bool {
    conditions.iter().all(|(key, _)| {
        let mut values = conditions.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str());
        match fact(package, key) {
            Some(fact) => values.any(|value| fits(key, value, fact)),
            // Software outside a module is not what a module's advisory speaks of.
            None => key != "module",
        }
    })
}

fn fact<'a>(package: &'a Package, key: &str) -> Option<&'a str> {
    match key {
        "arch" => package.architecture.as_deref(),
        "binary" => Some(&package.name),
        "module" => package.facts.get("modularity").map(String::as_str),
        other => package.facts.get(other).map(String::as_str),
    }
}

fn fits(key: &str, value: &str, fact: &str) -> bool {
    match key {
        // `nodejs:18:8090020240101:a75119d5:x86_64` belongs to the stream `nodejs:18`.
        "module" => fact == value || fact.strip_prefix(value).is_some_and(|rest| rest.starts_with(':')),
        "arch" => fact == value || fact == "noarch" || fact == "all" || value == "noarch",
        _ => fact == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_architectures() {
        let mut package = Package::new("rpm", "nodejs", "1:18", "rpm");
        package.architecture = Some("x86_64".into());
        let condition = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert!(hold(&[], &package));
        assert!(!hold(&[condition("module", "nodejs:18")], &package));
        package.facts.insert("modularity".into(), "nodejs:18:809:abc:x86_64".into());
        assert!(hold(&[condition("module", "nodejs:18")], &package));
        assert!(!hold(&[condition("module", "nodejs:1")], &package));
        assert!(hold(&[condition("arch", "aarch64"), condition("arch", "x86_64")], &package));
        assert!(!hold(&[condition("arch", "aarch64")], &package));
        assert!(hold(&[condition("unheard-of", "x")], &package));
    }
}

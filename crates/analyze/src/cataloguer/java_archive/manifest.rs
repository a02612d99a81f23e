//! The main section of META-INF/MANIFEST.MF.
//!
//! Format: JAR File Specification, "JAR Manifest": `Name: value` lines; a line that starts with a
//! space continues the one before; the section ends with an empty line. Only what may name an
//! archive is kept.

use std::collections::BTreeMap;

/// Attributes that say who made the archive and which release it is.
const KEPT: &[&str] = &[
    "Automatic-Module-Name",
    "Bundle-License",
    "Bundle-SymbolicName",
    "Bundle-Version",
    "Extension-Name",
    "Group-Id",
    "Implementation-Title",
    "Implementation-Vendor-Id",
    "Implementation-Version",
    "Plugin-Version",
    "Short-Name",
    "Specification-Title",
    "Specification-Version",
];

/// Bytes of one value; longer ones are cut.
const VALUE_BYTES_MAX: usize = 512;

/// Kept attributes of the main section, without their OSGi directives.
pub fn parse(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    let mut started = false;
    for line in text.split(['\n', '\r']) {
        if line.is_empty() {
            continue;
        }
        if let Some(more) = line.strip_prefix(' ') {
            if let Some(value) = current.as_ref().and_then(|name| found.get_mut(name))
                && value.len() + more.len() <= VALUE_BYTES_MAX
            {
                value.push_str(more);
            }
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            current = None;
            continue;
        };
        // Sections of single entries start with their name.
        if started && name.eq_ignore_ascii_case("Name") {
            break;
        }
        started = true;
        let kept = KEPT.iter().find(|kept| kept.eq_ignore_ascii_case(name));
        current = kept.map(|kept| (*kept).to_owned());
        if let Some(name) = &current {
            let value: String = value.trim_start().chars().take(VALUE_BYTES_MAX / 4).collect();
            found.entry(name.clone()).or_insert(value);
        }
    }
    for (name, value) in &mut found {
        if matches!(name.as_str(), "Bundle-SymbolicName" | "Bundle-License")
            && let Some((plain, _)) = value.split_once(';')
        {
            *value = plain.to_owned();
        }
        *value = value.trim().to_owned();
    }
    found.retain(|_, value| !value.is_empty() && !value.contains("${"));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_main_section_only() {
        let text = b"Manifest-Version: 1.0\r\nImplementation-Title: a lo\r\n ng title\r\n\
            Bundle-SymbolicName: org.a.b;singleton:=true\r\nImplementation-Version: ${project.version}\r\n\r\n\
            Name: x/Y.class\r\nImplementation-Vendor-Id: not.this\r\n";
        let found = parse(text);
        let found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(found, [("Bundle-SymbolicName", "org.a.b"), ("Implementation-Title", "a long title")]);
    }

    #[test]
    fn odd_input_gives_nothing() {
        for odd in [b"".as_slice(), b" continues nothing", b":::", b"\xff\xfe\0", b"no colon\n more"] {
            assert!(parse(odd).is_empty());
        }
    }
}

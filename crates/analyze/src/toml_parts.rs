//! Cuts a TOML text at the headers of its top-level tables, so that a long list of packages is parsed
//! one at a time.
//!
//! Format: TOML 1.0, toml.io. Knows strings, comments and brackets, which is what it takes to tell a
//! header from what looks like one; whether the text is sound is for the parser to say. A sub-table of
//! the last element of a list (`[package.source]`) stays with it; one that follows another table does
//! not (nobody writes that).

/// Each part with the first name of its header, which is empty for what comes before all headers.
pub(crate) fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (root, length) = part(rest);
            let (part, after) = rest.split_at_checked(length.max(1)).unwrap_or((rest, ""));
            rest = after;
            if !part.trim().is_empty() {
                return Some((root, part));
            }
        }
        None
    })
}

/// The root of the part at the start of the text, and its length.
fn part(text: &str) -> (&str, usize) {
    let (root, _) = header(text).unwrap_or(("", false));
    let mut at = line_end(text, 0);
    while let Some(line) = text.get(at..).filter(|line| !line.is_empty()) {
        if header(line).is_some_and(|(next, below)| !below || next != root) {
            break;
        }
        at = line_end(text, at);
    }
    (root, at)
}

/// The first name of the header that this line is, and whether more names follow it.
fn header(line: &str) -> Option<(&str, bool)> {
    let inner = line.trim_start_matches([' ', '\t']).strip_prefix('[')?;
    let names = inner.strip_prefix('[').unwrap_or(inner).trim_start_matches([' ', '\t']);
    let quote = names.chars().next().filter(|first| matches!(first, '"' | '\''));
    let (name, after) = match quote {
        Some(quote) => names.get(1..)?.split_once([quote, '\n'])?,
        None => names.split_at_checked(names.find(['.', ']', '\n', ' ', '\t'])?)?,
    };
    Some((name, after.trim_start_matches([' ', '\t']).starts_with('.')))
}

/// Where the statement at `at` ends: after its line, or after the last line of its value.
fn line_end(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    while let Some(byte) = bytes.get(at) {
        let here = bytes.get(at..).unwrap_or_default();
        at = match byte {
            b'\n' if depth == 0 => return at + 1,
            b'[' | b'{' => {
                depth += 1;
                at + 1
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            b'#' => at + memchr::memchr(b'\n', here).unwrap_or(here.len()),
            b'"' | b'\'' => at + string(here, *byte),
            _ => at + 1,
        };
    }
    bytes.len()
}

/// Length of the string at the start; one that does not end in its line ends there.
fn string(bytes: &[u8], quote: u8) -> usize {
    let long = bytes.starts_with(&[quote; 3]);
    let mut at = if long { 3 } else { 1 };
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            b'\n' if !long => return at,
            byte if *byte == quote && !long => return at + 1,
            byte if *byte == quote && bytes.get(at..).is_some_and(|rest| rest.starts_with(&[quote; 3])) => {
                // Up to two quotes may stand before the closing three.
                let run = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| **byte == quote);
                return at + run.take(5).count();
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_headers_only() {
        let text = "version = 1\nx = [\n[1],\n[2]\n]\n\n[[package]]\nname = \"a\"\ntext = \"\"\"\n[[package]]\n\
                    \\\"\"\"\"\"\"\n[package.source]\nurl = 'x' # \"\n[[package.list]]\n  [[ \"package\" ]]\nname = \
                    'b\"'\ns = '''\n[not]\n'''\n[metadata]\na = { b = [\n\"]\" ] }\n[metadata.files]\n[other]";
        let found: Vec<(&str, &str)> = parts(text).collect();
        assert_eq!(found.iter().map(|part| part.1).collect::<String>(), text);
        let roots: Vec<&str> = found.iter().map(|part| part.0).collect();
        assert_eq!(roots, ["", "package", "package", "metadata", "other"]);
        for (_, part) in &found {
            assert!(toml::from_str::<toml::Table>(part).is_ok(), "{part}");
        }
    }

    #[test]
    fn every_byte_is_in_one_part() {
        for text in
            ["", "\n", "[", "[[", "]", "\"", "'''", "\"\\", "a = [", "[a\n[b", "[\"a\n\"]\n", "é[\n[é]\n"]
        {
            let all: String = parts(text).map(|part| part.1).collect();
            assert_eq!(all.trim(), text.trim(), "{text:?}");
        }
    }
}

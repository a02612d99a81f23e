//! Enough of Rust's surface to look at source files without a compiler: comments, strings and
//! characters blanked out, functions measured by their braces. What it does not do: macros, types.

use std::fs;
use std::path::{Path, PathBuf};

/// Every `.rs` file below a folder, sorted.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            match path.is_dir() {
                true => open.push(path),
                false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// The text with comments and literals blanked out; lines stay where they are.
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word || bytes[at - 1] == b'b' => at + raw(rest),
        [b'\'', b'\\', ..] => at + quoted(rest, b'\''),
        [b'\'', tail @ ..] => {
            // A character, not a lifetime: closed after one character of at most four bytes.
            let width = (1..=4).find(|width| tail.get(*width) == Some(&b'\''));
            let one =
                |width: usize| std::str::from_utf8(&tail[..width]).is_ok_and(|t| t.chars().count() == 1);
            at + width.filter(|width| one(*width)).map_or(0, |width| width + 2)
        }
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8], mark: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != mark {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw(rest: &[u8]) -> usize {
    let marks = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + marks) != Some(&b'"') {
        return 0; // `r#type`
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', marks)).collect();
    let body = 2 + marks;
    let end = rest[body..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| body + end + close.len())
}

/// A function: its name, the line it begins on, its lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Name.
    pub name: String,
    /// First line, counted from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
}

/// The functions of a file whose literals are blanked out.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = code[at..].find("fn ").map(|offset| at + offset) {
        at = next + 3;
        let before = code[..next].chars().next_back();
        let name: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        if let Some(end) = body_end(&code[at..]).map(|offset| at + offset) {
            let line = code[..next].matches('\n').count() + 1;
            found.push(Function { name, line, lines: code[next..end].matches('\n').count() + 1 });
        }
    }
    found
}

/// Where the body that follows a signature ends; nothing for a declaration without a body.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' if braces <= 1 => return Some(at),
            b'}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// Lines before the tests at the end of a file.
pub fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_test = |at: &usize| {
        lines[*at].starts_with("#[cfg(test)]") && lines[at + 1..].iter().any(|line| line.starts_with("mod "))
    };
    (0..lines.len()).find(is_test).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_blank_and_lines_stay() {
        let text =
            "a /* { /* } */ */ b // {\nlet c = '{'; let d = \"\\\"{\"; r#\"{\"\"# f<'a>(&'a str) '\\''";
        let code = code_only(text);
        assert!(!code.contains('{') && !code.contains('"'), "{code}");
        assert!(code.contains("f<'a>(&'a str)"), "{code}");
        assert_eq!(code.matches('\n').count(), 1);
    }

    #[test]
    fn functions_are_measured() {
        let code = "fn a();\nfn b(x: [u8; 2]) {\n if x {\n }\n}\nimpl X { fn c() {} }\n";
        let found = functions(code);
        let shown: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(shown, [("b", 2, 4), ("c", 6, 1)]);
    }
}

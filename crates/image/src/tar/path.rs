//! Paths made safe: relative, no `.`, no `..`, no empty parts, valid UTF-8. `..` is resolved within
//! the root, as Docker and containerd do, and never leads out of it.

/// What was changed on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Oddity {
    /// It had `..` parts or NULs.
    pub climbs: bool,
    /// It was not UTF-8.
    pub not_utf8: bool,
}

/// Writes the safe form of `prefix/name` into `out`.
pub(crate) fn make_safe(prefix: &[u8], name: &[u8], out: &mut String) -> Oddity {
    let mut oddity = Oddity::default();
    out.clear();
    if !prefix.is_empty() {
        append_parts(prefix, out, &mut oddity);
    }
    append_parts(name, out, &mut oddity);
    oddity
}

fn append_parts(raw: &[u8], out: &mut String, oddity: &mut Oddity) {
    let text = String::from_utf8_lossy(raw);
    oddity.not_utf8 |= matches!(text, std::borrow::Cow::Owned(_));
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                oddity.climbs = true;
                out.truncate(out.rfind('/').unwrap_or(0));
            }
            part => {
                if !out.is_empty() {
                    out.push('/');
                }
                if part.contains('\0') {
                    oddity.climbs = true;
                    out.push_str(&part.replace('\0', "\u{fffd}"));
                } else {
                    out.push_str(part);
                }
            }
        }
    }
}

/// A link target as written, made UTF-8.
pub(crate) fn make_text(raw: &[u8], out: &mut String) -> Oddity {
    out.clear();
    let text = String::from_utf8_lossy(raw);
    let not_utf8 = matches!(text, std::borrow::Cow::Owned(_));
    out.push_str(&text);
    Oddity { climbs: false, not_utf8 }
}

/// What the last part of a path means (OCI image-spec, layer.md, "Whiteouts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whiteout<'p> {
    /// An ordinary path.
    None,
    /// Removes this path from lower layers.
    Removes { folder: &'p str, name: &'p str },
    /// Hides what lower layers have in this folder.
    Opaque { folder: &'p str },
    /// AUFS housekeeping: not a file of the image.
    Housekeeping,
    /// `.wh.`, `.wh..`, `.wh...`: names nothing that may be removed.
    Nonsense,
}

/// Looks for whiteout marks in a safe path.
pub(crate) fn whiteout(path: &str) -> Whiteout<'_> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    // AUFS kept its own folders (.wh..wh.plnk) at the root of a layer.
    if path.starts_with(".wh..wh.") && name != ".wh..wh..opq" {
        return Whiteout::Housekeeping;
    }
    match name.strip_prefix(".wh.") {
        None => Whiteout::None,
        Some(".wh..opq") => Whiteout::Opaque { folder },
        Some(rest) if rest.starts_with(".wh.") => Whiteout::Housekeeping,
        Some("" | "." | "..") => Whiteout::Nonsense,
        Some(name) => Whiteout::Removes { folder, name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_paths() {
        for (prefix, name, safe, climbs) in [
            ("", "a/b", "a/b", false),
            ("", "./a//b/", "a/b", false),
            ("", "/etc/passwd", "etc/passwd", false),
            ("", "../../etc/passwd", "etc/passwd", true),
            ("", "a/../../b", "b", true),
            ("", "a/b/../c", "a/c", true),
            ("", "./", "", false),
            ("", "..", "", true),
            ("", "a\0b", "a\u{fffd}b", true),
            ("x/y", "z", "x/y/z", false),
        ] {
            let mut out = String::new();
            let oddity = make_safe(prefix.as_bytes(), name.as_bytes(), &mut out);
            assert_eq!((out.as_str(), oddity.climbs), (safe, climbs), "{prefix} {name}");
        }
        let mut out = String::new();
        assert!(make_safe(b"", b"a/\xff", &mut out).not_utf8);
        assert_eq!(out, "a/\u{fffd}");
    }

    #[test]
    fn whiteouts() {
        for (path, expected) in [
            ("a/.wh.b", Whiteout::Removes { folder: "a", name: "b" }),
            (".wh.b", Whiteout::Removes { folder: "", name: "b" }),
            ("a/.wh..wh..opq", Whiteout::Opaque { folder: "a" }),
            (".wh..wh..opq", Whiteout::Opaque { folder: "" }),
            (".wh..wh.plnk/12.34", Whiteout::Housekeeping),
            ("a/.wh..wh.aufs", Whiteout::Housekeeping),
            ("a/.wh.", Whiteout::Nonsense),
            ("a/.wh...", Whiteout::Nonsense),
            ("a/.whb", Whiteout::None),
        ] {
            assert_eq!(whiteout(path), expected, "{path}");
        }
    }
}

//! An image from a text description, one thing a line:
//!
//! ```text
//! image app:1.0 linux/arm64/v8      # names it; the platform may be left out
//! user nobody                       # also: env A=b, label k=v, port 80/tcp, entrypoint /bin/x
//! layer gzip                        # begins a layer: plain (default), gzip, gzip-members, zstd, zstd-frames
//! folder etc
//! file etc/os-release ID=debian\nVERSION_ID="12"\n
//! file usr/bin/tool mode=4755 size=2000000 \x7fELF
//! symlink etc/link -> os-release
//! hardlink etc/same -> etc/os-release
//! whiteout etc/gone
//! opaque var/lib
//! ```
//!
//! Content knows `\n`, `\t`, `\0`, `\\` and `\xHH`; `size=` repeats it up to that length. Lines that are
//! empty or begin with `#` are passed over.

use crate::{Layer, Packing, Tar, TestImage};
use serde_json::{Value, json};

/// Reads a description. Panics with the line when it is wrong: a test shall not go on.
pub fn parse(text: &str) -> TestImage {
    let mut image = TestImage::default();
    let mut layer: Option<(Tar, Packing)> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "layer" => {
                if let Some((tar, packing)) = layer.replace((Tar::new(), packing(rest))) {
                    image.layers.push(Layer { tar: tar.finish(), packing });
                }
            }
            "image" => name(&mut image, rest),
            "user" => image.run["User"] = json!(rest),
            "entrypoint" => image.run["Entrypoint"] = json!([rest]),
            "env" => push(&mut image.run["Env"], rest),
            "port" => image.run["ExposedPorts"][rest] = json!({}),
            "label" => {
                let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                image.run["Labels"][key] = json!(value);
            }
            _ => match &mut layer {
                Some((tar, _)) => entry(tar, word, rest, line),
                None => panic!("`{line}` stands before the first `layer`"),
            },
        }
    }
    if let Some((tar, packing)) = layer {
        image.layers.push(Layer { tar: tar.finish(), packing });
    }
    image
}

fn name(image: &mut TestImage, rest: &str) {
    let mut words = rest.split_whitespace();
    image.names.extend(words.next().map(str::to_owned));
    if let Some(platform) = words.next() {
        let mut parts = platform.split('/').map(str::to_owned);
        image.os = parts.next().unwrap_or_default();
        image.architecture = parts.next().unwrap_or_default();
        image.variant = parts.next().unwrap_or_default();
    }
}

fn push(list: &mut Value, item: &str) {
    match list {
        Value::Array(items) => items.push(json!(item)),
        list => *list = json!([item]),
    }
}

fn packing(word: &str) -> Packing {
    match word.split_whitespace().next() {
        None | Some("plain" | "#") => Packing::Plain,
        Some("gzip") => Packing::Gzip,
        Some("gzip-members") => Packing::GzipMembers,
        Some("zstd") => Packing::Zstd,
        Some("zstd-frames") => Packing::ZstdFrames,
        Some(other) => panic!("`{other}` is no packing"),
    }
}

fn entry(tar: &mut Tar, word: &str, rest: &str, line: &str) {
    let link = || rest.split_once(" -> ").unwrap_or_else(|| panic!("`{line}` lacks ` -> TARGET`"));
    match word {
        "folder" => tar.folder(rest),
        "symlink" => tar.symlink(link().0, link().1),
        "hardlink" => tar.hardlink(link().0, link().1),
        "whiteout" => tar.whiteout(rest),
        "opaque" => tar.opaque(rest),
        "file" => {
            let (path, mut content) = rest.split_once(' ').unwrap_or((rest, ""));
            let (mut mode, mut size) = (0o644, None);
            loop {
                let (word, after) = content.split_once(' ').unwrap_or((content, ""));
                if let Some(octal) = word.strip_prefix("mode=") {
                    mode = u32::from_str_radix(octal, 8).unwrap_or_else(|_| panic!("`{line}`: bad mode"));
                } else if let Some(number) = word.strip_prefix("size=") {
                    size = Some(number.parse::<usize>().unwrap_or_else(|_| panic!("`{line}`: bad size")));
                } else {
                    break;
                }
                content = after;
            }
            let mut bytes = unescape(content);
            if let Some(size) = size {
                let pattern = if bytes.is_empty() { vec![0] } else { bytes };
                bytes = pattern.into_iter().cycle().take(size).collect();
            }
            tar.file_with_mode(path, mode, &bytes)
        }
        _ => panic!("`{line}` is not understood"),
    };
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'x') => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("`\\x{digits}` in `{text}`"))
            }
            Some(other) => other,
            None => b'\\',
        });
    }
    out
}

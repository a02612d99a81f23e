//! Text for people: what comes from an image is made harmless, measured, clipped and wrapped.
//! Widths are those of terminals (East Asian wide characters take two columns); this is the simple
//! rule by ranges, not the whole of Unicode annex 11.

/// Makes text from a target safe to show: control characters, escape sequences, line breaks and
/// characters that turn or hide text (bidirectional overrides, zero-width) become visible escapes.
pub fn clean(text: &str) -> String {
    if !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180E
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFC | 0xFFFE..=0xFFFF | 0xE0000..=0xE0FFF)
}

/// Columns of one character.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x0483..=0x0489 | 0x0591..=0x05BD | 0x1AB0..=0x1AFF | 0x20D0..=0x20FF => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F680..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// Columns of a text without control characters.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The text in at most `columns`, with an ellipsis where it was cut.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += char_width(c);
        if used > columns {
            break;
        }
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The end of the text in at most `columns`, with an ellipsis where it was cut: of long names of packages
/// the end tells more.
pub fn clip_start(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        used += char_width(c);
        if used > columns {
            break;
        }
        start = at;
    }
    format!("…{}", text.get(start..).unwrap_or_default())
}

/// The text in lines of at most `columns`, broken at blanks; longer words are cut into pieces.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word.to_owned();
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(&word) > columns && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width(&word) > columns {
            let head = take_columns(&word, columns);
            word = word.get(head.len()..).unwrap_or_default().to_owned();
            lines.push(head);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn take_columns(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += char_width(*c);
            used <= columns
        })
        .collect()
}

/// `1 package`, `2 packages`, `1 entry`, `2 entries`.
pub fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => {
            format!("{} {stem}ies", thousands(number))
        }
        _ => format!("{} {noun}s", thousands(number)),
    }
}

/// `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `812 B`, `1.4 MB`, `2.0 GB` (powers of 1000).
pub fn bytes(number: u64) -> String {
    let steps = [(1_000_000_000_u64, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (step, unit) in steps {
        if number >= step {
            let tenths = u128::from(number) * 10 / u128::from(step);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{number} B")
}

/// A web address that may become a link: http or https, only characters of RFC 3986, with a host.
pub fn web_address(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&()*+,;=".contains(&b);
    let host_sound = |b: u8| b.is_ascii_alphanumeric() || b"-.:".contains(&b);
    let escapes = text
        .split('%')
        .skip(1)
        .all(|tail| tail.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)));
    let port_sound = host.split_once(':').is_none_or(|(_, port)| {
        !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
    });
    let ok = !host.is_empty()
        && !host.starts_with([':', '.', '-'])
        && host.bytes().all(host_sound)
        && port_sound
        && escapes
        && text.matches('#').count() <= 1
        && text.bytes().all(|b| sound(b) || b == b'%');
    ok.then_some(text)
}

/// Text of an element or of a quoted attribute in HTML and XML. Characters that XML 1.0 forbids and
/// characters that hide or turn text are shown as escapes first.
pub fn markup(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_name() {
        for (text, columns, clipped) in [
            ("org.springframework:spring-beans", 40, "org.springframework:spring-beans"),
            ("org.springframework:spring-beans", 20, "…mework:spring-beans"),
            ("船船船", 4, "…船"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(clip_start(text, columns), clipped, "{text} in {columns}");
            assert!(width(&clip_start(text, columns)) <= columns);
        }
    }

    #[test]
    fn hostile_text_becomes_visible() {
        assert_eq!(clean("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(clean("grüße 漢字"), "grüße 漢字");
        assert_eq!(markup("<b a='x'>&\""), "&lt;b a=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn widths_and_wrapping() {
        assert_eq!(width("漢字a"), 5);
        assert_eq!(clip("漢字漢字", 5), "漢字…");
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abc", 0), "");
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("0123456789abcdef", 8), ["01234567", "89abcdef"]);
        assert!(wrap("", 8).is_empty());
    }

    #[test]
    fn numbers() {
        assert_eq!(
            (thousands(0), thousands(1_000), thousands(1_234_567)),
            ("0".into(), "1,000".into(), "1,234,567".into())
        );
        assert_eq!(
            (bytes(999), bytes(1_450_000), bytes(u64::MAX)),
            ("999 B".into(), "1.4 MB".into(), "18446744073.7 GB".into())
        );
        assert_eq!(
            (count(1, "entry"), count(2, "entry"), count(0, "layer")),
            ("1 entry".into(), "2 entries".into(), "0 layers".into())
        );
    }

    #[test]
    fn only_sound_addresses_become_links() {
        assert!(web_address("https://example.org/a?b=c#d").is_some());
        for bad in [
            "javascript:alert(1)",
            "https://",
            "https://a b",
            "https://a\"",
            "https://%zz",
            "http://a/#b#c",
            "https://a:x/",
        ] {
            assert!(web_address(bad).is_none(), "{bad}");
        }
    }
}

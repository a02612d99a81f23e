//! Which packages the classes of an archive lie in, in few words.

use std::collections::HashMap;

/// First parts of packages that are told apart.
const ROOTS_MAX: usize = 4_096;
/// Roots that are reported, and branches of each.
const REPORTED: usize = 4;

/// Counts classes by the first three parts of their package.
#[derive(Default)]
pub struct Prefixes<'d> {
    roots: HashMap<&'d [u8], Branch<'d>>,
    /// Classes seen.
    pub classes: u64,
}

#[derive(Clone, Copy)]
struct Branch<'d> {
    classes: u64,
    /// Longest package that holds all classes of the branch.
    common: &'d [u8],
}

impl<'d> Prefixes<'d> {
    /// Takes the name of an entry; what is no class does not count.
    pub fn add(&mut self, name: &'d [u8]) {
        if !name.ends_with(b".class") {
            return;
        }
        self.classes += 1;
        let name = ["BOOT-INF/classes/", "WEB-INF/classes/"]
            .iter()
            .find_map(|folder| name.strip_prefix(folder.as_bytes()))
            .unwrap_or(name);
        let Some(end) = memchr::memrchr(b'/', name) else { return };
        let Some(package) = name.get(..end).filter(|package| !package.starts_with(b"META-INF/")) else {
            return;
        };
        let key = parts(package, 3);
        let room = self.roots.len() < ROOTS_MAX;
        match self.roots.get_mut(key) {
            Some(branch) => {
                branch.classes += 1;
                branch.common = shared(branch.common, package);
            }
            None if room => {
                self.roots.insert(key, Branch { classes: 1, common: package });
            }
            None => {}
        }
    }

    /// The packages that hold most classes, most first: `org.springframework`, then its largest parts.
    pub fn top(&self) -> Vec<String> {
        let mut roots: HashMap<&[u8], (Branch<'d>, Vec<Branch<'d>>)> = HashMap::new();
        for (key, branch) in &self.roots {
            let (root, branches) =
                roots.entry(parts(key, 2)).or_insert((Branch { classes: 0, ..*branch }, Vec::new()));
            root.classes += branch.classes;
            root.common = shared(root.common, branch.common);
            branches.push(*branch);
        }
        let order = |a: &Branch<'_>, b: &Branch<'_>| b.classes.cmp(&a.classes).then(a.common.cmp(b.common));
        let mut roots: Vec<_> = roots.into_values().collect();
        roots.sort_by(|(a, _), (b, _)| order(a, b));
        let mut found: Vec<String> = Vec::new();
        for (root, mut branches) in roots.into_iter().take(REPORTED) {
            branches.sort_by(order);
            let all = branches.into_iter().take(REPORTED - 1);
            for branch in std::iter::once(root).chain(all).filter(|branch| !branch.common.is_empty()) {
                let package = String::from_utf8_lossy(branch.common).replace('/', ".");
                if package.len() <= 200 && !found.contains(&package) {
                    found.push(package);
                }
            }
        }
        found
    }
}

/// The first `count` parts of a path.
fn parts(path: &[u8], count: usize) -> &[u8] {
    let end = memchr::memchr_iter(b'/', path).nth(count - 1).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}

/// The longest common prefix made of whole parts.
fn shared<'d>(a: &'d [u8], b: &[u8]) -> &'d [u8] {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let whole = |path: &[u8]| path.len() == same || path.get(same) == Some(&b'/');
    let end = if whole(a) && whole(b) {
        same
    } else {
        a.get(..same).and_then(|p| memchr::memrchr(b'/', p)).unwrap_or(0)
    };
    a.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_for_many_classes() {
        let mut prefixes = Prefixes::default();
        for name in [
            "org/a/x/y/One.class",
            "org/a/x/y/z/Two.class",
            "org/a/w/Three.class",
            "META-INF/versions/9/module-info.class",
            "module-info.class",
            "BOOT-INF/classes/com/b/c/d/e/Main.class",
            "org/a/readme.txt",
        ] {
            prefixes.add(name.as_bytes());
        }
        assert_eq!(prefixes.classes, 6);
        assert_eq!(prefixes.top(), ["org.a", "org.a.x.y", "org.a.w", "com.b.c.d.e"]);
        assert!(Prefixes::default().top().is_empty());
    }

    #[test]
    fn shared_parts_are_whole() {
        assert_eq!(shared(b"a/bc", b"a/bd"), b"a");
        assert_eq!(shared(b"a/b", b"a/b/c"), b"a/b");
        assert_eq!(shared(b"a/b/c", b"a/b"), b"a/b");
        assert_eq!(shared(b"ab", b"ac"), b"");
        assert_eq!(shared(b"", b"a"), b"");
    }
}

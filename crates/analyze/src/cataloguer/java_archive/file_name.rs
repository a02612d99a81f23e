//! Splits the file name of a Java archive into artifact, version and classifier.
//!
//! Follows the Maven repository layout (`artifact-version[-classifier].extension`), whose parts all
//! may hold hyphens and digits: `log4j-1.2-api-2.14.1.jar`. A guess, and only ever used as one.

/// What a file name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileName<'a> {
    /// Name without folder and extension.
    pub stem: &'a str,
    /// Artifact id.
    pub artifact: &'a str,
    /// Version, or empty.
    pub version: &'a str,
    /// Classifier (`sources`, `linux-x86_64`), or empty.
    pub classifier: &'a str,
}

/// Words that may follow the numbers within a version.
const QUALIFIERS: &[&str] = &[
    "alpha",
    "android",
    "ap",
    "atlassian",
    "b",
    "beta",
    "build",
    "canary",
    "cr",
    "dev",
    "ea",
    "empty",
    "final",
    "fuse",
    "ga",
    "hadoop2",
    "hadoop3",
    "incubating",
    "jbossorg",
    "jenkins",
    "jre",
    "m",
    "milestone",
    "nightly",
    "patch",
    "pre",
    "preview",
    "rc",
    "redhat",
    "release",
    "rev",
    "security",
    "snap",
    "snapshot",
    "sp",
    "stable",
    "v",
    "wildfly",
];

/// Words that start a classifier.
const CLASSIFIERS: &[&str] = &[
    "aix",
    "all",
    "bin",
    "dist",
    "exec",
    "executable",
    "fat",
    "jar",
    "jakarta",
    "javadoc",
    "jdk",
    "linux",
    "macos",
    "native",
    "natives",
    "no",
    "noaop",
    "nodep",
    "nodeps",
    "no_aop",
    "osx",
    "runner",
    "runtime",
    "shaded",
    "solaris",
    "sources",
    "standalone",
    "test",
    "tests",
    "uber",
    "windows",
];

/// Splits the last part of a path.
pub fn split(path: &str) -> FileName<'_> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    // Symbolic names of bundles have dots; `paradise_2.12.8-2.1.0` names a Scala release.
    if let Some(bundle) = bundle(stem).filter(|bundle| bundle.artifact.contains('.')) {
        return bundle;
    }
    let mut fallback = None;
    for (at, _) in stem.match_indices('-') {
        let rest = stem.get(at + 1..).unwrap_or_default();
        if at == 0 || !starts_version(rest) {
            continue;
        }
        let (version, classifier, clean) = version_and_classifier(rest);
        let artifact = stem.get(..at).unwrap_or(stem);
        let split = FileName { stem, artifact, version, classifier };
        if clean {
            return split;
        }
        // With words nobody knows the last place where a version may start is the best guess.
        fallback = Some(split);
    }
    fallback.or_else(|| bundle(stem)).unwrap_or_else(|| {
        let (artifact, classifier) = match stem.rsplit_once('-') {
            Some((artifact, last)) if matches!(last, "sources" | "javadoc" | "tests") => (artifact, last),
            _ => (stem, ""),
        };
        FileName { stem, artifact, version: "", classifier }
    })
}

/// `1…`, `v1…`, `r09`.
fn starts_version(text: &str) -> bool {
    let text = text.strip_prefix(['v', 'V', 'r']).unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Version and classifier, and whether every word of them is understood.
fn version_and_classifier(text: &str) -> (&str, &str, bool) {
    let mut clean = true;
    let mut at = text.find('-').unwrap_or(text.len());
    while at < text.len() {
        let rest = text.get(at + 1..).unwrap_or_default();
        let word = rest.split('-').next().unwrap_or_default();
        let lower = word.to_ascii_lowercase();
        let letters = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let letters = if QUALIFIERS.contains(&lower.as_str()) { lower.as_str() } else { letters };
        let leading = letters.split(['.', '_']).next().unwrap_or_default();
        if CLASSIFIERS.contains(&letters) || CLASSIFIERS.contains(&leading) {
            return (text.get(..at).unwrap_or_default(), rest, clean);
        }
        let numeric = word.starts_with(|c: char| c.is_ascii_digit());
        let hexadecimal = word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit());
        if !numeric && !hexadecimal && !QUALIFIERS.contains(&leading) {
            clean = false;
        }
        at += 1 + word.len();
    }
    (text, "", clean)
}

/// `org.eclipse.osgi_3.10.0.v2014`: Eclipse writes bundles so.
fn bundle(stem: &str) -> Option<FileName<'_>> {
    let (artifact, version) = stem.rsplit_once('_')?;
    let mut parts = version.split('.');
    let numeric =
        parts.by_ref().take(3).filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit())).count();
    (numeric == 3 && !artifact.is_empty()).then_some(FileName { stem, artifact, version, classifier: "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_maven_wrote() {
        for (file, artifact, version, classifier) in [
            ("spring-core-5.3.17.jar", "spring-core", "5.3.17", ""),
            ("a/b/guava-30.1-jre.jar", "guava", "30.1-jre", ""),
            ("guava-r09.jar", "guava", "r09", ""),
            ("netty-4.1.0.Final.jar", "netty", "4.1.0.Final", ""),
            ("log4j-1.2-api-2.14.1.jar", "log4j-1.2-api", "2.14.1", ""),
            ("foo-1.0-SNAPSHOT.jar", "foo", "1.0-SNAPSHOT", ""),
            ("foo-1.0-20210102.030405-7.jar", "foo", "1.0-20210102.030405-7", ""),
            ("foo-1.0-beta-2.jar", "foo", "1.0-beta-2", ""),
            ("foo-2.0-rc1.jar", "foo", "2.0-rc1", ""),
            ("x_2.12-3.1.jar", "x_2.12", "3.1", ""),
            ("x_2.12.jar", "x_2.12", "", ""),
            (
                "netty-transport-native-epoll-4.1.42.Final-linux-x86_64.jar",
                "netty-transport-native-epoll",
                "4.1.42.Final",
                "linux-x86_64",
            ),
            (
                "netty-tcnative-2.0.61.Final-osx-aarch_64.jar",
                "netty-tcnative",
                "2.0.61.Final",
                "osx-aarch_64",
            ),
            ("commons-io-2.6-sources.jar", "commons-io", "2.6", "sources"),
            ("foo-sources.jar", "foo", "", "sources"),
            ("json-lib-2.4-jdk15.jar", "json-lib", "2.4", "jdk15"),
            ("bcprov-jdk15on-1.60.jar", "bcprov-jdk15on", "1.60", ""),
            ("mssql-jdbc-6.4.0.jre8.jar", "mssql-jdbc", "6.4.0.jre8", ""),
            ("jetty-server-9.4.20.v20190813.jar", "jetty-server", "9.4.20.v20190813", ""),
            ("jackson-module-scala_2.13-2.11.3.jar", "jackson-module-scala_2.13", "2.11.3", ""),
            ("app-1.2-jar-with-dependencies.jar", "app", "1.2", "jar-with-dependencies"),
            (
                "listenablefuture-9999.0-empty-to-avoid-conflict-with-guava.jar",
                "listenablefuture",
                "9999.0-empty-to-avoid-conflict-with-guava",
                "",
            ),
            ("hadoop-shaded-guava-1.1.0-SNAPSHOT.jar", "hadoop-shaded-guava", "1.1.0-SNAPSHOT", ""),
            ("org.eclipse.osgi_3.10.0.v20140606-1445.jar", "org.eclipse.osgi", "3.10.0.v20140606-1445", ""),
            ("paradise_2.12.8-2.1.0.jar", "paradise_2.12.8", "2.1.0", ""),
            ("geronimo-servlet_2.5_spec-1.2.jar", "geronimo-servlet_2.5_spec", "1.2", ""),
            ("kafka_2.13-3.6.1.jar", "kafka_2.13", "3.6.1", ""),
            ("jsr305-3.0.2.jar", "jsr305", "3.0.2", ""),
            ("sqlite-jdbc-3.41.2.2.jar", "sqlite-jdbc", "3.41.2.2", ""),
            ("grpc-context-1.27.2-redhat-00001.jar", "grpc-context", "1.27.2-redhat-00001", ""),
            ("app.jar", "app", "", ""),
            ("-1.jar", "-1", "", ""),
            ("", "", "", ""),
            ("é-1é.jar", "é", "1é", ""),
        ] {
            let split = split(file);
            assert_eq!(
                (split.artifact, split.version, split.classifier),
                (artifact, version, classifier),
                "{file}"
            );
        }
    }
}

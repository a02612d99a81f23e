//! Maven groups that an archive does not tell: where the classes lie elsewhere than the group says, or
//! where the group changed with a version. Facts of Maven Central. A row needs two witnesses, the
//! artifact's name and its classes; what is not listed is named by data (`identify`).

use seaworthy_types::Unidentified;

/// Any major version.
const ANY: u32 = u32::MAX;

/// Artifact, package of its classes, group, and the major version from which the row no longer holds.
#[rustfmt::skip]
const HOMES: &[(&str, &str, &str, u32)] = &[
    ("cglib", "net.sf.cglib", "cglib", ANY),
    ("cglib-nodep", "net.sf.cglib", "cglib", ANY),
    ("commons-beanutils", "org.apache.commons.beanutils", "commons-beanutils", ANY),
    ("commons-cli", "org.apache.commons.cli", "commons-cli", ANY),
    ("commons-codec", "org.apache.commons.codec", "commons-codec", ANY),
    ("commons-collections", "org.apache.commons.collections", "commons-collections", ANY),
    ("commons-configuration", "org.apache.commons.configuration", "commons-configuration", ANY),
    ("commons-dbcp", "org.apache.commons.dbcp", "commons-dbcp", ANY),
    ("commons-digester", "org.apache.commons.digester", "commons-digester", ANY),
    ("commons-fileupload", "org.apache.commons.fileupload", "commons-fileupload", ANY),
    ("commons-httpclient", "org.apache.commons.httpclient", "commons-httpclient", ANY),
    ("commons-io", "org.apache.commons.io", "commons-io", ANY),
    ("commons-jxpath", "org.apache.commons.jxpath", "commons-jxpath", ANY),
    ("commons-lang", "org.apache.commons.lang", "commons-lang", ANY),
    ("commons-logging", "org.apache.commons.logging", "commons-logging", ANY),
    ("commons-net", "org.apache.commons.net", "commons-net", ANY),
    ("commons-pool", "org.apache.commons.pool", "commons-pool", ANY),
    ("commons-validator", "org.apache.commons.validator", "commons-validator", ANY),
    ("context-propagation", "io.micrometer.context", "io.micrometer", ANY),
    ("dom4j", "org.dom4j", "dom4j", 2),
    ("freemarker", "freemarker.core", "org.freemarker", ANY),
    ("freemarker", "freemarker.template", "org.freemarker", ANY),
    ("gson", "com.google.gson", "com.google.code.gson", ANY),
    ("guava", "com.google.common", "com.google.guava", ANY),
    ("h2", "org.h2", "com.h2database", ANY),
    ("hibernate-validator", "org.hibernate.validator", "org.hibernate", 6),
    ("hsqldb", "org.hsqldb", "hsqldb", 2),
    ("httpasyncclient", "org.apache.http", "org.apache.httpcomponents", ANY),
    ("httpclient", "org.apache.http", "org.apache.httpcomponents", ANY),
    ("httpcore", "org.apache.http", "org.apache.httpcomponents", ANY),
    ("httpmime", "org.apache.http", "org.apache.httpcomponents", ANY),
    ("jaxen", "org.jaxen", "jaxen", ANY),
    ("jcommander", "com.beust.jcommander", "com.beust", 2),
    ("joda-time", "org.joda.time", "joda-time", ANY),
    ("jsch", "com.jcraft.jsch", "com.jcraft", ANY),
    ("jsr305", "javax.annotation", "com.google.code.findbugs", ANY),
    ("junit", "org.junit", "junit", ANY),
    ("kotlin-reflect", "kotlin.reflect", "org.jetbrains.kotlin", ANY),
    ("kotlin-stdlib", "kotlin.collections", "org.jetbrains.kotlin", ANY),
    ("log4j", "org.apache.log4j", "log4j", ANY),
    ("micrometer-core", "io.micrometer.core", "io.micrometer", ANY),
    ("mysql-connector-j", "com.mysql", "com.mysql", ANY),
    ("mysql-connector-java", "com.mysql", "mysql", ANY),
    ("okhttp", "okhttp3.internal", "com.squareup.okhttp3", ANY),
    ("oro", "org.apache.oro", "oro", ANY),
    ("reactor-core", "reactor.core", "io.projectreactor", ANY),
    ("retrofit", "retrofit2.http", "com.squareup.retrofit2", ANY),
    ("servlet-api", "javax.servlet", "javax.servlet", ANY),
    ("snakeyaml", "org.yaml.snakeyaml", "org.yaml", ANY),
    ("spring-aop", "org.springframework.aop", "org.springframework", ANY),
    ("spring-aspects", "org.springframework", "org.springframework", ANY),
    ("spring-context-support", "org.springframework", "org.springframework", ANY),
    ("spring-jcl", "org.apache.commons.logging", "org.springframework", ANY),
    ("spring-jdbc", "org.springframework.jdbc", "org.springframework", ANY),
    ("spring-jms", "org.springframework.jms", "org.springframework", ANY),
    ("spring-messaging", "org.springframework.messaging", "org.springframework", ANY),
    ("spring-orm", "org.springframework.orm", "org.springframework", ANY),
    ("spring-oxm", "org.springframework.oxm", "org.springframework", ANY),
    ("spring-test", "org.springframework", "org.springframework", ANY),
    ("spring-tx", "org.springframework", "org.springframework", ANY),
    ("spring-webflux", "org.springframework.web", "org.springframework", ANY),
    ("spring-websocket", "org.springframework.web", "org.springframework", ANY),
    ("tomcat-embed-core", "org.apache.catalina", "org.apache.tomcat.embed", ANY),
    ("wsdl4j", "com.ibm.wsdl", "wsdl4j", ANY),
    ("xalan", "org.apache.xalan", "xalan", ANY),
    ("xercesImpl", "org.apache.xerces", "xerces", ANY),
];

/// The coordinates of an archive that the list knows.
pub(crate) fn coordinates(evidence: &Unidentified, version: &str) -> Option<String> {
    if evidence.ecosystem != "maven" {
        return None;
    }
    let major = version.split(['.', '-']).next().and_then(|number| number.parse::<u32>().ok())?;
    // The first name is that of the file or the manifest's most exact; others are for people.
    let artifact = evidence.names.first()?;
    HOMES
        .iter()
        .find(|(name, classes, _, below)| {
            name == artifact && major < *below && has_classes(evidence, classes)
        })
        .map(|(name, _, group, _)| format!("{group}:{name}"))
}

fn has_classes(evidence: &Unidentified, package: &str) -> bool {
    let within = |group: &String| {
        group.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    evidence.groups.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_witnesses_and_the_version_decide() {
        for (artifact, classes, version, expected) in [
            ("dom4j", "org.dom4j.tree", "1.6.1", Some("dom4j:dom4j")),
            ("dom4j", "org.dom4j.tree", "2.1.0", None),
            ("dom4j", "net.other", "1.6.1", None),
            ("h2", "org.h2", "1.4.199", Some("com.h2database:h2")),
            ("h2", "org.h2o", "1.4.199", None),
            ("jcommander", "com.beust.jcommander", "1.72", Some("com.beust:jcommander")),
            ("freemarker", "freemarker.core", "2.3.28", Some("org.freemarker:freemarker")),
            (
                "commons-collections",
                "org.apache.commons.collections.map",
                "3.2.1",
                Some("commons-collections:commons-collections"),
            ),
            ("commons-collections", "org.apache.commons.collections4", "4.0", None),
            ("h2", "org.h2", "unknown", None),
        ] {
            let evidence = Unidentified {
                ecosystem: "maven".into(),
                names: vec![artifact.into()],
                groups: vec![classes.into()],
                ..Unidentified::default()
            };
            assert_eq!(
                coordinates(&evidence, version).as_deref(),
                expected,
                "{artifact} {classes} {version}"
            );
        }
    }

    #[test]
    fn rows_are_sorted_and_whole() {
        assert!(HOMES.is_sorted(), "sort the rows");
        for (artifact, classes, group, _) in HOMES {
            assert!(!artifact.is_empty() && !group.is_empty() && classes.contains('.'), "{artifact}");
        }
    }
}

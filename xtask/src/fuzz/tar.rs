//! Writes the tars of seeds: POSIX ustar, regular files only; and image archives around them.

use sha2::{Digest, Sha256};

/// A tar of these files.
pub fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, bytes) in files.iter().filter(|(path, _)| path.len() <= 100) {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, path.as_bytes());
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", bytes.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, b"0");
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1_024, 0);
    out
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(layer: &[u8]) -> Vec<u8> {
    format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        hex(layer)
    )
    .into_bytes()
}

/// A docker archive (`docker save`) with one layer.
pub fn docker_archive(layer: &[u8]) -> Vec<u8> {
    let config = config(layer);
    let name = format!("{}.json", hex(&config));
    let manifest = format!(r#"[{{"Config":"{name}","RepoTags":["a:b"],"Layers":["l/layer.tar"]}}]"#);
    tar(&[
        ("manifest.json".into(), manifest.into_bytes()),
        (name, config),
        ("l/layer.tar".into(), layer.to_vec()),
    ])
}

/// An OCI layout in a tar with one layer.
pub fn oci_archive(layer: &[u8]) -> Vec<u8> {
    let config = config(layer);
    let described = |kind: &str, bytes: &[u8]| {
        let (digest, size) = (hex(bytes), bytes.len());
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{digest}","size":{size}}}"#
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        described("config.v1+json", &config),
        described("layer.v1.tar", layer)
    )
    .into_bytes();
    let index =
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, described("manifest.v1+json", &manifest));
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", hex(bytes)), bytes.to_vec());
    tar(&[
        ("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".into(), index.into_bytes()),
        blob(&manifest),
        blob(&config),
        blob(layer),
    ])
}

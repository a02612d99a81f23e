//! Where results go: one format to standard output, others to files.

use crate::arguments::Colour;
use anyhow::{Context, Result, bail};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use seaworthy_report::format::ALL;
use seaworthy_report::{Format, Options, by_name};
use seaworthy_types::Report;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that go to standard output at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A file to write.
#[derive(Clone)]
pub struct ToFile {
    format: &'static dyn Format,
    path: PathBuf,
}

impl ToFile {
    /// Where it goes.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The same format in a file of this folder.
    pub fn within(&self, name: impl AsRef<Path>) -> Self {
        Self { format: self.format, path: self.path.join(name) }
    }
    /// The format's ending.
    pub fn extension(&self) -> &'static str {
        self.format.extension()
    }
}

/// The format with this name, or an error that lists all.
pub fn format(name: &str) -> Result<&'static dyn Format> {
    by_name(name).with_context(|| {
        let names: Vec<&str> = ALL.iter().map(|format| format.about().name).collect();
        format!("there is no format `{name}`; there are {}", names.join(", "))
    })
}

/// Parses `FORMAT=FILE`.
pub fn to_file(text: &str) -> Result<ToFile> {
    let Some((name, path)) = text.split_once('=') else {
        bail!("`{text}`: write the format and the file, such as `-o sarif=scan.sarif`");
    };
    if path.is_empty() {
        bail!("`{text}`: the file's name is missing");
    }
    Ok(ToFile { format: format(name)?, path: path.into() })
}

/// Says what can be known to fail before the work begins: options that do not do, files that cannot be
/// written. Nothing is made or changed.
pub fn check(format: &'static dyn Format, files: &[ToFile], options: &Options) -> Result<()> {
    format.check(options)?;
    for (index, file) in files.iter().enumerate() {
        file.format.check(options)?;
        place(&file.path).with_context(|| format!("`{}` cannot be written", file.path.display()))?;
        if files.iter().take(index).any(|other| other.path == file.path) {
            bail!("`{}` is named for two outputs: give each its own file", file.path.display());
        }
    }
    Ok(())
}

/// Whether a format is written at all.
pub fn uses(format: &'static dyn Format, files: &[ToFile], name: &str) -> bool {
    format.about().name == name || files.iter().any(|file| file.format.about().name == name)
}

fn place(path: &Path) -> Result<()> {
    let meta = fs::metadata(path);
    if meta.as_ref().is_ok_and(fs::Metadata::is_dir) {
        bail!("it is a folder; name a file in it");
    }
    if meta.is_ok_and(|meta| !meta.is_file()) {
        return Ok(());
    }
    // The file is written beside its place first: its folder is what must be writable.
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.exists() {
        bail!("the folder `{}` does not exist; make it first", folder.display());
    }
    if !folder.is_dir() {
        bail!("`{}` is no folder", folder.display());
    }
    let needed = Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, folder, needed, AtFlags::EACCESS)
        .with_context(|| format!("the folder `{}` cannot be written to", folder.display()))
}

/// Whether standard output gets colours.
pub fn colours(when: Colour) -> bool {
    match when {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            io::stdout().is_terminal()
                && !set("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Columns of the terminal; 0 when there is none.
pub fn columns() -> usize {
    if let Some(columns) = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()) {
        return columns;
    }
    rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col))
}

/// Writes a file whole or not at all.
pub fn write_file(report: &Report, to: &ToFile, options: &Options) -> Result<()> {
    let what = || format!("writing `{}`", to.path.display());
    let options = Options { colour: false, width: 0, ..options.clone() };
    let mut bytes = Vec::new();
    to.format.write(report, &options, &mut bytes).with_context(what)?;
    write_whole(&to.path, &bytes).with_context(what)
}

/// Writes beside the file first, then renames: an existing file is never half overwritten. What is no
/// regular file (`/dev/stdout`) is written to directly.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return fs::write(path, bytes);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let aside = path.with_file_name(name);
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Nobody reads standard output any more.
static UNHEARD: AtomicBool = AtomicBool::new(false);

/// Whether standard output itself was closed: no other broken pipe means that all is well.
pub fn is_unheard() -> bool {
    UNHEARD.load(Ordering::Relaxed)
}

/// Standard output, which remembers that nobody reads it any more.
pub fn stdout() -> impl Write {
    Stdout(io::stdout().lock())
}

struct Stdout<'a>(io::StdoutLock<'a>);

impl Stdout<'_> {
    fn heard<T>(result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            UNHEARD.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::heard(self.0.write(bytes))
    }
    fn flush(&mut self) -> io::Result<()> {
        Self::heard(self.0.flush())
    }
}

/// Prints the report.
pub fn print(report: &Report, format: &'static dyn Format, options: &Options) -> Result<()> {
    const WHAT: &str = "writing to standard output";
    let mut out = stdout();
    if !format.may_fail() {
        let mut out = io::BufWriter::with_capacity(PIECE_BYTES, &mut out);
        format.write(report, options, &mut out)?;
        return out.flush().context(WHAT);
    }
    // Whole or not at all: an error gives no report.
    let mut bytes = Vec::new();
    format.write(report, options, &mut bytes)?;
    out.write_all(&bytes).and_then(|()| out.flush()).context(WHAT)
}

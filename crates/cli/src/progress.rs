//! Progress of long work, on standard error, only when a person looks at it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use seaworthy_scan::Progress;
use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

/// A bar that shows up after a moment, so that short work stays quiet.
pub struct Bar {
    shown: bool,
    bar: RefCell<Option<ProgressBar>>,
}

impl Bar {
    /// A bar; `quiet` or a standard error that is no terminal keep it away.
    pub fn new(quiet: bool) -> Self {
        Self { shown: !quiet && std::io::stderr().is_terminal(), bar: RefCell::new(None) }
    }
    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn stage(&self, name: &str, bytes_total: u64) {
        self.finish();
        if !self.shown {
            return;
        }
        let bar = match bytes_total {
            0 => ProgressBar::new_spinner(),
            total => ProgressBar::new(total),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let template = match bytes_total {
            0 => "{spinner} {msg} {bytes}",
            _ => "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.bar.borrow_mut() = Some(bar);
    }
    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.inc(bytes);
        }
    }
}

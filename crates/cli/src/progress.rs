//! Progress of long work, on standard error, only when a person looks at it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use seaworthy_scan::Progress;
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Work that is done sooner shows no progress.
const MOMENT: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(200);
const DRAWS_PER_SECOND: u8 = 10;

/// A bar that shows up after a moment, so that short work stays quiet.
pub struct Bar {
    state: Arc<Mutex<State>>,
    /// Shows the bar when the moment has passed; nothing when no bar is ever shown.
    waiter: Option<(Sender<()>, JoinHandle<()>)>,
    /// Said before each stage, or nothing.
    of: String,
}

#[derive(Default)]
struct State {
    visible: bool,
    bar: Option<ProgressBar>,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn show(bar: &ProgressBar) {
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
    bar.enable_steady_tick(TICK);
}

impl Bar {
    /// A bar; `quiet` or a standard error that is no terminal keep it away.
    pub fn new(quiet: bool) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let waiter = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let (stop, stopped) = channel();
            let state = Arc::clone(&state);
            let wait = move || {
                if stopped.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
                    let mut state = locked(&state);
                    state.visible = true;
                    state.bar.iter().for_each(show);
                }
            };
            (stop, std::thread::spawn(wait))
        });
        Self { state, waiter, of: String::new() }
    }
    /// A bar of one of several works: `of` says which.
    pub fn within(quiet: bool, of: String) -> Self {
        let mut bar = Self::new(quiet);
        bar.of = of;
        bar
    }
    /// Takes the bar away until the next stage.
    pub fn finish(&self) {
        if let Some(bar) = locked(&self.state).bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
        if let Some((stop, thread)) = self.waiter.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

impl Progress for Bar {
    fn stage(&self, name: &str, bytes_total: u64) {
        self.finish();
        if self.waiter.is_none() {
            return;
        }
        let total = (bytes_total > 0).then_some(bytes_total);
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match bytes_total {
            0 => "{spinner} {wide_msg} {bytes}",
            _ => "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(match self.of.as_str() {
            "" => name.to_owned(),
            of => format!("{of}: {name}"),
        });
        let mut state = locked(&self.state);
        if state.visible {
            show(&bar);
        }
        state.bar = Some(bar);
    }
    fn advance(&self, bytes: u64) {
        if let Some(bar) = &locked(&self.state).bar {
            bar.inc(bytes);
        }
    }
}

//! Cases and their expectations: each unit has its four kinds, and what comes out is what is written down.

use std::fs;
use std::path::{Path, PathBuf};

/// Gathers what is wrong over all units.
#[derive(Default)]
pub struct Expectations {
    wrong: Vec<String>,
}

impl Expectations {
    /// Checks the cases of one unit below `place`: `run` gives what comes out of one, `expected` names the
    /// file it is compared with. `UPDATE_EXPECT=1` rewrites these files.
    pub fn check(
        &mut self,
        (unit, place): (&str, &str),
        cases: &[PathBuf],
        run: impl Fn(&Path) -> String,
        expected: impl Fn(&Path) -> PathBuf,
    ) {
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        for kind in ["normal", "empty", "broken", "hostile"] {
            let starts =
                |case: &PathBuf| case.file_name().is_some_and(|n| n.to_string_lossy().starts_with(kind));
            if !cases.iter().any(starts) {
                self.wrong
                    .push(format!("{unit}: no case whose name starts with `{kind}` in {place}/{unit}/"));
            }
        }
        for case in cases {
            let (actual, file) = (run(case), expected(case));
            if update {
                fs::write(&file, &actual).expect("write expectation");
                continue;
            }
            let expected = fs::read_to_string(&file).unwrap_or_default();
            if actual != expected {
                let case = case.display();
                self.wrong.push(format!("{case}\n--- expected\n{expected}--- actual\n{actual}"));
            }
        }
    }

    /// Fails with everything that is wrong.
    pub fn verdict(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

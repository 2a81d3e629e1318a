//! What is printed and what is written.

use std::io::Write;
use std::path::{Path, PathBuf};

use forget_audit::report::clean;
use forget_audit::staged::{Staged, folder_of};
use forget_audit::{Error, Result};

use super::inputs::Inputs;

/// Prints an error: the thing, the problem, the remedy.
pub fn print_error(error: &Error) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(
        std::io::stderr(),
        "error: {}\n  help: {}",
        clean(&error.to_string()),
        clean(error.remedy())
    );
}

/// Says on stderr what a reader should know of how the work was done.
pub fn print_notes(notes: &[String]) {
    for note in notes {
        eprintln!("note: {}", clean(note));
    }
}

/// Prints to stdout; a reader that went away is no error.
pub fn print(content: &str) -> Result<()> {
    match std::io::stdout().write_all(content.as_bytes()).and_then(|()| std::io::stdout().flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::input("stdout", format!("can't be written ({e})"), "check where it leads"))
        }
        _ => Ok(()),
    }
}

/// A file that will be written, known to be writable before the work begins.
pub struct Destination {
    path: PathBuf,
}

impl Destination {
    /// Tries the folder, or where it is missing the nearest one above; nothing is left behind.
    ///
    /// # Errors
    /// A folder, a place that can't be written, and one of the `inputs`.
    pub fn prepare(path: &Path, inputs: &Inputs) -> Result<Self> {
        if path == Path::new("-") {
            return Err(Error::file(
                path,
                "is no file",
                "give the path of one; `--format` prints a report to stdout",
            ));
        }
        if path.is_dir() {
            return Err(Error::file(path, "is a folder", "give the path of a file"));
        }
        inputs.spare(path)?;
        let existing = folder_of(path).ancestors().find(|f| f.exists());
        // A relative folder ends in the working directory, whose name is empty.
        let tried = Staged::beside(&existing.unwrap_or(Path::new("")).join("tried"));
        tried.map_err(|e| {
            Error::file(
                path,
                format!("can't be written ({e})"),
                "give a path in a folder that you may write to (--json, --html, --output-dir)",
            )
        })?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes beside the file, then renames: there is never half a file.
    pub fn write(&self, content: &str) -> Result<()> {
        let written = std::fs::create_dir_all(folder_of(&self.path)).and_then(|()| {
            let mut staged = Staged::beside(&self.path)?;
            staged.file().write_all(content.as_bytes())?;
            staged.publish()
        });
        written.map_err(|e| {
            Error::file(
                &self.path,
                format!("can't be written ({e})"),
                "check space and permissions",
            )
        })
    }

    /// Where it will lie.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

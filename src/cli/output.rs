//! What is printed and what is written.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
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

/// The words of this command, for a report to be measured again by: without what only says where
/// and how results are shown.
pub fn words() -> Vec<String> {
    let given = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut given: Vec<String> = given.collect();
    let program = super::Arguments::command();
    if let Some(command) = given.first().and_then(|name| program.find_subcommand(name)) {
        given = without_output(given, command);
    }
    std::iter::once("audit".to_owned()).chain(given).collect()
}

/// `words` without the options of `command` that its help lists under "Output".
fn without_output(words: Vec<String>, command: &clap::Command) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            kept.push(word);
            kept.extend(words);
            break;
        }
        let (name, value) = word.split_once('=').unzip();
        let name = name.unwrap_or(&word);
        let spelled = |option: &&clap::Arg| {
            option.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long))
                || option.get_short().is_some_and(|short| {
                    name.strip_prefix('-').is_some_and(|n| n.chars().eq([short]))
                })
        };
        let option = command.get_arguments().find(spelled);
        let shows = option.is_some_and(|o| o.get_help_heading() == Some("Output"));
        let takes = option.is_some_and(|o| o.get_action().takes_values()) && value.is_none();
        let next = if takes { words.next() } else { None };
        if !shows {
            kept.push(word);
            kept.extend(next);
        }
    }
    kept
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_kept_without_what_it_writes() {
        let kept = |text: &str| {
            let program = super::super::Arguments::command();
            let command = program.find_subcommand("compare").expect("compare");
            without_output(text.split(' ').map(str::to_owned).collect(), command).join(" ")
        };
        let measuring =
            "compare a.onnx b.onnx --data=d.npz --forget-classes 3,8 --seed 7 --config p.toml";
        for output in [
            "--json a.json",
            "--json=a.json",
            "-q",
            "--quiet",
            "--format text --format junit=a.xml",
            "--html a.html --exit-zero --color never",
            "--output-dir out --attest=a.json",
        ] {
            assert_eq!(kept(&format!("{measuring} {output}")), measuring);
            let between = measuring.replace("--seed", &format!("{output} --seed"));
            assert_eq!(kept(&between), measuring);
        }
        // What looks like an option may be a value.
        for same in ["compare --baseline b.json -- -q", "compare --forget-classes -q --seed 1"] {
            assert_eq!(kept(same), same);
        }
    }
}

//! Files that are complete or absent: written beside their place, then renamed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file under a temporary name in the folder where it will lie; removed unless published.
pub struct Staged {
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Staged {
    /// Creates the temporary file for `target`, whose folder must exist.
    ///
    /// # Errors
    /// When the folder is missing or can't be written.
    pub fn beside(target: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".audit-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The permissions of an ordinary new file; the umask applies.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder_of(target))?;
        Ok(Self { file, target: target.to_owned() })
    }

    /// What is written here appears at the target once published.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name, in the place of a file that had it.
    ///
    /// # Errors
    /// When the target is a folder or can't be replaced.
    pub fn publish(self) -> io::Result<()> {
        self.file.persist(&self.target).map(drop).map_err(|e| e.error)
    }
}

/// The folder that `path` lies in; the working directory for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

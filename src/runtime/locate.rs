//! Where ONNX Runtime's shared library is, and whether its version serves.
//!
//! Looked at *before* `ort` touches the library, so that a missing or old one is a message and
//! not a crash.

use std::ffi::{CStr, OsStr};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The lowest minor version `n` of ONNX Runtime 1.n that serves.
pub const LOWEST_MINOR: u32 = ort::MINOR_VERSION;

const REMEDY: &str = "run scripts/setup, or `pip install onnxruntime` in the active environment, \
                      or give the library with --onnxruntime PATH";

/// A library that exists and serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The shared library.
    pub path: PathBuf,
    /// Its own word, e.g. `1.31.1`.
    pub version: String,
    /// Which rule found it.
    pub source: &'static str,
}

/// Finds the library: `explicit` (`--onnxruntime`), `ORT_DYLIB_PATH`, `.runtime/` beside the
/// working directory or the executable, the active Python environment, the system's library path.
///
/// # Errors
/// When none is found, or the one named first is missing, no ONNX Runtime, or too old. A library
/// named by the user is never passed over for another.
pub fn locate(explicit: Option<&Path>) -> Result<Found> {
    let named = explicit.map(|p| (p.to_owned(), "--onnxruntime")).or_else(|| {
        let path = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty())?;
        Some((PathBuf::from(path), "ORT_DYLIB_PATH"))
    });
    if let Some((path, source)) = named {
        let path = if path.is_dir() { in_folder(&path).unwrap_or(path) } else { path };
        return check(path, source);
    }
    for (folder, source) in folders() {
        if let Some(path) = in_folder(&folder) {
            return check(path, source);
        }
    }
    Err(Error::input("ONNX Runtime", "its shared library was not found", REMEDY))
}

fn folders() -> Vec<(PathBuf, &'static str)> {
    let mut folders = Vec::new();
    let executable = std::env::current_exe().ok();
    let beside = executable.as_deref().and_then(Path::parent);
    // A build lies in target/<profile>/ of the checkout that scripts/setup prepared.
    let checkout = beside.and_then(Path::parent).and_then(Path::parent);
    for folder in
        std::env::current_dir().ok().iter().map(PathBuf::as_path).chain(beside).chain(checkout)
    {
        folders.push((folder.join(".runtime"), ".runtime"));
    }
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        let Some(root) = std::env::var_os(variable).filter(|r| !r.is_empty()) else { continue };
        let Ok(entries) = std::fs::read_dir(Path::new(&root).join("lib")) else { continue };
        let mut pythons: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        pythons.sort();
        for python in pythons {
            let folder = python.join("site-packages/onnxruntime/capi");
            folders.push((folder, "the active Python environment"));
        }
    }
    let listed = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let system = [
        "/usr/local/lib",
        "/usr/lib",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/opt/homebrew/lib",
    ];
    let paths = std::env::split_paths(&listed).chain(system.iter().map(PathBuf::from));
    folders.extend(paths.map(|p| (p, "the system's library path")));
    folders
}

/// The library in `folder`, the plain name first, then the highest version suffix.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.file_name().and_then(OsStr::to_str).is_some_and(is_library))
        .collect();
    let version = |p: &Path| -> Vec<u32> {
        let name = p.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.split('.').filter_map(|part| part.parse().ok()).collect()
    };
    candidates.sort_by_key(|p| version(p));
    candidates.pop()
}

fn is_library(name: &str) -> bool {
    name == "onnxruntime.dll"
        || name.strip_prefix("libonnxruntime").is_some_and(|rest| {
            rest.starts_with(".so") || (rest.starts_with('.') && rest.ends_with(".dylib"))
        })
}

fn check(path: PathBuf, source: &'static str) -> Result<Found> {
    let refuse = |problem: String| {
        Error::input(format!("ONNX Runtime at {} ({source})", path.display()), problem, REMEDY)
    };
    match std::fs::metadata(&path) {
        Ok(m) if m.is_file() => {}
        Ok(_) => return Err(refuse("not a library file".into())),
        Err(e) => return Err(refuse(format!("can't be opened ({e})"))),
    }
    let version = version(&path).map_err(refuse)?;
    let minor = version.split('.').nth(1).and_then(|m| m.parse::<u32>().ok());
    if !version.starts_with("1.") || minor.is_none_or(|m| m < LOWEST_MINOR) {
        return Err(refuse(format!(
            "version {version} is too old; 1.{LOWEST_MINOR} or newer serves"
        )));
    }
    Ok(Found { path, version, source })
}

/// The library's own version string; the error is the rest of a sentence.
fn version(path: &Path) -> std::result::Result<String, String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the library is loaded to be used; its initialisers run here instead of a moment
    // later inside `ort`. The symbol's type is ONNX Runtime's documented entry point.
    unsafe {
        let library =
            libloading::Library::new(path).map_err(|e| format!("can't be loaded ({e})"))?;
        let entry: libloading::Symbol<GetApiBase> =
            library.get(b"OrtGetApiBase").map_err(|_| "is no ONNX Runtime library".to_owned())?;
        let base = entry();
        if base.is_null() {
            return Err("answers with no interface".into());
        }
        let text = ((*base).GetVersionString)();
        if text.is_null() {
            return Err("does not say its version".into());
        }
        let version = CStr::from_ptr(text).to_string_lossy().into_owned();
        // Unloading and loading again runs initialisers twice, which some builds don't survive.
        std::mem::forget(library);
        Ok(version)
    }
}

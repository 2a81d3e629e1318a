//! A headless browser that is always ended: pages in, what it measured and complained of out.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const FLAGS: [&str; 16] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    // The frames are files like the page around them, which looks into them.
    "--allow-file-access-from-files",
    "--virtual-time-budget=20000",
    "--dump-dom",
];

/// A browser on this machine.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES.iter().find_map(|name| folders.iter().map(|f| f.join(name)).find(|p| p.is_file()))
}

/// What a run left on its two streams.
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

/// Opens `page` with `browser`, at most for `limit`; its children end with it.
pub fn open(browser: &Path, page: &Path, limit: Duration) -> Result<Output, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path: &Path| File::create(path).map_err(|e| e.to_string());
    let child = Command::new(browser)
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(file(&out)?)
        .stderr(file(&err)?)
        .process_group(0)
        .spawn()
        .map_err(|e| format!("{}: {e}", browser.display()))?;
    let mut group = Group(child);
    let begin = Instant::now();
    let read = |path: &Path| {
        fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    };
    loop {
        match group.0.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => break,
            Some(status) => return Err(format!("{status}: {}", read(&err))),
            None if begin.elapsed() > limit => {
                return Err(format!("no end after {limit:?}: {}", read(&err)));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    drop(group);
    Ok(Output { stdout: read(&out), stderr: read(&err) })
}

/// A process and all that it started, ended when this goes out of scope.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let quiet = || Stdio::null();
        // Fails where nothing is left of the group, and that is fine.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(quiet()).status();
        let _ = self.0.wait();
    }
}

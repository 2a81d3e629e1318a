//! Every command of the README runs and exits as the README says.

mod common;

use std::path::Path;

use common::audit;

#[test]
fn every_command_of_the_readme_exits_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(root.join("fixtures"), folder.path().join("fixtures"))
        .expect("a link");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let mut commands = 0;
    let mut lines = readme.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ audit ") else { continue };
        let exit = lines.peek().and_then(|l| l.strip_prefix("[exit ")?.strip_suffix(']'));
        let exit: i32 = exit.and_then(|e| e.parse().ok()).expect("an exit code below the command");
        audit(folder.path()).args(command.split_whitespace()).assert().code(exit);
        commands += 1;
    }
    assert!(commands >= 5);
}

//! The files of the project, for tests that read it.

use std::path::{Path, PathBuf};

/// Where the project is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the project whose name ends so, as (path from the root, text).
pub fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    let named = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<(String, String)> = paths
        .iter()
        .filter(|path| path.to_str().is_some_and(|p| p.ends_with(ending)))
        .filter_map(|path| Some((named(path), std::fs::read_to_string(path).ok()?)))
        .collect();
    files.sort();
    files
}

/// What git and cargo keep is not the project's.
const NOT_OURS: [&str; 4] = [".git", "target", ".subledger", "node_modules"];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&path, found),
            kind if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

//! Debian packages, fetched and unpacked without installing them.
//!
//! What was fetched once is used again, also without a network; `refresh` forgets it.

use crate::process;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DOWNLOAD: Duration = Duration::from_mins(5);

/// Unpacks `packages` into one tree and returns the tree's root and the file names of the packages, which carry
/// their versions.
///
/// # Errors
/// A package can neither be found in the cache nor fetched.
pub(crate) fn unpack(cache: &Path, packages: &[&str]) -> Result<(PathBuf, Vec<String>)> {
    std::fs::create_dir_all(cache)?;
    let mut names = Vec::new();
    for package in packages {
        let name = match cached(cache, package)? {
            Some(name) => name,
            None => fetch(cache, package)?,
        };
        names.push(name);
    }
    let tree = cache.join("tree");
    let stamp = cache.join("tree.packages");
    let wanted = names.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && tree.is_dir() {
        return Ok((tree, names));
    }
    if tree.exists() {
        std::fs::remove_dir_all(&tree)?;
    }
    for name in &names {
        let archive = cache.join(name);
        process::must(
            process::command("dpkg-deb", &["-x", &archive.to_string_lossy(), &tree.to_string_lossy()]),
            Duration::from_mins(2),
        )?;
    }
    std::fs::write(&stamp, wanted)?;
    Ok((tree, names))
}

/// Forgets what was fetched, so that the next unpacking takes the newest packages.
///
/// # Errors
/// The cache cannot be removed.
pub(crate) fn refresh(cache: &Path) -> Result<()> {
    if cache.exists() {
        std::fs::remove_dir_all(cache)?;
    }
    Ok(())
}

/// A package name that ends in `*` stands for any version of it.
fn cached(cache: &Path, package: &str) -> Result<Option<String>> {
    for entry in std::fs::read_dir(cache)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let stem = name.split('_').next().unwrap_or_default();
        let fits = match package.split_once('*') {
            Some((head, tail)) => stands_for(stem, head, tail),
            None => stem == package,
        };
        if fits && name.ends_with(".deb") {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn fetch(cache: &Path, package: &str) -> Result<String> {
    let real = if package.contains('*') { resolve(package)? } else { package.to_owned() };
    let mut command =
        process::command("apt-get", &["download", "-qq", "-o", "APT::Sandbox::User=root", &real]);
    command.current_dir(cache);
    process::must(command, DOWNLOAD).with_context(|| {
        format!("cannot fetch the Debian package {real}; `cargo xtask setup` refreshes the package lists")
    })?;
    cached(cache, &real)?.with_context(|| format!("apt-get fetched {real} and left no file of that name"))
}

/// `linux-image-*-cloud-amd64` is what `linux-image-cloud-amd64` depends on.
fn resolve(pattern: &str) -> Result<String> {
    let Some((head, tail)) = pattern.split_once('*') else { bail!("{pattern} is no pattern") };
    let meta = format!("{}{tail}", head.trim_end_matches('-'));
    let answer = process::must(process::command("apt-cache", &["depends", &meta]), Duration::from_mins(1))?;
    answer
        .stdout
        .split_whitespace()
        .find(|word| stands_for(word, head, tail))
        .map(str::to_owned)
        .with_context(|| format!("apt knows no {meta}; `cargo xtask setup` refreshes the package lists"))
}

/// Whether something stands between head and tail: the package of the same name without it only points at the real one.
fn stands_for(name: &str, head: &str, tail: &str) -> bool {
    name.len() > head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
}

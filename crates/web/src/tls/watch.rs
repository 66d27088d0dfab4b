//! Looks whether the certificate's files have changed, and takes the new ones once they are whole and fit each other.
//!
//! Connections that are open keep what they began with. New files that cannot be used leave the old ones in place.

use super::pair::Pair;
use super::{Certificate, DISK_DEADLINE, Held, Origin};
use crate::identity::single::Single;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The two files are never replaced at once: what does not fit is told when it does not fit for so many looks.
const PATIENCE: u32 = 2;

/// Enough of the metadata of both files to notice every change that matters.
type Mark = [Option<(u64, u64, i64, i64)>; 2];

impl Certificate {
    /// Follows the files until `stop`. Returns at once where none are given.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let Some(files) = self.files.clone() else { return };
        // What is shown from the start was read a moment ago; what could not be read is tried again at once.
        let mut good: Option<Mark> = None;
        let mut bad = 0;
        let looking = Single::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (files, known) = (files.clone(), good);
            let look = looking.start(move || {
                let mark = [mark(&files.certificate), mark(&files.key)];
                if known == Some(mark) {
                    None
                } else {
                    Some((mark, Pair::read(&files.certificate, &files.key)))
                }
            });
            let looked = match look {
                Some(look) => tokio::time::timeout(DISK_DEADLINE, look).await.ok().flatten(),
                None => None,
            };
            let (mark, read) = match looked {
                Some(None) => continue,
                Some(Some((mark, read))) => (Some(mark), read),
                None => (None, Err("the disk of the certificate does not answer".to_owned())),
            };
            match read {
                Ok(pair) => {
                    (good, bad) = (mark, 0);
                    self.take(pair);
                }
                Err(why) => {
                    (good, bad) = (None, bad + 1);
                    if bad >= PATIENCE {
                        self.refuse(&why);
                    }
                }
            }
        }
    }

    fn take(&self, pair: Pair) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.facts != pair.facts || held.fault.is_some() {
            tracing::info!(
                fingerprint = pair.facts.fingerprint,
                "the page shows the certificate in its files"
            );
        }
        *held = Held { key: pair.key, facts: pair.facts, origin: Origin::Given, fault: None };
    }

    fn refuse(&self, why: &str) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let shown = match held.origin {
            Origin::Given => "the one before is shown on",
            Origin::Kept | Origin::Passing => "a certificate of our own is shown",
        };
        let fault = format!("the files cannot be used, {shown}: {why}");
        if held.fault.as_ref() != Some(&fault) {
            tracing::error!(why, "the certificate files cannot be used; {shown}");
            held.fault = Some(fault);
        }
    }
}

fn mark(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let of = |meta: Metadata| (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec());
    std::fs::metadata(path).ok().map(of)
}

//! Being told of changes in a file or directory, so that nothing here has to look again and again.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A watch on one file or directory.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    /// Watches a directory for new files, or a file for what is appended.
    ///
    /// # Errors
    /// What the kernel says; a host may have too few watches left.
    pub(super) fn on(path: &Path) -> std::io::Result<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
        add_watch(&inotify, path, flags)?;
        Ok(Self { inotify })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Forgets what was told so far.
    pub(super) fn drain(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        while reader.next().is_ok() {}
    }
}

/// Waits for any of the descriptors, no longer than `patience`. Says for each whether it has something.
pub(super) fn wait<const N: usize>(descriptors: [BorrowedFd<'_>; N], patience: Duration) -> [bool; N] {
    let mut polled = descriptors.each_ref().map(|descriptor| PollFd::new(descriptor, PollFlags::IN));
    let timeout = rustix::time::Timespec::try_from(patience).ok();
    // An interrupted wait reads as nothing yet; every caller looks again until its own deadline.
    let ready = poll(&mut polled, timeout.as_ref()).unwrap_or(0);
    polled.map(|polled| ready > 0 && !polled.revents().is_empty())
}

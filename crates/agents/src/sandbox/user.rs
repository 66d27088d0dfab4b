//! Which user an agent's process is: the one that the fleet file names, or a number that nobody has.

use rustix::process::{Gid, Uid};
use std::io;

/// Numbers that systemd keeps for users that exist for one service's life (`DynamicUser`), so no account has them.
const PASSING: std::ops::Range<u32> = 61_184..65_520;

/// A user for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentUser {
    /// Another one than the server's: user and group.
    Own(u32, u32),
    /// A number that no account has, another one for each turn.
    Passing,
    /// The server's, where the server is not root and can become nobody else.
    Servers,
}

/// Why there is no such user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The name is in no list.
    #[error(
        "there is no user `{name}` in /etc/passwd; make one (useradd --system {name}) or take `user` out of [agent.claude]"
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// Root is no unprivileged user.
    #[error("`{name}` is root, from whom nothing can be kept; name an unprivileged user")]
    Root {
        /// The name.
        name: String,
    },
    /// Only root can become another user.
    #[error(
        "the server is not root, so an agent cannot become `{name}`; take `user` out of [agent.claude], or run the server as root"
    )]
    NotRoot {
        /// The name.
        name: String,
    },
}

impl AgentUser {
    /// The user by the name in the fleet file, or the best that there is without one. Read from `/etc/passwd` itself: a
    /// directory service is one more thing that may be down.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn of(name: Option<&str>) -> Result<Self, UserError> {
        let root = rustix::process::geteuid().is_root();
        let Some(name) = name else { return Ok(if root { Self::Passing } else { Self::Servers }) };
        let owned = || name.to_owned();
        let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = find(&list, name).ok_or_else(|| UserError::Unknown { name: owned() })?;
        if uid == 0 {
            return Err(UserError::Root { name: owned() });
        }
        if uid == rustix::process::geteuid().as_raw() {
            return Ok(Self::Servers);
        }
        if root { Ok(Self::Own(uid, gid)) } else { Err(UserError::NotRoot { name: owned() }) }
    }

    /// The numbers for one turn.
    pub(crate) fn numbers(self) -> Option<(u32, u32)> {
        match self {
            Self::Own(uid, gid) => Some((uid, gid)),
            Self::Passing => {
                let number = rand::random_range(PASSING);
                Some((number, number))
            }
            Self::Servers => None,
        }
    }
}

fn find(list: &str, name: &str) -> Option<(u32, u32)> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some((uid, gid))
    })
}

/// Becomes the user, without a way back.
pub(super) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    if rustix::process::geteuid() != uid || rustix::thread::set_thread_uid(Uid::ROOT).is_ok() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let list = "root:x:0:0:root:/root:/bin/sh\nbg-agent:x:990:991::/:/usr/sbin/nologin\nbroken\n";
        assert_eq!(find(list, "bg-agent"), Some((990, 991)));
        assert_eq!(find(list, "bg"), None);
        assert!(matches!(AgentUser::of(Some("root")), Err(UserError::Root { .. })));
        assert!(matches!(AgentUser::of(Some("no-such-user")), Err(UserError::Unknown { .. })));
    }
}

//! Opening the database to read it, beside the writer or without one, on a disk that may take no writes.

use crate::OpenError;
use crate::store::{APPLICATION, SCHEMA, database_path};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// A connection that can only read, for use beside the writer or without one.
///
/// # Errors
/// As [`Store::open`], without the lock.
pub(crate) fn open_to_read(dir: &Path) -> Result<Connection, OpenError> {
    let path = database_path(dir);
    let sqlite = |source| OpenError::from_sqlite(&path, source);
    std::fs::metadata(&path).map_err(|source| OpenError::Directory { path: path.clone(), source })?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let usable = |connection: Connection| {
        connection.busy_timeout(Duration::from_millis(500))?;
        connection.pragma_update(None, "cache_size", -1024)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
        let application =
            connection.pragma_query_value(None, "application_id", |row| row.get::<_, i64>(0))?;
        Ok((connection, found, application))
    };
    let opened = Connection::open_with_flags(&path, flags).and_then(usable);
    let opened = match opened {
        // A log that nobody can create (a read-only directory, a copy, a full disk): readable as it stands when there is none.
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::DiskFull)
            ) && nothing_unwritten(dir) =>
        {
            let text = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            Connection::open_with_flags(format!("file:{text}?immutable=1"), flags).and_then(usable)
        }
        other => other,
    };
    let (connection, found, application) = opened.map_err(sqlite)?;
    if application != APPLICATION {
        return Err(OpenError::Foreign { path });
    }
    if found > SCHEMA {
        return Err(OpenError::Newer { path, found, known: SCHEMA });
    }
    Ok(connection)
}

fn nothing_unwritten(dir: &Path) -> bool {
    std::fs::metadata(dir.join("journal.db-wal")).map_or(true, |meta| meta.len() == 0)
}

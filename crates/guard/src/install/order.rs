//! What root orders on the command line: `install diag …`, `uninstall diag …`.

use super::{account, keys, places};
use std::ffi::OsString;
use std::path::PathBuf;

/// One order, its paths made absolute while the directory that it was given in is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// Undo instead of do.
    pub(crate) undo: bool,
    pub(crate) key: PathBuf,
    pub(crate) label: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) user: String,
    pub(crate) with_broker: bool,
    /// The root of an image that is being built.
    pub(crate) root: Option<PathBuf>,
    /// Of an undo: the record stays.
    pub(crate) keep_record: bool,
}

/// Reads the words behind `install` or `uninstall`.
///
/// # Errors
/// What is wrong with them, in a sentence fragment.
pub(crate) fn parse(undo: bool, words: &[OsString]) -> Result<Order, String> {
    let mut words = words.iter().map(|word| {
        word.to_str().map(str::to_owned).ok_or_else(|| "a word of the command line is not UTF-8".to_owned())
    });
    let command = if undo { "uninstall" } else { "install" };
    if words.next().transpose()?.as_deref() != Some("diag") {
        return Err(format!("`{command}` is followed by `diag`, the door that it is for"));
    }
    let mut order = Order {
        undo,
        key: PathBuf::new(),
        label: None,
        from: None,
        user: places::USER.to_owned(),
        with_broker: false,
        root: None,
        keep_record: false,
    };
    while let Some(word) = words.next() {
        let word = word?;
        match (word.as_str(), undo) {
            ("--with-broker", false) => {
                order.with_broker = true;
                continue;
            }
            ("--keep-record", true) => {
                order.keep_record = true;
                continue;
            }
            _ => {}
        }
        let mut value = || words.next().unwrap_or_else(|| Err(format!("`{word}` has no value")));
        match (word.as_str(), undo) {
            ("--key", false) => order.key = absolute(&value()?)?,
            ("--label", false) => order.label = Some(value()?),
            ("--from", false) => order.from = Some(value()?),
            ("--user", _) => order.user = value()?,
            ("--root", _) => order.root = Some(absolute(&value()?)?),
            _ => return Err(format!("`{}` is no option of `{command} diag`", word.escape_debug())),
        }
    }
    if !undo && order.key.as_os_str().is_empty() {
        return Err("`--key FILE` is missing: the public key that may look".to_owned());
    }
    if !account::is_name(&order.user) {
        return Err(format!("`{}` is no name for an account of its own", order.user.escape_debug()));
    }
    if let Some(label) = order.label.as_deref().filter(|label| !keys::is_label(label)) {
        return Err(format!("the label `{}` has more than letters, digits and `._@-`", label.escape_debug()));
    }
    order.from.as_deref().map_or(Ok(()), keys::sources)?;
    Ok(order)
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| format!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn reads_an_order() {
        let order = parse(
            false,
            &words(
                "diag --key /k.pub --label laptop --from 192.0.2.0/24 --user looks --with-broker --root /i",
            ),
        );
        let expected = Order {
            undo: false,
            key: "/k.pub".into(),
            label: Some("laptop".to_owned()),
            from: Some("192.0.2.0/24".to_owned()),
            user: "looks".to_owned(),
            with_broker: true,
            root: Some("/i".into()),
            keep_record: false,
        };
        assert_eq!(order.unwrap(), expected);
        assert!(parse(true, &words("diag --keep-record")).unwrap().keep_record);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (undo, text, named) in [
            (false, "", "diag"),
            (false, "power --key k", "diag"),
            (false, "diag", "--key FILE"),
            (false, "diag --key", "no value"),
            (false, "diag --key k --user root", "no name"),
            (false, "diag --key k --user -x", "no name"),
            (false, "diag --key k --user a:b", "no name"),
            (false, "diag --key k --label $(x)", "label"),
            (false, "diag --key k --from example.com", "no address"),
            (false, "diag --key k --keep-record", "no option"),
            (true, "diag --key k", "no option"),
        ] {
            let error = parse(undo, &words(text)).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}

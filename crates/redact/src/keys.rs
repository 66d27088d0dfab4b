//! Which names say that a secret stands beside them.

use crate::bytes::{at, before};
use crate::marker::{AUTHORIZATION, COOKIE, KEY, PASSWORD, SECRET, TOKEN, WEBHOOK};
use crate::pairs::Pairs;
use crate::triples::{Triples, three};

/// How much a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Whatever stands beside it is a secret, unless it is plainly a placeholder.
    Strong,
    /// Beside it stands a secret if it looks like one.
    Medium,
    /// The same, but only among the parameters of a URL.
    Query,
    /// A header whose value is a scheme and its credentials.
    Authorization,
    /// A header whose value is a list of `name=value`.
    Cookie,
}

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) weight: Weight,
    pub(crate) kind: &'static str,
}

/// A row: the name's end without `_`, `-`, `.` and in lower case; whether it must be a word of its own there
/// (`API_KEY`, `apiKey`, not `monkey`).
struct Row(&'static str, bool, Weight, &'static str);

use Weight::{Authorization, Cookie, Medium, Query, Strong};

/// The longest fitting row counts, so that `publickey` can say that it is none.
const KEYS: &[Row] = &[
    Row("assword", false, Strong, PASSWORD),
    Row("passwords", false, Strong, PASSWORD),
    Row("passwort", false, Strong, PASSWORD),
    Row("passwd", false, Strong, PASSWORD),
    Row("passphrase", false, Strong, PASSWORD),
    Row("passcode", false, Strong, PASSWORD),
    Row("pass", true, Strong, PASSWORD),
    Row("dbpass", false, Strong, PASSWORD),
    Row("userpass", false, Strong, PASSWORD),
    Row("smtppass", false, Strong, PASSWORD),
    Row("rcpass", false, Strong, PASSWORD),
    Row("storepass", false, Strong, PASSWORD),
    Row("keypass", false, Strong, PASSWORD),
    Row("passwordsalt", false, Strong, PASSWORD),
    Row("authtok", false, Strong, PASSWORD),
    Row("pwd", true, Strong, PASSWORD),
    Row("dbpwd", false, Strong, PASSWORD),
    Row("pw", true, Strong, PASSWORD),
    Row("bindpw", false, Strong, PASSWORD),
    Row("rootpw", false, Strong, PASSWORD),
    Row("userpw", false, Strong, PASSWORD),
    Row("pwhash", false, Strong, PASSWORD),
    Row("requirepass", false, Strong, PASSWORD),
    Row("masterauth", false, Strong, PASSWORD),
    Row("authpass", false, Strong, PASSWORD),
    Row("kennwort", false, Strong, PASSWORD),
    Row("pin", true, Medium, PASSWORD),
    Row("otp", true, Medium, PASSWORD),
    Row("totp", true, Medium, PASSWORD),
    Row("psk", true, Strong, KEY),
    Row("ssidpsk", false, Strong, KEY),
    Row("wpapsk", false, Strong, KEY),
    Row("wepkey", false, Strong, KEY),
    Row("lukskey", true, Strong, KEY),
    Row("presharedkey", false, Strong, KEY),
    Row("sharedkey", false, Strong, KEY),
    Row("privatekey", false, Strong, KEY),
    Row("privkey", false, Strong, KEY),
    Row("privatekeydata", false, Strong, KEY),
    Row("secretkey", false, Strong, KEY),
    Row("secretkeyid", true, Medium, KEY),
    Row("accesskey", false, Strong, KEY),
    Row("accesskeyid", false, Strong, KEY),
    Row("accountkey", false, Strong, KEY),
    Row("sharedaccesskey", false, Strong, KEY),
    Row("apikey", false, Strong, KEY),
    Row("apikeys", false, Strong, KEY),
    Row("appkey", false, Strong, KEY),
    Row("applicationkey", false, Strong, KEY),
    Row("authkey", false, Strong, KEY),
    Row("encryptionkey", false, Strong, KEY),
    Row("encryptkey", false, Strong, KEY),
    Row("decryptionkey", false, Strong, KEY),
    Row("masterkey", false, Strong, KEY),
    Row("signingkey", false, Strong, KEY),
    Row("signkey", false, Strong, KEY),
    Row("sessionkey", false, Strong, KEY),
    Row("picklekey", false, Strong, KEY),
    Row("hmackey", false, Strong, KEY),
    Row("jwtkey", false, Strong, KEY),
    Row("cookiekey", false, Strong, KEY),
    Row("licensekey", false, Strong, KEY),
    Row("recoverykey", false, Strong, KEY),
    Row("unlockkey", false, Strong, KEY),
    Row("unsealkey", false, Strong, KEY),
    Row("barrierkey", false, Strong, KEY),
    Row("clientkeydata", false, Strong, KEY),
    Row("streamkey", false, Strong, KEY),
    Row("writekey", false, Strong, KEY),
    Row("storagekey", false, Medium, KEY),
    Row("servicekey", false, Medium, KEY),
    Row("serverkey", false, Strong, KEY),
    Row("integrationkey", false, Strong, KEY),
    Row("routingkey", false, Query, KEY),
    Row("keyphrase", false, Strong, KEY),
    Row("seedphrase", false, Strong, KEY),
    Row("mnemonic", true, Strong, KEY),
    Row("passkey", false, Strong, KEY),
    Row("salt", true, Medium, SECRET),
    Row("pepper", true, Strong, SECRET),
    Row("pskidentity", true, Query, KEY),
    Row("key", true, Medium, KEY),
    Row("keyid", true, Query, KEY),
    Row("kid", true, Query, KEY),
    Row("secret", false, Strong, SECRET),
    Row("ecret", true, Strong, SECRET),
    Row("secrets", false, Strong, SECRET),
    Row("secretkeybase", false, Strong, SECRET),
    Row("secretstring", false, Strong, SECRET),
    Row("connectionstring", false, Strong, SECRET),
    Row("connstring", false, Medium, SECRET),
    Row("community", true, Medium, SECRET),
    Row("creds", false, Medium, SECRET),
    Row("credential", false, Medium, SECRET),
    Row("credentials", false, Medium, SECRET),
    Row("dockerconfigjson", false, Strong, SECRET),
    Row("dockercfg", false, Strong, SECRET),
    Row("token", false, Strong, TOKEN),
    Row("authtoken", false, Strong, TOKEN),
    Row("tokens", false, Query, TOKEN),
    Row("tokensecret", false, Strong, TOKEN),
    Row("bearer", true, Strong, TOKEN),
    Row("jwt", true, Strong, TOKEN),
    Row("ticket", true, Medium, TOKEN),
    Row("authcookie", false, Strong, COOKIE),
    Row("csrf", true, Medium, TOKEN),
    Row("xsrf", true, Medium, TOKEN),
    Row("session", true, Medium, COOKIE),
    Row("sessionid", false, Medium, COOKIE),
    Row("sessid", false, Strong, COOKIE),
    Row("phpsessid", false, Strong, COOKIE),
    Row("sid", true, Medium, COOKIE),
    Row("pveapitoken", false, Strong, TOKEN),
    Row("auth", true, Medium, AUTHORIZATION),
    Row("registryauth", false, Medium, AUTHORIZATION),
    Row("authheader", false, Authorization, AUTHORIZATION),
    Row("authorization", true, Authorization, AUTHORIZATION),
    Row("cookie", true, Cookie, COOKIE),
    Row("setcookie", true, Cookie, COOKIE),
    Row("code", true, Query, TOKEN),
    Row("codeverifier", true, Strong, TOKEN),
    Row("devicecode", true, Medium, TOKEN),
    Row("usercode", true, Query, TOKEN),
    Row("statuscode", true, Query, TOKEN),
    Row("verifier", true, Medium, TOKEN),
    Row("assertion", true, Medium, TOKEN),
    Row("samlresponse", true, Strong, TOKEN),
    Row("samlrequest", true, Query, TOKEN),
    Row("relaystate", true, Query, TOKEN),
    Row("idtokenhint", true, Strong, TOKEN),
    Row("sig", true, Query, SECRET),
    Row("signature", true, Query, SECRET),
    Row("xamzcredential", false, Query, SECRET),
    Row("xamzsignature", false, Strong, SECRET),
    Row("hash", true, Query, SECRET),
    Row("invite", true, Query, TOKEN),
    Row("nonce", true, Query, TOKEN),
    Row("state", true, Query, TOKEN),
    Row("webhookurl", false, Query, WEBHOOK),
    Row("userkey", false, Strong, KEY),
    Row("dsn", true, Query, SECRET),
];

/// Names that end like a key and are none.
const NONE: &[&str] = &[
    "publickey",
    "pubkey",
    "primarykey",
    "foreignkey",
    "hostkey",
    "partitionkey",
    "sortkey",
    "cachekey",
    "objectkey",
    "indexkey",
    "groupkey",
    "rowkey",
    "mapkey",
    "lookupkey",
    "idempotencykey",
    "secwebsocketkey",
    "websocketkey",
    "nexttoken",
    "pagetoken",
    "continuetoken",
    "continuationtoken",
    "synctoken",
    "padtoken",
    "eostoken",
    "bostoken",
    "maxtoken",
    "unexpectedtoken",
    "pertoken",
    "invalidtoken",
    "imagepullsecret",
    "imagepullsecrets",
    "clustersecret",
    "externalsecret",
    "mountserviceaccounttoken",
    "automountserviceaccounttoken",
    "requirepassword",
    "nopass",
    "bypass",
    "compass",
    "lowpass",
    "highpass",
    "bandpass",
    "sopass",
    "machinekey",
    "nodekey",
    "peerkey",
    "hotkey",
    "metakey",
    "translationkey",
    "tcpsyncookies",
    "usestoken",
    "configkey",
    "keykey",
    "answerkey",
    "shortkey",
    "registrykey",
    "noauth",
    "preauth",
    "oauth",
    "smtpauth",
    "sshdauth",
    "sudoauth",
    "suauth",
    "loginauth",
    "cronauth",
    "systemduserauth",
    "gssauth",
    "pubkeyauth",
    "smtpdsession",
    "newsession",
    "usersession",
    "cronsession",
    "sshdsession",
    "sudosession",
    "susession",
    "loginsession",
    "sharedsecretfile",
    "loadcredential",
    "importcredential",
    "loadcredentialencrypted",
];

/// Words after the one that counts: `password_hash`, `secret_b64`, `TOKEN_PROD`.
const TAILS: &[&str] = &[
    "value",
    "base",
    "b",
    "hex",
    "pem",
    "raw",
    "text",
    "plain",
    "plaintext",
    "hash",
    "new",
    "old",
    "current",
    "confirmation",
    "confirm",
    "prod",
    "production",
    "staging",
    "test",
    "live",
    "dev",
    "default",
    "primary",
    "secondary",
    "again",
    "repeat",
    "string",
    "data",
    "content",
    "encrypted",
    "enc",
];

/// A name in lower case without its separators, and where its words begin.
struct Plain {
    bytes: [u8; 48],
    len: usize,
    /// Bit i: a word begins at byte i.
    starts: u64,
}

impl Plain {
    /// Of the last bytes of a name, as many as fit; digits at its end do not count.
    fn of(name: &[u8]) -> Self {
        let mut plain = Self { bytes: [0; 48], len: 0, starts: 0 };
        let end =
            name.iter().rposition(|byte| byte.is_ascii_alphabetic()).map_or(0, |last| last.saturating_add(1));
        let from = end.saturating_sub(48);
        let mut previous = if from == 0 { b'_' } else { b'a' };
        for (offset, byte) in name.get(from..end).unwrap_or_default().iter().enumerate() {
            if byte.is_ascii_alphanumeric() {
                let next = at(name, from.saturating_add(offset).saturating_add(1));
                let hump =
                    byte.is_ascii_uppercase() && (previous.is_ascii_lowercase() || next.is_ascii_lowercase());
                if !previous.is_ascii_alphabetic() || hump {
                    plain.starts |= 1 << plain.len;
                }
                if let Some(place) = plain.bytes.get_mut(plain.len) {
                    *place = byte.to_ascii_lowercase();
                    plain.len = plain.len.saturating_add(1);
                }
            }
            previous = *byte;
        }
        plain
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn ends_with(&self, suffix: &str, word: bool) -> bool {
        // Compared here before anything is called: tables are searched for every name.
        self.bytes().last() == suffix.as_bytes().last()
            && self.bytes().ends_with(suffix.as_bytes())
            && (!word || (self.starts >> self.len.saturating_sub(suffix.len())) & 1 == 1)
    }
}

/// How the rows and tails end: their last three letters, whatever stands before one of two; and the last two of names whose
/// words are as short as that.
static ENDINGS: (Triples, Pairs) = {
    let mut endings = Triples::NONE;
    let mut pairs = Pairs::NONE.with(b'_', b'b').with(b'-', b'b');
    let mut row = 0;
    while row < KEYS.len() + TAILS.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to step outside"
        )]
        {
            let name =
                if row < KEYS.len() { KEYS[row].0.as_bytes() } else { TAILS[row - KEYS.len()].as_bytes() };
            if name.len() > 1 {
                pairs = pairs.with(name[name.len() - 2], name[name.len() - 1]);
            }
            if name.len() > 2 {
                let third = name[name.len() - 3];
                endings = endings.with(third, name[name.len() - 2], name[name.len() - 1], true);
            } else if name.len() == 2 {
                // Any word may stand before a short one: `dbPw`.
                let mut letter = b'a';
                while letter <= b'z' {
                    endings = endings.with(letter, name[0], name[1], true);
                    letter += 1;
                }
            }
        }
        row += 1;
    }
    (endings, pairs)
};

/// Whether a name may promise something: the question that nearly every one is answered by.
pub(crate) fn may_promise(name: &[u8]) -> bool {
    let Some(end) = name.iter().rposition(|byte| byte.is_ascii_alphabetic()) else { return false };
    let second = before(name, end);
    match end.checked_sub(2) {
        Some(third) if second.is_ascii_alphabetic() && at(name, third).is_ascii_alphabetic() => {
            ENDINGS.0.may_have_of_any_case(three(name, third))
        }
        _ => ENDINGS.1.may_have(second, at(name, end)),
    }
}

/// What a name promises, if anything.
pub(crate) fn classify(name: &[u8]) -> Option<Key> {
    if !may_promise(name) {
        return None;
    }
    let end = name.iter().rposition(|byte| byte.is_ascii_alphabetic())?;
    // `password2`, `token_3`; not a library's version.
    let number = name.get(end.saturating_add(1)..).unwrap_or_default();
    if number.len() > 4 || number.iter().filter(|byte| !byte.is_ascii_digit()).count() > 1 {
        return None;
    }
    let mut plain = Plain::of(name);
    loop {
        if let Some(key) = look_up(&plain) {
            return key;
        }
        let tail = TAILS.iter().find(|tail| plain.ends_with(tail, true) && tail.len() < plain.len)?;
        plain.len = plain.len.saturating_sub(tail.len());
    }
}

/// `Some(None)`: a name that is known to be none.
fn look_up(plain: &Plain) -> Option<Option<Key>> {
    let name = plain.bytes();
    let second = before(name, name.len().saturating_sub(1));
    let may_end = |row: &&Row| before(row.0.as_bytes(), row.0.len().saturating_sub(1)) == second;
    let row = KEYS
        .iter()
        .filter(may_end)
        .filter(|row| plain.ends_with(row.0, row.1))
        .max_by_key(|row| row.0.len())?;
    let none = NONE.iter().any(|none| plain.ends_with(none, false));
    Some((!none).then_some(Key { weight: row.2, kind: row.3 }))
}

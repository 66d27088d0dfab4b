//! Secrets that show what they are by their own shape, whatever stands beside them: a prefix that their issuer gave
//! them, and an alphabet and length after it.

use crate::bytes::{at, before, is_base64, part, rest, run};
use crate::looks;
use crate::marker::{HASH, KEY, PRIVATE_KEY, TOKEN};
use crate::triples::{Triples, three};

/// What may follow a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Letters and digits.
    Alnum,
    /// Capitals and digits.
    Upper,
    /// Base 16.
    Hex,
    /// Letters, digits, `_`, `-`.
    Url,
    /// The same and `.`.
    Dotted,
    /// Base64 of either alphabet.
    Base64,
    /// What hashes of passwords are written in.
    Crypt,
    /// What tickets of Proxmox are written in.
    Ticket,
}

impl Alphabet {
    fn holds(self) -> fn(u8) -> bool {
        match self {
            Self::Alnum => |byte| byte.is_ascii_alphanumeric(),
            Self::Upper => |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => |byte| byte.is_ascii_hexdigit(),
            Self::Url => |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%'),
            Self::Base64 => is_base64,
            Self::Crypt => |byte| is_base64(byte) || matches!(byte, b'$' | b'.' | b',' | b'*' | b':'),
            Self::Ticket => |byte| is_base64(byte) || matches!(byte, b':' | b'@' | b'.' | b'!' | b'%'),
        }
    }
}

/// How long what follows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Exactly(usize),
    AtLeast(usize),
    /// At least, and mixed as only chance mixes it: the prefix alone says too little.
    Random(usize),
}

/// A row: prefix, what follows, how much of it.
struct Shape(&'static [u8], Alphabet, Length, &'static str);

use Alphabet::{Alnum, Base64, Crypt, Dotted, Hex, Ticket, Upper, Url};
use Length::{AtLeast, Exactly, Random};

/// Sorted by first byte for the reader; the order decides nothing.
const SHAPES: &[Shape] = &[
    Shape(b"$1$", Crypt, AtLeast(20), HASH),
    Shape(b"$2", Crypt, AtLeast(50), HASH),
    Shape(b"$$2", Crypt, AtLeast(50), HASH),
    Shape(b"$5$", Crypt, AtLeast(30), HASH),
    Shape(b"$6$", Crypt, AtLeast(40), HASH),
    Shape(b"$7$", Crypt, AtLeast(30), HASH),
    Shape(b"$8$", Crypt, AtLeast(30), HASH),
    Shape(b"$9$", Crypt, AtLeast(30), HASH),
    Shape(b"$y$", Crypt, AtLeast(30), HASH),
    Shape(b"$gy$", Crypt, AtLeast(30), HASH),
    Shape(b"$sha1$", Crypt, AtLeast(20), HASH),
    Shape(b"$md5", Crypt, AtLeast(20), HASH),
    Shape(b"$apr1$", Crypt, AtLeast(20), HASH),
    Shape(b"$$apr1$$", Crypt, AtLeast(20), HASH),
    Shape(b"$argon2", Crypt, AtLeast(30), HASH),
    Shape(b"$scrypt$", Crypt, AtLeast(30), HASH),
    Shape(b"$pbkdf2", Crypt, AtLeast(30), HASH),
    Shape(b"$bcrypt", Crypt, AtLeast(30), HASH),
    Shape(b"$P$", Crypt, Exactly(31), HASH),
    Shape(b"$H$", Crypt, Exactly(31), HASH),
    Shape(b"$S$", Crypt, AtLeast(50), HASH),
    Shape(b"pbkdf2_sha", Crypt, AtLeast(30), HASH),
    Shape(b"pbkdf2:sha", Crypt, AtLeast(30), HASH),
    Shape(b"argon2$", Crypt, AtLeast(30), HASH),
    Shape(b"bcrypt$", Crypt, AtLeast(30), HASH),
    Shape(b"bcrypt_sha256$", Crypt, AtLeast(30), HASH),
    Shape(b"scrypt:", Crypt, AtLeast(60), HASH),
    Shape(b"SCRAM-SHA-", Crypt, AtLeast(40), HASH),
    Shape(b"{SSHA", Crypt, AtLeast(20), HASH),
    Shape(b"A3-", Url, Random(30), KEY),
    Shape(b"AAAA", Ticket, AtLeast(140), TOKEN),
    Shape(b"ABIA", Upper, Exactly(16), KEY),
    Shape(b"ABSK", Base64, Random(60), KEY),
    Shape(b"ACCA", Upper, Exactly(16), KEY),
    Shape(b"AGE-SECRET-KEY-", Url, AtLeast(30), PRIVATE_KEY),
    Shape(b"AGE-PLUGIN-", Url, AtLeast(30), PRIVATE_KEY),
    Shape(b"AIza", Url, AtLeast(32), KEY),
    Shape(b"AKIA", Upper, Exactly(16), KEY),
    Shape(b"AKID", Alnum, Random(28), KEY),
    Shape(b"ASIA", Upper, Exactly(16), KEY),
    Shape(b"ATATT3", Base64, AtLeast(40), TOKEN),
    Shape(b"ATBB", Alnum, Random(24), TOKEN),
    Shape(b"ATCTT3", Base64, AtLeast(40), TOKEN),
    Shape(b"CCIPAT_", Url, AtLeast(30), TOKEN),
    Shape(b"EAA", Alnum, Random(60), TOKEN),
    Shape(b"FlyV1", Base64, AtLeast(60), TOKEN),
    Shape(b"FwoG", Base64, Random(80), TOKEN),
    Shape(b"GOCSPX-", Url, AtLeast(20), TOKEN),
    Shape(b"IQoJ", Base64, Random(80), TOKEN),
    Shape(b"K10", Ticket, AtLeast(60), TOKEN),
    Shape(b"LTAI", Alnum, Random(12), KEY),
    Shape(b"MDAx", Base64, Random(60), TOKEN),
    Shape(b"NRAK-", Alnum, AtLeast(24), KEY),
    Shape(b"NRII-", Url, AtLeast(24), KEY),
    Shape(b"NRJS-", Alnum, AtLeast(16), KEY),
    Shape(b"PBS:", Ticket, AtLeast(60), TOKEN),
    Shape(b"PMAK-", Url, AtLeast(40), KEY),
    Shape(b"PMG:", Ticket, AtLeast(60), TOKEN),
    Shape(b"PVE:", Ticket, AtLeast(60), TOKEN),
    Shape(b"PVEADM:", Ticket, AtLeast(60), TOKEN),
    Shape(b"PVEAPIToken=", Ticket, AtLeast(20), TOKEN),
    Shape(b"SG.", Dotted, AtLeast(40), TOKEN),
    Shape(b"SK", Hex, Exactly(32), KEY),
    Shape(b"akp_", Url, Random(20), TOKEN),
    Shape(b"aio_", Alnum, Exactly(28), TOKEN),
    Shape(b"bkua_", Hex, AtLeast(32), TOKEN),
    Shape(b"cfut_", Url, AtLeast(30), TOKEN),
    Shape(b"dapi", Hex, Exactly(32), TOKEN),
    Shape(b"dckr_", Url, AtLeast(20), TOKEN),
    Shape(b"doo_v1_", Hex, AtLeast(32), TOKEN),
    Shape(b"dop_v1_", Hex, AtLeast(32), TOKEN),
    Shape(b"dor_v1_", Hex, AtLeast(32), TOKEN),
    Shape(b"dp.pt.", Alnum, AtLeast(20), TOKEN),
    Shape(b"dp.st.", Dotted, AtLeast(20), TOKEN),
    Shape(b"dp.ct.", Alnum, AtLeast(20), TOKEN),
    Shape(b"dp.sa.", Alnum, AtLeast(20), TOKEN),
    Shape(b"dp.scim.", Alnum, AtLeast(20), TOKEN),
    Shape(b"dp.audit.", Alnum, AtLeast(20), TOKEN),
    Shape(b"dt0c01.", Dotted, AtLeast(60), TOKEN),
    Shape(b"duffel_", Url, AtLeast(30), TOKEN),
    Shape(b"figd_", Url, AtLeast(30), TOKEN),
    Shape(b"fm2_", Base64, AtLeast(60), TOKEN),
    Shape(b"fo1_", Url, AtLeast(30), TOKEN),
    Shape(b"ghp_", Alnum, AtLeast(30), TOKEN),
    Shape(b"gho_", Alnum, AtLeast(30), TOKEN),
    Shape(b"ghr_", Alnum, AtLeast(30), TOKEN),
    Shape(b"ghs_", Alnum, AtLeast(30), TOKEN),
    Shape(b"ghu_", Alnum, AtLeast(30), TOKEN),
    Shape(b"github_pat_", Url, AtLeast(30), TOKEN),
    Shape(b"glagent-", Url, AtLeast(16), TOKEN),
    Shape(b"glc_", Base64, AtLeast(30), TOKEN),
    Shape(b"glcbt-", Url, AtLeast(16), TOKEN),
    Shape(b"gldt-", Url, AtLeast(16), TOKEN),
    Shape(b"glffct-", Url, AtLeast(16), TOKEN),
    Shape(b"glft-", Url, AtLeast(16), TOKEN),
    Shape(b"glimt-", Url, AtLeast(16), TOKEN),
    Shape(b"glpat-", Dotted, AtLeast(16), TOKEN),
    Shape(b"glptt-", Url, AtLeast(16), TOKEN),
    Shape(b"glrt-", Dotted, AtLeast(16), TOKEN),
    Shape(b"glrtr-", Dotted, AtLeast(16), TOKEN),
    Shape(b"glsa_", Url, AtLeast(30), TOKEN),
    Shape(b"glsoat-", Url, AtLeast(16), TOKEN),
    Shape(b"gsk_", Alnum, AtLeast(40), TOKEN),
    Shape(b"hf_", Alnum, AtLeast(30), TOKEN),
    Shape(b"hooks.slack.com/services/", Base64, AtLeast(20), crate::marker::WEBHOOK),
    Shape(b"hooks.slack.com/workflows/", Base64, AtLeast(20), crate::marker::WEBHOOK),
    Shape(b"hooks.slack.com/triggers/", Base64, AtLeast(20), crate::marker::WEBHOOK),
    Shape(b"hvb.", Url, AtLeast(20), TOKEN),
    Shape(b"hvr.", Url, AtLeast(20), TOKEN),
    Shape(b"hvs.", Url, AtLeast(20), TOKEN),
    Shape(b"key-", Hex, Exactly(32), KEY),
    Shape(b"lin_api_", Alnum, AtLeast(30), TOKEN),
    Shape(b"mct_", Url, AtLeast(20), TOKEN),
    Shape(b"mcr_", Url, AtLeast(20), TOKEN),
    Shape(b"mua_", Url, AtLeast(20), TOKEN),
    Shape(b"mpt_", Url, Random(28), TOKEN),
    Shape(b"n8n_api_", Dotted, AtLeast(20), TOKEN),
    Shape(b"nfp_", Alnum, AtLeast(30), TOKEN),
    Shape(b"npm_", Alnum, AtLeast(30), TOKEN),
    Shape(b"ntn_", Alnum, AtLeast(30), TOKEN),
    Shape(b"nvapi-", Url, AtLeast(40), TOKEN),
    Shape(b"ops_eyJ", Url, AtLeast(60), TOKEN),
    Shape(b"oy2", Alnum, Exactly(43), TOKEN),
    Shape(b"phx_", Alnum, AtLeast(30), TOKEN),
    Shape(b"pplx-", Alnum, AtLeast(30), TOKEN),
    Shape(b"pscale_", Dotted, AtLeast(30), TOKEN),
    Shape(b"pypi-", Url, AtLeast(40), TOKEN),
    Shape(b"r8_", Alnum, AtLeast(30), TOKEN),
    Shape(b"re_", Url, Random(20), TOKEN),
    Shape(b"rk_live_", Url, AtLeast(16), TOKEN),
    Shape(b"rk_test_", Url, AtLeast(16), TOKEN),
    Shape(b"rnd_", Alnum, Random(24), TOKEN),
    Shape(b"rpa_", Alnum, AtLeast(36), TOKEN),
    Shape(b"rubygems_", Hex, AtLeast(40), TOKEN),
    Shape(b"s.", Alnum, Random(24), TOKEN),
    Shape(b"sb_secret_", Url, AtLeast(16), TOKEN),
    Shape(b"sbp_", Hex, AtLeast(30), TOKEN),
    Shape(b"secret_", Alnum, Random(40), TOKEN),
    Shape(b"sgp_", Url, AtLeast(40), TOKEN),
    Shape(b"shpat_", Hex, AtLeast(30), TOKEN),
    Shape(b"shpca_", Hex, AtLeast(30), TOKEN),
    Shape(b"shppa_", Hex, AtLeast(30), TOKEN),
    Shape(b"shpss_", Hex, AtLeast(30), TOKEN),
    Shape(b"sk-ant-", Url, AtLeast(16), TOKEN),
    Shape(b"sk-proj-", Url, AtLeast(16), TOKEN),
    Shape(b"sk-svcacct-", Url, AtLeast(16), TOKEN),
    Shape(b"sk-admin-", Url, AtLeast(16), TOKEN),
    Shape(b"sk-or-v1-", Url, AtLeast(16), TOKEN),
    Shape(b"sk-lf-", Url, AtLeast(16), TOKEN),
    Shape(b"sk-", Alnum, AtLeast(40), TOKEN),
    Shape(b"sk-", Url, Random(20), TOKEN),
    Shape(b"sk.eyJ", Dotted, AtLeast(40), TOKEN),
    Shape(b"sk_live_", Url, AtLeast(16), TOKEN),
    Shape(b"sk_test_", Url, AtLeast(16), TOKEN),
    Shape(b"sl.", Url, Random(100), TOKEN),
    Shape(b"sntrys_", Base64, AtLeast(40), TOKEN),
    Shape(b"sntryu_", Hex, AtLeast(40), TOKEN),
    Shape(b"sq0atp-", Url, AtLeast(20), TOKEN),
    Shape(b"sq0csp-", Url, AtLeast(30), TOKEN),
    Shape(b"syr_", Url, AtLeast(16), TOKEN),
    Shape(b"syt_", Url, AtLeast(16), TOKEN),
    Shape(b"tk_", Alnum, Exactly(29), TOKEN),
    Shape(b"tskey-", Url, AtLeast(12), TOKEN),
    Shape(b"tvly-", Url, AtLeast(24), TOKEN),
    Shape(b"v1.0-", Url, AtLeast(60), KEY),
    Shape(b"whsec_", Base64, AtLeast(16), TOKEN),
    Shape(b"xai-", Alnum, AtLeast(40), TOKEN),
    Shape(b"xapp-", Url, AtLeast(20), TOKEN),
    Shape(b"xkeysib-", Url, AtLeast(40), TOKEN),
    Shape(b"xoxa-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxb-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxc-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxd-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxe-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxe.", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxo-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxp-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxr-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xoxs-", Dotted, AtLeast(10), TOKEN),
    Shape(b"xwfp-", Dotted, AtLeast(10), TOKEN),
    Shape(b"ya29.", Url, AtLeast(16), TOKEN),
    Shape(b"1//0", Url, AtLeast(30), TOKEN),
];

/// No row fits anything shorter.
const LEAST: usize = 15;

/// How the rows begin, so that nearly every word is passed over at once.
static BEGINNINGS: Triples = {
    let mut beginnings = Triples::NONE.with_beginning(b"eyJ", false);
    let mut row = 0;
    while row < SHAPES.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to step outside"
        )]
        if SHAPES[row].0.len() > 2 {
            beginnings = beginnings.with_beginning(SHAPES[row].0, false);
        } else {
            // It would let a third byte of any kind pass, and with that a word in twenty.
            assert!(matches!(SHAPES[row].0, b"s." | b"$2" | b"SK"));
        }
        row += 1;
    }
    beginnings
};

/// Whether what begins with these three bytes may fit a row.
pub(crate) fn may_begin(three: u32) -> bool {
    BEGINNINGS.may_have(three)
        || matches!(three.to_le_bytes(), [b's', b'.', ..] | [b'$', b'2', ..] | [b'S', b'K', ..])
}

/// The secret that begins at `start`, by its shape: its end and its kind.
pub(crate) fn at_start(line: &[u8], start: usize) -> Option<(usize, &'static str)> {
    if !may_begin(three(line, start)) {
        return None;
    }
    if before(line, start).is_ascii_alphanumeric()
        || !part(line, start, start.saturating_add(LEAST)).iter().all(u8::is_ascii_graphic)
    {
        return None;
    }
    let (first, second) = (at(line, start), at(line, start.saturating_add(1)));
    if let Some(end) = web_token(line, start) {
        return Some((end, TOKEN));
    }
    let begins = |shape: &&Shape| shape.0.first() == Some(&first) && shape.0.get(1) == Some(&second);
    SHAPES.iter().filter(begins).find_map(|shape| {
        let tail = start.saturating_add(shape.0.len());
        if !rest(line, start).starts_with(shape.0) {
            return None;
        }
        let end = run(line, tail, shape.1.holds());
        let body = part(line, tail, end);
        let fits = match shape.2 {
            Exactly(length) => body.len() == length,
            AtLeast(length) => body.len() >= length && !hyphenated(shape.0, body),
            Random(length) => body.len() >= length && looks::is_random(body, length.min(24)),
        };
        let fits = fits
            && match shape.1 {
                Ticket => {
                    body.windows(2).any(|pair| pair == b"::")
                        || shape.0.ends_with(b"=")
                        || body.windows(7).any(|window| window == b":APA91b")
                }
                _ => true,
            };
        fits.then_some((end, shape.3))
    })
}

/// Long names of words joined by `-` are no secrets, even after a prefix that secrets have.
fn hyphenated(prefix: &[u8], body: &[u8]) -> bool {
    prefix.first().is_some_and(u8::is_ascii_lowercase)
        && body.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A JSON web token, or another base64 of a JSON object that was signed.
fn web_token(line: &[u8], start: usize) -> Option<usize> {
    if !rest(line, start).starts_with(b"eyJ") {
        return None;
    }
    let end = run(line, start, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'=' | b'~')
    });
    let token = part(line, start, end);
    let dots = token.iter().filter(|byte| **byte == b'.').count();
    (dots >= 1 && token.len() >= 30 || dots == 0 && token.starts_with(b"eyJrIjoi") && token.len() >= 40)
        .then_some(end)
}

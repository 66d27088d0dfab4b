//! Signing with an RSA key, by ring.
//!
//! The `rsa` crate that russh would use has an open advisory on timing (RUSTSEC-2023-0071); ring is linked anyway. An
//! OpenSSH key file lacks two of the numbers that ring wants, `d mod (p-1)` and `d mod (q-1)`; they are worked out here.

use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding};
use russh::keys::HashAlg;
use russh::keys::ssh_key::private::RsaKeypair;
use zeroize::Zeroizing;

/// An RSA key that can sign.
pub(super) struct RsaSigner(KeyPair);

impl RsaSigner {
    /// Takes a key over; `None` where it is broken, or weaker than 2048 bits.
    pub(super) fn of(key: &RsaKeypair) -> Option<Self> {
        let (public, private) = (key.public(), key.private());
        let d = private.d().as_positive_bytes()?;
        let p = private.p().as_positive_bytes()?;
        let q = private.q().as_positive_bytes()?;
        let d_p = remainder(d, &minus_one(p));
        let d_q = remainder(d, &minus_one(q));
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: public.n().as_positive_bytes()?,
                e: public.e().as_positive_bytes()?,
            },
            d,
            p,
            q,
            dP: d_p.as_slice(),
            dQ: d_q.as_slice(),
            qInv: private.iqmp().as_positive_bytes()?,
        };
        KeyPair::from_components(&components).ok().map(Self)
    }

    /// Signs with PKCS#1 v1.5, as SSH wants it.
    pub(super) fn sign(&self, hash: HashAlg, data: &[u8]) -> Option<Vec<u8>> {
        let encoding: &'static dyn RsaEncoding =
            if hash == HashAlg::Sha256 { &RSA_PKCS1_SHA256 } else { &RSA_PKCS1_SHA512 };
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(encoding, &SystemRandom::new(), data, &mut signature).ok()?;
        Some(signature)
    }
}

/// A prime less one: primes are odd, so only the last bit falls.
fn minus_one(prime: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut number = Zeroizing::new(prime.to_vec());
    if let Some(last) = number.last_mut() {
        *last &= !1;
    }
    number
}

/// `number` modulo `modulus`, both big-endian, without leading zeros in the answer. Bit by bit: done twice, when a key
/// is loaded, in a process that nobody can measure from outside.
fn remainder(number: &[u8], modulus: &[u8]) -> Zeroizing<Vec<u8>> {
    // One byte of room, for doubling.
    let mut rest = Zeroizing::new(vec![0_u8; modulus.len() + 1]);
    let mut wide = Zeroizing::new(vec![0_u8]);
    wide.extend_from_slice(modulus);
    for byte in number {
        for bit in (0..8).rev() {
            let mut carry = (byte >> bit) & 1;
            for digit in rest.iter_mut().rev() {
                let doubled = (u16::from(*digit) << 1) | u16::from(carry);
                carry = u8::from(doubled > 0xFF);
                *digit = doubled.to_le_bytes()[0];
            }
            if rest.as_slice() >= wide.as_slice() {
                let mut borrow = 0_i16;
                for (digit, less) in rest.iter_mut().zip(wide.iter()).rev() {
                    let difference = i16::from(*digit) - i16::from(*less) - borrow;
                    borrow = i16::from(difference < 0);
                    *digit = difference.to_le_bytes()[0];
                }
            }
        }
    }
    let zeros = rest.iter().take_while(|digit| **digit == 0).count();
    Zeroizing::new(rest.get(zeros..).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_are_right() {
        let cases: [(u64, u64); 6] = [
            (0, 7),
            (6, 7),
            (7, 7),
            (1_000_003, 256),
            (0xFFFF_FFFF_FFFF, 0x1_0001),
            (u64::MAX, 0x7FFF_FFFF_FFFF_FFFE),
        ];
        for (number, modulus) in cases {
            let trimmed = |n: u64| n.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect::<Vec<u8>>();
            let got = remainder(&number.to_be_bytes(), &trimmed(modulus));
            assert_eq!(*got, trimmed(number % modulus), "{number} mod {modulus}");
        }
    }
}

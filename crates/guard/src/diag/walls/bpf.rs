//! A seccomp filter put together from lists. Small on purpose: load, compare, return; every jump is over the very next
//! instructions, so that none can miss.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes to the kernel.
    Allow,
    /// It fails with this error.
    Fail(i32),
    /// The whole process ends: nothing honest makes such a call.
    Kill,
}

impl Verdict {
    const fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Fail(errno) => libc::SECCOMP_RET_ERRNO | (errno.unsigned_abs() & 0xffff),
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// A condition on the low or high half of one argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// Equal to.
    Equal(u32),
    /// Has any of these bits.
    AnyOf(u32),
}

/// The filter as it grows.
#[derive(Debug, Default)]
pub(super) struct Filter {
    code: Vec<sock_filter>,
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

impl Filter {
    /// Begins with what must hold for every call: it is of this architecture and not of its 32-bit cousin.
    pub(super) fn new(architecture: u32, cousin_bit: Option<u32>) -> Self {
        let mut filter = Self::default();
        filter.load(ARCHITECTURE);
        filter.when(BPF_JEQ, architecture, 1, 0);
        filter.end(Verdict::Kill);
        filter.load(NUMBER);
        if let Some(bit) = cousin_bit {
            filter.when(BPF_JSET, bit, 0, 1);
            filter.end(Verdict::Kill);
        }
        filter
    }

    /// Decides about every call from this number on.
    pub(super) fn numbers_from(&mut self, first: u32, verdict: Verdict) {
        self.when(BPF_JGE, first, 0, 1);
        self.end(verdict);
    }

    /// Decides about a call whatever its arguments are.
    pub(super) fn call(&mut self, number: libc::c_long, verdict: Verdict) {
        self.when(BPF_JEQ, low(number), 0, 1);
        self.end(verdict);
    }

    /// Decides about a call by the low half of one argument: the first condition that holds, else `otherwise`.
    pub(super) fn argument(
        &mut self,
        number: libc::c_long,
        argument: u8,
        cases: &[(Is, Verdict)],
        otherwise: Verdict,
    ) {
        let length = cases.len() * 2;
        // The number is compared, then: a load, the cases, the last return. Longer lists go over two calls of this.
        let over = u8::try_from(length + 2).unwrap_or(u8::MAX);
        debug_assert!(over < u8::MAX, "a jump has eight bits");
        self.when(BPF_JEQ, low(number), 0, over);
        self.load(ARGUMENTS + u32::from(argument) * 8);
        for (is, verdict) in cases {
            match *is {
                Is::Equal(value) => self.when(BPF_JEQ, value, 0, 1),
                Is::AnyOf(bits) => self.when(BPF_JSET, bits, 0, 1),
            }
            self.end(*verdict);
        }
        self.end(otherwise);
    }

    /// The whole program; what nothing decided about goes to the kernel.
    pub(super) fn finish(mut self) -> Vec<sock_filter> {
        self.end(Verdict::Allow);
        self.code
    }

    fn load(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
    }

    fn when(&mut self, test: u32, value: u32, yes: u8, no: u8) {
        self.push(BPF_JMP | test | BPF_K, value, yes, no);
    }

    fn end(&mut self, verdict: Verdict) {
        self.push(BPF_RET | BPF_K, verdict.value(), 0, 0);
    }

    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        let code = u16::try_from(code).unwrap_or(0);
        self.code.push(sock_filter { code, jt, jf, k });
    }
}

/// A call's number, which is small and positive.
fn low(number: libc::c_long) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

//! What stands for the real binary in this crate's tests: `keyholder` is the keyholder, `serve` a server that uses a
//! door over and over. No part of the product.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(word) if word == "keyholder" => breakglass_doors::keyholder_main(args),
        _ => ExitCode::from(2),
    }
}

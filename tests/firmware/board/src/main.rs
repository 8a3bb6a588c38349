//! The firmware program: runs the scenario on a board, prints one line per part and how deep the stack went.
//!
//! It has no global allocator, so it links only if nothing in its graph allocates.
#![no_std]
#![no_main]

mod stack;

#[cfg(target_arch = "arm")]
use cortex_m as _;
#[cfg(target_arch = "arm")]
use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
use riscv as _;
#[cfg(target_arch = "riscv32")]
use riscv_rt::entry;
use semihosting::{println, process};

#[entry]
fn main() -> ! {
    let unused = stack::paint();
    scenario::run(&mut |name, checksum| println!("{name} {checksum:016x}"));
    println!("stack {}", unused.used_bytes());
    process::exit(0)
}

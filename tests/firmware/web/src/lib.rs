//! The scenario as a WebAssembly module: `checksum(i)` runs it and returns the checksum of its part `i`.
#![no_std]

/// The number of parts that the scenario reports.
#[unsafe(no_mangle)]
pub extern "C" fn parts() -> u32 {
    let mut parts = 0;
    scenario::run(&mut |_, _| parts += 1);
    parts
}

/// The checksum of part `index`, 0 if there is no such part.
#[unsafe(no_mangle)]
pub extern "C" fn checksum(index: u32) -> u64 {
    let (mut at, mut found) = (0, 0);
    scenario::run(&mut |_, checksum| {
        if at == index {
            found = checksum;
        }
        at += 1;
    });
    found
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

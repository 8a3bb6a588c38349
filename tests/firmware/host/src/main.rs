//! The same scenario on the host, with overflow checks and debug assertions on: what every board must print.

fn main() {
    scenario::run(&mut |name, checksum| println!("{name} {checksum:016x}"));
}

//! Stores of which one file was changed at random and its checksums made right again: what the fuzz target `store_files` tries for
//! longer and with an eye on the code that is reached.

#[path = "../../fuzz/src/seal.rs"]
mod seal;
#[path = "../../fuzz/src/store.rs"]
mod store;

use store::{GOLDEN, replace_one_file};

/// Changed stores of each file.
const TRIES: u64 = 500;

/// Numbers that follow from the seed.
fn draw(state: &mut u64, end: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % end
}

fn change(bytes: &mut Vec<u8>, state: &mut u64) {
    let at = 1 + draw(state, bytes.len() as u64 - 1) as usize;
    match draw(state, 6) {
        0 => bytes[at] ^= 1 << draw(state, 8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][draw(state, 5) as usize],
        2 => bytes[at] = draw(state, 256) as u8,
        3 => drop(bytes.drain(at..bytes.len().min(at + 1 + draw(state, 9) as usize))),
        4 => {
            let copied = bytes[at..bytes.len().min(at + 1 + draw(state, 40) as usize)].to_vec();
            let to = 1 + draw(state, bytes.len() as u64) as usize;
            bytes.splice(to.min(bytes.len())..to.min(bytes.len()), copied);
        }
        _ => (at..bytes.len().min(at + 8)).for_each(|at| bytes[at] = 0xff),
    }
}

#[test]
fn a_hostile_file_under_right_checksums_never_makes_a_store_panic_and_a_repair_gives_a_whole_one() {
    for (file, (name, _, _, bytes)) in GOLDEN.iter().enumerate() {
        for seed in 1..=TRIES {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut input = [&[file as u8], *bytes].concat();
            (0..=draw(&mut state, 4)).for_each(|_| {
                if input.len() > 1 {
                    change(&mut input, &mut state)
                }
            });
            let tried = std::panic::catch_unwind(|| replace_one_file(&input));
            assert!(tried.is_ok(), "{name}, seed {seed}");
        }
    }
}

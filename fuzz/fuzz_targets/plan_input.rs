//! Any bytes given to `lsm plan`: one JSON object for each line that is not empty, with an error where the line makes no sense.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use lsm_tool::plan;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let lines = input.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    for explain in [false, true] {
        let mut output = Vec::new();
        let good = plan::run(&mut BufReader::new(input), "input", &mut output, explain).expect("memory does not fail");
        let answers: Vec<Value> = output
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("an answer is JSON"))
            .collect();
        assert_eq!(answers.len(), lines);
        assert_eq!(answers.iter().all(|answer| answer.get("error").is_none()), good);
        assert!(answers.iter().all(|answer| answer.get("error").is_some() != answer.get("choice").is_some()));
    }
});

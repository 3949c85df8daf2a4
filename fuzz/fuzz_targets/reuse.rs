//! Decisions about any files and any index: budgets hold, and re-used files get places that increase.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::format::Digest;
use pxkit_core::index::{DynamicIndex, WriteDynamic};
use pxkit_core::reuse::{Budget, File, Files, Optimal, Placement, Policy, decide};

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter().copied();
    let mut number = |bits: u32| {
        let mut value = 0u64;
        for _ in 0..bits.div_ceil(8) {
            value = value << 8 | u64::from(bytes.next().unwrap_or(0));
        }
        value
    };
    let (mut writer, header) = WriteDynamic::new([0; 16], 0);
    let mut file = header.to_vec();
    for _ in 0..1 + number(8) % 16 {
        let len = 1 + number(16) % 4096;
        file.extend_from_slice(&writer.push(Digest([number(8) as u8; 32]), len).expect("a chunk").to_bytes());
    }
    let index = DynamicIndex::parse(&file).expect("an index");
    let mut files = Files::new();
    for _ in 0..number(8) % 64 {
        let size = number(16) % 2000;
        let old = match number(8) % 4 {
            0 => None,
            1 => Some(number(64)),
            _ => Some(16 + number(16) % index.size()),
        };
        files.push(File { size, old });
    }
    let budget = Budget::ppm((number(24) % 1_000_001) as u32);
    let optimal = Policy::Optimal(Optimal { budget, fragment: number(16) });
    let threshold = Policy::Threshold { limit: 1 + number(8) as usize };
    for policy in [optimal, threshold] {
        let decision = decide(&files, &index, &policy);
        if policy == optimal {
            let allowed = u128::from(files.live()) * u128::from(budget.as_ppm()) / 1_000_000;
            assert!(u128::from(decision.padding()) <= allowed);
        }
        // Follow the decision through a new stream.
        let (mut placement, mut inject) = (Placement::new(&index), Vec::new());
        let (mut position, mut least, mut injected) = (16u64, 16u64, 0u64);
        for at in 0..files.len() {
            let File { size, old } = files.get(at);
            if decision.reuses(at) {
                let old = old.expect("only old files are used again");
                let offset =
                    placement.reuse(old, size + 16, position, &mut inject).expect("a file of the old stream");
                assert!(offset >= least);
                least = offset + size + 16;
            } else {
                placement.flush(&mut inject);
            }
            for chunk in inject.drain(..) {
                assert!(chunk.used > 0 && chunk.used <= chunk.size);
                position += chunk.size;
                injected += chunk.size;
            }
            if !decision.reuses(at) {
                least = position + size + 16;
                position = least;
            }
        }
        placement.flush(&mut inject);
        injected += inject.iter().map(|chunk| chunk.size).sum::<u64>();
        assert_eq!(injected, decision.totals.injected_bytes);
    }
});

//! State files: any bytes are one or are refused, in a bounded number of steps, and what was written comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxkit_core::reuse::state::{Binding, Header, Trace, WriteState};

fuzz_target!(|data: &[u8]| {
    // As a file: with its own binding whatever that is, and its checksum made right so that what is behind it is met.
    if let Some(head) = data.first_chunk::<{ Header::SIZE }>() {
        let mut head = *head;
        let crc = pxkit_core::blob::Crc32::of(&head[..Header::SIZE - 4]);
        head[Header::SIZE - 4..].copy_from_slice(&crc.to_le_bytes());
        let digest = |at: usize| {
            let mut digest = pxkit_core::format::Digest::default();
            digest.0.copy_from_slice(&head[at..at + 32]);
            digest
        };
        let wanted = Binding { scope: digest(32), metadata: digest(64), payload: digest(96) };
        if let Ok(header) = Header::parse(&head, data.len() as u64, &wanted) {
            assert!(header.count <= data.len() as u64 / Trace::SIZE as u64);
            for number in [0, header.count / 2, header.count.wrapping_sub(1), header.count, u64::MAX] {
                let Some((block, at)) = header.place(number) else { continue };
                let range = header.block(block);
                let bytes = &data[range.start as usize..range.end as usize];
                if let Some(traces) = header.traces(block, bytes) {
                    let _ = Trace::parse(&traces[at]);
                }
            }
        }
    }
    // As traces.
    let (mut writer, mut file) = (WriteState::new(7), vec![0; Header::SIZE]);
    let (traces, _) = data.as_chunks::<{ Trace::SIZE }>();
    let traces: Vec<Trace> = traces.iter().map(Trace::parse).collect();
    traces.iter().for_each(|trace| writer.push(trace, &mut file));
    let header = writer.finish(Binding::default(), &mut file);
    let parsed = Header::parse(&header.to_bytes(), file.len() as u64, &Binding::default());
    assert_eq!(parsed, Ok(header));
    for (number, trace) in traces.iter().enumerate() {
        let (block, at) = header.place(number as u64).expect("in the file");
        let range = header.block(block);
        let found = header.traces(block, &file[range.start as usize..range.end as usize]).expect("sound");
        assert_eq!(Trace::parse(&found[at]), *trace);
    }
});

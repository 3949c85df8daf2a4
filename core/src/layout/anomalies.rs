use super::chunks::ChunkTable;
use super::findings::{Anomaly, Finding, Findings};
use super::spans::{Class, Layout, Owner};
use crate::access::Source;
use crate::format::HEADER_SIZE;
use crate::index::DynamicIndex;

impl Layout<'_> {
    /// Everything irregular that tree, sizes and index show, without a look at the stream itself. `chunks` was made of this layout.
    pub fn anomalies(&self, chunks: &ChunkTable) -> Findings {
        let mut findings = Findings::default();
        self.references(&mut findings);
        self.overlaps(&mut findings);
        self.remains(&mut findings);
        self.index_and_chunks(chunks, &mut findings);
        findings
    }

    fn note(&self, findings: &mut Findings, offset: u64, entry: Option<u32>, what: Anomaly) {
        findings.add(Finding { source: self.map().source(), offset, entry, what });
    }

    /// In the order of the archive: what goes backwards or leads outside.
    fn references(&self, findings: &mut Findings) {
        let is_split = self.map().source() == Source::Payload;
        let mut least = if is_split { HEADER_SIZE as u64 } else { 0 };
        let first = least;
        for id in 0..self.tree().len() as u32 {
            let Some(payload) = self.map().payload(self.tree(), id) else { continue };
            if payload.start < first || payload.end > self.size() {
                let what = Anomaly::Outside { end: payload.end, size: self.size() };
                self.note(findings, payload.start, Some(id), what);
            } else if payload.start < least {
                self.note(findings, payload.start, Some(id), Anomaly::Backwards { least });
            }
            least = payload.end;
        }
    }

    /// In the order of the stream: what begins before another has ended.
    fn overlaps(&self, findings: &mut Findings) {
        if self.map().is_regular() {
            return;
        }
        let mut last: Option<(u32, u64)> = None;
        for &id in self.map().order() {
            let Some(payload) = self.map().payload(self.tree(), id) else { continue };
            if let Some((with, end)) = last.filter(|&(_, end)| payload.start < end) {
                self.note(findings, payload.start, Some(id), Anomaly::Overlap { with, end });
            }
            if last.is_none_or(|(_, end)| payload.end > end) {
                last = Some((id, payload.end));
            }
        }
    }

    /// What nobody refers to and no index explains, and whether a tail marker has room.
    fn remains(&self, findings: &mut Findings) {
        if self.map().source() == Source::Meta {
            return;
        }
        if self.index().is_none() {
            for span in self.spans(0..self.size()) {
                if span.owner == Owner::Padding(Class::Gap) {
                    let bytes = span.range.end - span.range.start;
                    self.note(findings, span.range.start, None, Anomaly::Unreferenced { bytes });
                }
            }
        }
        if self.map().tail(self.tree()) == self.size() {
            self.note(findings, self.size(), None, Anomaly::NoTailMarker);
        }
    }

    fn index_and_chunks(&self, chunks: &ChunkTable, findings: &mut Findings) {
        let Some(index) = self.index() else { return };
        for chunk in chunks.iter(self).filter(|chunk| chunk.padding.of(Class::Whole) > 0) {
            let (number, digest, bytes) = (chunk.number, chunk.digest, chunk.size());
            self.note(findings, chunk.extent.start, None, Anomaly::DeadChunk { number, digest, bytes });
        }
        let (index, size) = (DynamicIndex::size(index), self.size());
        if index != size {
            self.note(findings, index.min(size), None, Anomaly::IndexSize { index, size });
        }
    }
}

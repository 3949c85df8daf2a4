use super::super::tests::{Rng, archive, decode};
use super::*;

/// The entries that an expression finds, asked for in ranges.
fn found(expression: &mut Expression, tree: &Tree, step: u32) -> Vec<u32> {
    let (mut ids, len) = (Vec::new(), tree.len() as u32);
    for start in (0..len).step_by(step as usize) {
        expression.run(tree, start..len.min(start + step), |id| ids.push(id));
    }
    ids
}

#[test]
fn more_states_than_are_kept() {
    let tree = decode(&archive(&mut Rng(5), 4000), |_| {});
    for text in ["[a-m/].{12}[0-9]", "[a-m/].{13}[0-9][^/]*$", "[a-m].{9}[0-9]"] {
        let sought = |id: u32| {
            let mut path = if text.contains('/') { b"/".to_vec() } else { tree.name(id).to_vec() };
            if text.contains('/') {
                tree.path(id, &mut path);
            }
            path
        };
        let other = regex::bytes::RegexBuilder::new(text).unicode(false).build().unwrap();
        let expected: Vec<u32> = (0..tree.len() as u32).filter(|&id| other.is_match(&sought(id))).collect();
        let mut expression = Expression::new(text).unwrap();
        assert_eq!(found(&mut expression, &tree, 100), expected, "{text}");
        assert!(expression.table.is_full(), "{text} has few states");
        // Once more, with all that is known.
        expression.restart();
        assert_eq!(found(&mut expression, &tree, 77), expected, "{text}");
    }
}

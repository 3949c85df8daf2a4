//! The tables of rules in the book name tests that exist.

use std::fs;
use std::path::Path;

/// The tables, and where tests are that are named without a path.
const TABLES: [(&str, &str); 4] = [
    ("docs/src/format/conformance.md", "tests/tests/rules"),
    ("docs/src/datastore/conformance.md", "tests/tests/datastore"),
    ("docs/src/change-detection-rules.md", "tests/tests/history"),
    ("docs/src/server-rules.md", "tests/tests/server"),
];

#[test]
fn tables_of_rules_name_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout");
    let mut count = 0;
    for (table, directory) in TABLES {
        let text = fs::read_to_string(root.join(table)).expect("a page");
        // What stands between backquotes.
        for (file, name) in text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::")) {
            let file =
                if file.contains('/') { format!("{file}.rs") } else { format!("{directory}/{file}.rs") };
            let source =
                fs::read_to_string(root.join(&file)).unwrap_or_else(|e| panic!("{table}: {file}: {e}"));
            assert!(source.contains(&format!("fn {name}(")), "{table}: there is no {name} in {file}");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}

//! How many cases a test of many runs.

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// PXKIT_CASES if it is set, else `soak` with PXKIT_SOAK=1, else `normal`.
pub fn count(normal: u64, soak: u64) -> u64 {
    let many = std::env::var("PXKIT_SOAK").is_ok_and(|value| value == "1");
    number("PXKIT_CASES").unwrap_or(if many { soak } else { normal })
}

/// The only case to run, from PXKIT_CASE, for one that failed.
pub fn only() -> Option<u64> {
    number("PXKIT_CASE")
}

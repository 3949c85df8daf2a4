//! One module serves the page and the worker: which of them it is, the global scope says.

#[cfg(target_arch = "wasm32")]
fn main() {
    use pxkit_web::boot;

    boot::report_panics();
    if boot::worker_scope().is_some() {
        boot::mark("pxkit-worker");
        pxkit_web::worker::start();
    } else {
        boot::mark("pxkit-page");
        pxkit_web::view::start();
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("This program runs in a browser: `cargo xtask web` builds it.");
    std::process::exit(64);
}

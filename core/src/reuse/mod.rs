//! Which unchanged files keep their chunks (change detection 3 to 5, 10.5 and 10.13).

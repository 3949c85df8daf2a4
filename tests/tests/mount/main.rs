//! `pxkit mount` and `pxkit umount`, through the kernel.

mod damage;
mod group;
mod lifetime;
mod readers;
mod support;
mod trees;
mod users;

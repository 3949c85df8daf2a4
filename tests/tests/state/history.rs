//! Servers and archives in append order go on from a state likewise.

use super::{AUTO, World, edit_behind_time, looked_into, read};
use pxkit_tests::skip::needs_root_and_ext4;

#[test]
fn append_order_goes_with_a_state() {
    if !needs_root_and_ext4("state: append_order_goes_with_a_state") {
        return;
    }
    let mut world = World::new(AUTO, &[("d/a", 4000), ("d/c", 5000), ("e/f", 6000), ("g", 70_000)]);
    world.append = true;
    world.backup();
    // Entries that come before others by name and after them in the archive: from here on names are not in order.
    for (number, name) in ["d/b", "0", "e/a", "d/0"].into_iter().enumerate() {
        world.write(name, 50 + number as u64, 3000);
        let made = world.backup();
        assert_eq!(read(&made), 1, "{name}: {}", made.json);
        world.is_whole(&made);
        let still = world.backup();
        assert_eq!((read(&still), looked_into(&still)), (0, 0), "{name}: {}", still.json);
    }
    edit_behind_time(&world.path("d/c"));
    std::fs::rename(world.path("e"), world.path("a")).expect("renamed");
    let made = world.backup();
    assert_eq!(read(&made), 1, "{}", made.json);
    world.is_whole(&made);
}

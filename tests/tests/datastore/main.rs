//! The local datastore. Numbers in names are those of the list of behaviours in the datastore specification (20).

mod golden;

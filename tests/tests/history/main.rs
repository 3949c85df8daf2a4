//! Backups over time. Numbers in names are those of the checklist and the tables in the specification of change detection (9 and 11).

mod generations;

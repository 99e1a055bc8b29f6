//! Images between registries and this host.

mod database;
mod failures;
mod killed;
mod site;
mod trips;

use crate::Test;

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "registries_an_image_keeps_its_id_on_every_trip",
        trips::trips,
    ),
    (
        "registries_a_database_moves_to_another_host",
        database::database,
    ),
    (
        "registries_what_goes_wrong_leaves_nothing",
        failures::failures,
    ),
    (
        "registries_a_daemon_that_is_killed_damages_no_image",
        killed::killed,
    ),
];

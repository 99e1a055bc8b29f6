//! What every back end must do, run over each: the fake, the fake behind gRPC, and silos (as root,
//! with a base image), so that the fake cannot drift from the real thing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cases;
mod files;
mod ground;
mod registry;
mod silo_host;
mod silo_registry;
mod states;
mod streams;
mod takeover;

/// Makes each case a test of each ground.
macro_rules! contract {
    ($($module:ident :: $case:ident),* $(,)?) => {
        contract!(@on fake, $($module::$case),*);
        contract!(@on fake_over_grpc, $($module::$case),*);
        contract!(@on silo, $($module::$case),*);
        contract!(@on silo_over_grpc, $($module::$case),*);
    };
    (@on $ground:ident, $($module:ident :: $case:ident),*) => {
        mod $ground {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(ground) = crate::ground::$ground().await {
                        crate::$module::$case(&ground).await;
                        ground.leave().await;
                    }
                }
            )*
        }
    };
}

contract! {
    states::a_system_passes_through_its_states,
    states::an_id_is_taken_once,
    states::requests_in_the_wrong_state_are_refused,
    states::a_system_that_was_never_started_can_be_terminated_and_closed,
    states::a_shutdown_ends_the_main_process_and_the_system,
    states::systems_are_enumerated_by_the_query,
    states::limits_change_live,
    states::documents_are_checked,
    states::whoever_waits_learns_how_it_ended,
    cases::the_main_process_ends_the_system,
    cases::exit_codes_have_32_bits,
    cases::a_missing_program_is_windows_own_error,
    cases::a_process_ends_with_the_code_it_is_terminated_with,
    cases::a_control_event_ends_a_program,
    cases::processes_are_opened_by_their_id_even_when_ended,
    cases::a_second_process_does_not_end_the_system,
    cases::events_tell_of_processes_and_systems,
    cases::processes_are_listed,
    cases::usage_is_told,
    streams::output_is_streamed_and_logged,
    streams::output_waits_for_the_client_it_was_promised_to,
    streams::input_reaches_the_program_until_it_ends,
    streams::the_client_that_leaves_closes_the_input_when_asked_to,
    streams::two_clients_get_the_same_output,
    streams::a_console_can_be_resized_and_nothing_else,
    streams::streams_of_an_ended_process_are_gone,
    files::files_are_the_same_whether_the_system_runs_or_not,
    files::what_cannot_be_copied_is_told,
    registry::the_registry_is_the_same_whether_the_system_runs_or_not,
    registry::what_lies_between_layers_is_told,
}

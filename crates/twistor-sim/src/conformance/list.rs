//! The list of all cases of a transport, and what is made of it. A case that is missing here is dead code, and said to be.

/// Makes a module with one `#[test]` for each case of [`conformance`](crate::conformance), named after the case.
///
/// The first argument names the module, the second is what makes a [`Ground`](crate::conformance::harness::Ground), which is a reactor as a
/// rule: a closure, called once or a few times a case. A case that does not apply to it says so on standard output, and passes.
///
/// # Examples
///
/// ```
/// use twistor_reactor::Reactor;
/// use twistor_sim::{ScriptedKernel, transport_conformance};
///
/// transport_conformance!(scripted, || Reactor::builder().build_with(ScriptedKernel::new()));
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! transport_conformance {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports, reason = "the maker may need names from around it, or none")]
            use super::*;

            $crate::__transport_cases!(__transport_tests { $make });
        }
    };
}

/// Hands the list of cases to another macro, after what was given to this one.
#[doc(hidden)]
#[macro_export]
macro_rules! __transport_cases {
    ($then:ident { $($argument:tt)* }) => {
        $crate::$then! {
            { $($argument)* }
            connecting::tcp_01_connecting_calls_nothing_at_once (Network)
            connecting::tcp_01_a_refusal_is_told_later (Network)
            connecting::tcp_02_a_name_is_looked_up (Network)
            connecting::tcp_02_an_unknown_name_is_a_failure_told_later (Network)
            connecting::tcp_03_success_ends_the_deadline (Network)
            connecting::tcp_03_pausing_in_connection_made_works
            connecting::tcp_04_a_failure_is_told_once_then_the_factory_stops (Network)
            connecting::tcp_04_connecting_again_keeps_the_factory (Network)
            connecting::tcp_05_protocol_then_factory_then_stop (Network)
            connecting::tcp_05_a_reconnect_comes_before_the_stop (Network)
            connecting::tcp_07_a_refusal_names_the_address (Network)
            connecting::tcp_07_a_local_address_that_cannot_be_bound (Network)
            connecting::tcp_07_a_local_address_can_be_chosen (Network)
            connecting::tcp_08_the_deadline_covers_the_lookup (Network)
            connecting::tcp_08_no_deadline_if_none_is_wanted (Network)
            connecting::tcp_09_stop_connecting_is_told_after_the_call (Network)
            connecting::tcp_09_stop_connecting_in_started_connecting (Network)
            connecting::tcp_09_disconnect_does_what_it_takes (Network)
            connecting::tcp_10_connect_on_a_busy_connector (Network)
            connecting::tcp_10_a_stopped_factory_is_started_again (Network)
            connecting::tcp_10_stop_and_connect_in_one_breath (Network)
            connecting::tcp_11_no_protocol_is_a_lost_connection (Network)
            connecting::tcp_11_a_panic_in_build_protocol_is_a_failure (Network)
            connecting::tcp_12_a_panic_in_connection_made_of_a_client
            connecting::tcp_13_the_addresses (Network)
            listening::tcp_14_listening_binds_at_once (Network)
            listening::tcp_14_an_address_in_use (Network)
            listening::tcp_14_an_interface_that_is_none (Network)
            listening::tcp_15_a_port_is_free_right_after_its_connections (Network)
            listening::tcp_15_ipv6_by_its_interface (Network)
            listening::r24_one_port_for_both_families (Network)
            listening::r24_ports_that_share_a_number (Network)
            listening::tcp_16_accepts_come_in_batches (Network)
            listening::tcp_17_a_refused_client_is_closed_and_the_next_is_served (Network)
            listening::tcp_18_a_panic_on_a_server_ends_that_connection_alone (Network)
            listening::tcp_18_a_panic_in_build_protocol_costs_one_client (Network)
            listening::tcp_20_stop_listening_fires_later_and_leaves_connections_alone (Network)
            listening::tcp_20_nobody_is_accepted_after_stop_listening (Network)
            listening::tcp_20_stopping_a_stopped_port (Network)
            listening::tcp_20_a_port_listens_again (Network)
            listening::tcp_20_stop_and_start_in_one_breath_keeps_the_factory (Network)
            listening::tcp_21_a_panic_in_stop_factory_fails_the_deferred (Network)
            listening::r29_dropping_handles_detaches (Network)
            listening::tcp_20_a_drain_asks_then_aborts (Network)
            once::fact_04_fires_after_connection_made (Network)
            once::fact_04_reaches_the_protocol (Network)
            once::fact_04_fails_with_the_reason (Network)
            once::fact_04_cancelling_stops_the_attempt (Network)
            once::fact_04_cancelling_closes_a_connection (Network)
            once::fact_04_dropping_the_deferred_detaches (Network)
            once::table_28a_a_panic_in_connection_made_fails_the_deferred (Network)
            once::fact_04_an_early_close_fails_the_deferred_once (Network)
            transport::tcp_23_write_sends_nothing_inside_the_call
            transport::tcp_23_bytes_arrive_in_the_order_of_the_calls
            transport::tcp_23_an_empty_write_is_none
            transport::tcp_24_a_read_brings_at_most_the_read_size
            transport::r06_no_delay_is_on_and_keep_alive_off
            transport::r07_write_says_when_to_hold_on
            transport::r07_exactly_the_mark_is_not_over_it
            transport::r07_a_pause_that_is_over_at_once_is_not_told
            transport::r07_a_hard_limit_ends_the_connection
            transport::tcp_26_a_write_after_the_loss_is_dropped
            transport::tcp_36_what_came_during_a_pause_comes_after_it
            transport::tcp_36_a_pause_in_data_received_holds_the_next
            transport::tcp_36_pause_and_resume_in_one_breath
            transport::r04_a_paused_connection_hears_of_a_reset
            transport::r04_a_half_closed_connection_hears_of_a_reset
            transport::r04_a_paused_connection_hears_of_shutdown
            transport::r04_a_paused_connection_hears_of_its_time_out
            transport::idle_time_out_counts_from_the_last_activity
            transport::idle_time_out_is_told_again_to_one_who_stays
            transport::tcp_36_a_relay_of_two_transports_is_bounded (Network)
            transport::tcp_39_addresses_are_values_and_both_ends_agree_on_them
            closing::tcp_27_lose_connection_sends_everything_first
            closing::tcp_27_a_second_lose_connection_is_nothing
            closing::tcp_28_a_write_after_lose_connection_is_dropped
            closing::tcp_29_no_data_comes_after_lose_connection
            closing::tcp_29_a_reset_during_the_close_ends_it
            closing::r09_a_close_has_a_deadline
            closing::r10_unread_input_does_not_cost_the_tail
            closing::r10_lingering_is_after_connection_lost
            closing::tcp_31_abort_sends_rst
            closing::tcp_31_abort_is_idempotent
            closing::tcp_31_abort_in_connection_made
            closing::tcp_31_connection_lost_comes_in_the_next_turn
            closing::tcp_32_connection_lost_comes_once
            closing::tcp_32_a_panic_after_an_abort_is_the_reason
            closing::tcp_33_a_fin_is_done_and_a_reset_is_lost
            closing::tcp_33_fail_gives_the_reason
            closing::tcp_35_everything_is_harmless_in_connection_lost
            closing::tcp_35_addresses_are_known_after_the_loss
            closing::tcp_37_the_producer_is_stopped_before_the_protocol_is_told
            closing::r25_a_dropped_reactor_loses_its_connections (Network)
            closing::r25_a_dropped_reactor_fails_its_attempts (Network)
            closing::r25_stopping_disconnects_in_order
            table::table_28b_write
            table::table_28b_lose_connection
            table::table_28b_abort_connection
            table::table_28b_lose_write_connection
            table::table_28b_pause_producing
            table::table_28b_resume_producing
            table::table_28b_register_producer
            table::table_28b_unregister_producer
            table::table_28b_addresses_and_options
            table::table_28b_fail
            half_close::half_01_the_default_flushes_and_closes
            half_close::half_02_who_stays_can_write_on
            half_close::half_03_the_end_comes_after_everything_written
            half_close::half_04_a_panic_in_either_callback_ends_the_connection
            half_close::half_05_a_close_after_the_half_close_is_told_later
            half_close::half_05_a_close_in_write_connection_lost
            half_close::half_06_both_directions_shut_is_the_end
            half_close::half_06_both_at_once
            half_close::half_07_the_fin_waits_for_the_producer_and_then_comes
            half_close::half_08_a_second_half_close_is_nothing
            half_close::half_08_a_half_close_and_a_close_in_one_breath
            half_close::half_09_the_end_is_told_once
            half_close::half_09_an_end_that_came_during_a_pause
            producers::prod_01_a_second_producer_is_given_back
            producers::prod_01_on_a_lost_connection_it_is_stopped
            producers::prod_02_a_pull_producer_is_asked_at_once_and_each_time_all_was_sent
            producers::prod_02_a_pull_producer_that_has_nothing_now_is_not_asked_in_a_loop
            producers::prod_08_a_pull_producer_that_never_ends_does_not_keep_the_loop_awake
            producers::prod_03_over_the_mark_a_push_producer_is_paused_once
            producers::prod_03_who_comes_to_a_full_buffer_is_paused
            producers::prod_03_a_pause_that_is_over_at_once_is_not_told
            producers::prod_04_a_push_producer_is_resumed_when_all_was_sent
            producers::prod_04_the_marks_can_be_set
            producers::prod_05_a_producer_may_write_in_resume_and_does_not_recurse
            producers::prod_06_unregister_goes_on_with_a_close_that_waits
            producers::prod_07_a_close_waits_for_a_paused_producer
            producers::prod_07_a_push_producer_that_runs_is_stopped
            producers::prod_08_a_producer_that_stays_paused_meets_the_deadline
            producers::prod_09_a_transport_is_a_producer
            producers::prod_09_stop_consuming_forgets_the_producer_and_closes
            producers::prod_09_a_relay_stops_with_its_consumer (Network)
            producers::prod_11_a_file_in_pieces
            producers::prod_11_pieces_can_be_sized_and_transformed
            producers::prod_11_a_lost_consumer_fails_the_sender
            producers::prod_11_a_reader_that_fails_fails_the_sender
            panics::table_28a_data_received
            panics::table_28a_connection_made_of_a_server
            panics::table_28a_connection_lost
            panics::table_28a_connection_lost_of_a_server
            panics::table_28a_client_connection_failed (Network)
            panics::table_28a_client_connection_lost
            panics::table_28a_the_other_calls_of_a_client_factory
            panics::table_28a_read_connection_lost
            panics::table_28a_write_connection_lost
            panics::table_28a_timeout_connection
            panics::table_28a_pause_and_resume_writing
            panics::table_28a_a_posted_call
            panics::tcp_38_a_panic_in_resume_producing_ends_the_connection
            panics::tcp_38_a_panic_in_pause_producing_ends_the_connection
            panics::tcp_38_a_panic_in_stop_producing_suppresses_nothing
            panics::r05_a_panic_in_the_drop_of_a_protocol_is_contained
            panics::r05_every_notification_at_once_panics
            panics::r05_other_connections_go_on (Network)
            panics::r05_a_panic_in_try_with_is_the_callers
            factories::fact_01_one_factory_on_two_ports_starts_and_stops_once (Network)
            factories::fact_01_a_port_and_a_connector_share_one (Network)
            factories::fact_01_a_shared_factory_can_be_reached (Network)
            factories::fact_02_a_closure_is_a_factory (Network)
            factories::a_protocol_is_reached_from_outside
            factories::a_protocol_is_busy_while_it_is_called
            factories::a_post_comes_before_the_next_data
            factories::a_switch_of_protocols_tells_the_next
            errors::err_01_ends_are_told_apart_by_family
            errors::err_02_failures_of_a_connect_are_one_type (Network)
            errors::err_03_cannot_listen_says_where_and_why (Network)
            errors::err_06_misuse_is_an_error_of_the_call (Network)
            reactor::thr_01_calls_from_a_thread_are_made_on_the_loops_thread_in_order
            reactor::thr_02_a_call_from_inside_a_call_waits_for_the_next_turn
            reactor::thr_03_a_panic_leaves_the_next_call_alone
            reactor::thr_05_jobs_of_before_the_first_turn_wait_for_it_in_order
            reactor::thr_06_stopping_finishes_what_is_queued_and_its_results_are_heard
            reactor::thr_08_a_callback_hears_of_its_job_once_and_of_its_panic
            reactor::thr_09_results_and_failures_arrive_on_the_loops_thread
            reactor::thr_09_what_is_queued_can_be_taken_back
            reactor::thr_10_a_blocking_call_on_the_loops_own_thread_is_an_error
            reactor::thr_11_a_list_of_jobs_runs_in_order_until_one_panics
            reactor::time_08_what_is_to_come_is_listed_in_its_order
            reactor::table_28a_what_belongs_to_no_connection
        }
    };
}

/// A test a case.
#[doc(hidden)]
#[macro_export]
macro_rules! __transport_tests {
    ({ $make:expr } $($area:ident::$name:ident $(($needs:ident))?)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::case(stringify!($name), $make);
            }
        )*
    };
}

/// The table of names and functions.
#[doc(hidden)]
#[macro_export]
macro_rules! __transport_table {
    ({} $($area:ident::$name:ident $(($needs:ident))?)*) => {
        &[$($crate::conformance::case::Case {
            name: stringify!($name),
            needs: $crate::__needs!($($needs)?),
            run: $area::$name,
        }),*]
    };
}

/// What a case needs: a connection, unless the list says more.
#[doc(hidden)]
#[macro_export]
macro_rules! __needs {
    () => {
        $crate::conformance::harness::Needs::Connection
    };
    ($needs:ident) => {
        $crate::conformance::harness::Needs::$needs
    };
}

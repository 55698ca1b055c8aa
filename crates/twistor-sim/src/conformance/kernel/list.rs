//! The list of all cases of a kernel, and what is made of it. A case that is missing here is dead code, and said to be.

/// Makes a module with one `#[test]` for each case of [`conformance::kernel`](crate::conformance::kernel()), named after the case.
///
/// The first argument names the module, the second is what makes a boxed kernel, or a kernel with its
/// [`Surroundings`](crate::conformance::Surroundings): a closure, called once or a few times a case.
///
/// # Examples
///
/// ```
/// use twistor_sim::{ScriptedKernel, kernel_conformance};
///
/// kernel_conformance!(scripted, ScriptedKernel::new);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! kernel_conformance {
    ($module:ident, $make:expr) => {
        mod $module {
            #[allow(unused_imports, reason = "the maker may need names from around it, or none")]
            use super::*;

            $crate::__kernel_cases!(__kernel_tests { $make });
        }
    };
}

/// Hands the list of a kernel's cases to another macro, after what was given to this one.
#[doc(hidden)]
#[macro_export]
macro_rules! __kernel_cases {
    ($then:ident { $($argument:tt)* }) => {
        $crate::$then! {
            { $($argument)* }
            opening::a_listener_tells_the_port_it_got
            opening::an_address_is_listened_on_once
            opening::nothing_to_accept_would_block
            opening::a_connection_is_announced_at_both_ends
            opening::accepts_come_in_the_order_of_the_connects
            opening::both_ends_know_both_addresses
            opening::a_connect_leaves_from_the_address_it_was_given
            opening::a_refused_connect_is_an_error
            opening::a_refused_connect_is_announced
            opening::a_dropped_listener_leaves_its_connections_alone
            opening::bytes_that_came_before_the_accept_are_there
            streams::nothing_to_read_would_block
            streams::bytes_go_both_ways_in_order
            streams::parts_are_sent_from_the_front
            streams::every_arrival_at_a_drained_socket_is_announced
            streams::a_full_socket_says_when_there_is_room
            streams::each_source_is_told_under_its_own_token
            streams::options_are_kept
            ending::a_half_close_ends_one_direction
            ending::an_end_is_announced
            ending::a_close_in_order_is_an_end
            ending::a_reset_is_an_error_at_the_other_end
            ending::a_close_with_unread_input_is_a_reset
            ending::an_error_is_fetched_once
            ending::who_sends_to_one_that_is_gone_is_told
            waiting::the_clock_never_goes_back
            waiting::a_timeout_is_not_cut_short
            waiting::an_event_ends_a_wait_however_long
            waiting::what_is_ready_is_appended
            waiting::a_waker_ends_a_wait_from_another_thread
            waiting::wakes_collapse_into_one
            waiting::a_waker_outlives_its_kernel
            waiting::the_seed_is_always_the_same_one
            services::a_lookup_is_announced_and_fetched_once
            services::a_lookup_that_was_cancelled_has_no_answer
            services::every_job_runs_once
            services::thr_07_the_limit_moves_while_jobs_wait
            services::thr_04_no_more_jobs_run_at_once_than_there_may_be_threads
            services::a_closed_pool_drops_what_it_is_given
            pressure::who_finds_a_full_backlog_waits_for_room
            pressure::tcp_19_who_waits_can_be_shed
            pressure::tcp_19_without_descriptors_accepting_is_an_error_and_shedding_is_not
            descriptors::fds_01_a_watched_descriptor_is_reported_once_and_again_after_a_rearm
            descriptors::fds_02_what_is_not_of_interest_is_not_reported
            descriptors::fds_06_a_hang_up_is_reported_whatever_the_interest
            descriptors::fds_10_one_registration_a_descriptor
            descriptors::fds_13_what_is_not_watched_cannot_be_rearmed
            descriptors::an_interest_in_nothing_is_refused
            signals::a_watched_signal_is_told_and_counted
            signals::each_signal_is_told_under_its_own_token
            signals::a_signal_that_is_not_watched_any_more_is_not_told
            signals::signals_that_cannot_be_caught_are_refused
            adopted::tcp_22_an_adopted_listener_leaves_other_holders_accepting
            adopted::tcp_22_an_adopted_stream_works_like_any_other
            adopted::tcp_22_what_is_no_socket_is_not_adopted
        }
    };
}

/// A test a case.
#[doc(hidden)]
#[macro_export]
macro_rules! __kernel_tests {
    ({ $make:expr } $($area:ident::$name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::kernel_case(stringify!($name), $make);
            }
        )*
    };
}

/// The table of names and functions.
#[doc(hidden)]
#[macro_export]
macro_rules! __kernel_table {
    ({} $($area:ident::$name:ident)*) => {
        &[$((stringify!($name), $area::$name as $crate::conformance::kernel::KernelCase)),*]
    };
}

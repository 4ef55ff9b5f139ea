/* All cases, by file: CASE(name, the capability without which an engine cannot do it). */

/* statements.c */
CASE(affected_rows_are_counted, NOTHING)
CASE(rows_come_in_order_with_their_names, NOTHING)
CASE(rows_that_are_written_come_back, NOTHING)
CASE(a_scalar_without_a_row_is_not_found, NOTHING)
CASE(placeholders_are_where_they_look_like_it, NOTHING)
CASE(an_early_close_gives_the_connection_back, NOTHING)
CASE(upserts_count_what_they_did, CV_CAN_ON_CONFLICT)
CASE(what_is_written_is_returned, NOTHING)
CASE(keys_are_numbered_in_order, NOTHING)
CASE(two_question_marks_are_one, NOTHING)

/* values.c */
CASE(numbers_come_back_as_they_went, NOTHING)
CASE(decimals_come_back_with_every_digit, NOTHING)
CASE(texts_and_bytes_come_back_as_they_went, NOTHING)
CASE(times_dates_and_uuids_come_back_as_they_went, NOTHING)
CASE(null_comes_back_from_every_type, NOTHING)
CASE(floats_come_back_to_the_last_bit, NOTHING)
CASE(a_float_may_be_no_number, CV_CAN_NOT_A_NUMBER)
CASE(no_number_is_refused_or_kept, NOTHING)
CASE(decimals_have_their_order, NOTHING)
CASE(decimals_are_summed_with_every_digit, CV_CAN_EXACT_NUMBERS)
CASE(null_goes_in_from_every_place, NOTHING)
CASE(bytes_of_all_values_come_back, NOTHING)

/* texts.c */
CASE(characters_of_all_planes_come_back, NOTHING)
CASE(naughty_strings_come_back, NOTHING)
CASE(a_nul_byte_is_kept_or_refused, NOTHING)
CASE(a_text_that_is_not_utf8_is_refused, CV_CAN_UTF8_CHECKED)
CASE(json_keeps_what_it_says, NOTHING)

/* times.c */
CASE(the_programs_time_zone_does_not_matter, NOTHING)
CASE(the_sessions_time_zone_does_not_matter, CV_CAN_TIME_ZONES)
CASE(times_order_and_compare, NOTHING)

/* packed.c */
CASE(arrays_come_back_as_they_went, NOTHING)
CASE(ranges_come_back_in_one_form, NOTHING)
CASE(a_range_upside_down_is_refused, NOTHING)
CASE(arrays_and_ranges_have_operators, CV_CAN_ARRAYS)

/* models.c */
CASE(the_least_object_comes_back, NOTHING)
CASE(the_greatest_object_comes_back, NOTHING)
CASE(lists_of_objects_come_back, NOTHING)
CASE(a_range_comes_back_in_its_one_form, NOTHING)
CASE(models_refuse_what_no_engine_should_hold, NOTHING)
CASE(arrays_are_found_by_being_null, NOTHING)

/* errors.c */
CASE(what_is_not_there_is_an_invalid_statement, NOTHING)
CASE(several_statements_in_one_text_are_refused, NOTHING)
CASE(an_empty_statement_is_refused, NOTHING)
CASE(a_wrong_number_of_values_is_refused, NOTHING)
CASE(transactions_by_hand_are_refused, NOTHING)
CASE(the_same_mistake_has_the_same_code, NOTHING)
CASE(a_column_refuses_what_it_cannot_hold, CV_CAN_STRICT_TYPES)
CASE(division_by_zero, NOTHING)

/* constraints.c */
CASE(a_duplicate_names_table_and_column, NOTHING)
CASE(a_missing_value_names_table_and_column, NOTHING)
CASE(a_failed_check_names_its_constraint, NOTHING)
CASE(foreign_keys_are_enforced_in_both_directions, NOTHING)
CASE(a_composite_key_is_unique_as_a_whole, NOTHING)
CASE(an_update_may_break_a_constraint_too, NOTHING)
CASE(a_deferred_key_is_checked_at_the_commit, CV_CAN_DEFERRED_KEYS)
CASE(a_foreign_key_tells_its_name, CV_CAN_CONSTRAINT_NAMES)

/* transactions.c */
CASE(a_block_is_kept_as_a_whole_or_not_at_all, NOTHING)
CASE(an_inner_block_fails_alone, NOTHING)
CASE(others_see_what_is_committed_and_nothing_else, CV_CAN_SESSIONS)
CASE(a_read_only_block_refuses_writes, NOTHING)
CASE(rows_are_read_while_others_are_written, NOTHING)
CASE(blocks_nest_to_twenty, NOTHING)
CASE(an_error_at_depth_twenty_is_survived, NOTHING)
CASE(any_error_rolls_the_block_back, NOTHING)

/* isolation.c */
CASE(anomalies_are_those_of_the_page, CV_CAN_SESSIONS)
CASE(what_was_refused_succeeds_when_it_is_run_again, CV_CAN_SESSIONS)

/* streams.c */
CASE(many_rows_need_the_memory_of_one, NOTHING)
CASE(a_stream_that_is_closed_early_frees_its_connection, NOTHING)
CASE(several_streams_share_a_transaction, NOTHING)
CASE(rows_end_with_the_block_that_opened_them, NOTHING)
CASE(an_error_among_rows_ends_them, NOTHING)

/* large.c */
CASE(values_of_64_mib_go_and_come_back, NOTHING)
CASE(bytes_of_a_mebibyte_and_of_none, NOTHING)
CASE(lists_of_any_length, NOTHING)
CASE(an_array_is_a_list_of_100000, NOTHING)
CASE(too_many_values_are_refused, NOTHING)
CASE(rows_may_have_a_thousand_columns, NOTHING)
CASE(more_statements_than_are_kept, NOTHING)
CASE(the_schema_changes_under_prepared_statements, NOTHING)

/* waiting.c */
CASE(a_deadline_ends_a_statement, NOTHING)
CASE(cancelling_a_fiber_ends_its_statement, NOTHING)
CASE(the_pool_keeps_count, CV_CAN_SESSIONS)
CASE(many_fibers_write_through_few_connections, NOTHING)
CASE(a_deadline_in_a_transaction_rolls_it_back, NOTHING)
CASE(a_cancelled_fiber_leaves_nothing, NOTHING)
CASE(time_that_is_over_runs_nothing, NOTHING)

/* copy.c */
CASE(rows_are_copied_into_a_table, NOTHING)
CASE(a_source_without_rows_copies_none, NOTHING)
CASE(a_table_or_column_that_is_not_there, NOTHING)
CASE(columns_may_have_other_names, NOTHING)
CASE(a_value_that_does_not_fit_names_row_and_column, NOTHING)
CASE(a_text_that_is_too_long_is_refused, NOTHING)
CASE(a_copied_text_is_utf8, NOTHING)
CASE(what_the_engine_refuses_names_the_row, NOTHING)
CASE(a_source_that_breaks_off_leaves_nothing, NOTHING)
CASE(batches_are_kept_one_by_one, NOTHING)
CASE(a_deadline_ends_a_copy, NOTHING)
CASE(cancelling_a_fiber_ends_its_copy, NOTHING)
CASE(a_copy_belongs_to_the_transaction, NOTHING)
CASE(a_large_copy_fails_alone, NOTHING)
CASE(a_copy_is_rolled_back_with_its_transaction, NOTHING)
CASE(a_source_does_not_use_the_connection, NOTHING)
CASE(progress_is_told_and_may_stop_a_copy, NOTHING)
CASE(a_copy_has_limits, NOTHING)
CASE(made_keys_go_on_behind_copied_ones, NOTHING)
CASE(copied_values_come_back_from_every_type, NOTHING)
CASE(copied_texts_become_what_the_column_is, NOTHING)
CASE(the_columns_of_a_table_are_told, NOTHING)
CASE(rows_are_copied_out_of_a_table, NOTHING)
CASE(rows_of_a_query_are_copied_out, NOTHING)
CASE(a_sink_that_fails_ends_the_copy, NOTHING)
CASE(a_deadline_ends_a_copy_out, NOTHING)
CASE(a_copy_out_sees_what_its_transaction_wrote, NOTHING)
CASE(values_of_64_mib_are_copied, NOTHING)

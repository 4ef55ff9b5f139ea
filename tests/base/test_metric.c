#include "base/ctx.h"
#include "base/metric.h"
#include "promtool.h"
#include "test.h"
#include <covet/metric.h>
#include <math.h>
#include <pthread.h>

static cv_metrics *metrics;

static int setup(void **state)
{
    (void)state;
    metrics = cv_metrics_new();
    return metrics ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cv_metrics_free(metrics);
    return 0;
}

static void expect_exposition(const char *wanted)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_metrics_expose(metrics, &out);
    assert_int_equal(out.error, 0);
    assert_string_equal(cv_buf_str(&out).ptr, wanted);
    cv_buf_done(&out);
}

static void counters_and_gauges_hold_their_values(void **state)
{
    (void)state;
    cv_counter *counter = cv_counter_get(metrics, "a_total", "help", NULL);
    cv_gauge *gauge = cv_gauge_get(metrics, "b", "help", NULL);
    cv_counter_add(counter, 3);
    cv_counter_add(counter, 4);
    cv_gauge_set(gauge, 5);
    cv_gauge_add(gauge, -12);
    assert_int_equal(cv_counter_value(counter), 7);
    assert_int_equal(cv_gauge_value(gauge), -7);
}

static void the_same_name_and_labels_are_the_same_metric(void **state)
{
    (void)state;
    cv_counter *one = cv_counter_get(metrics, "a_total", "help", "x=\"1\"");
    assert_ptr_equal(cv_counter_get(metrics, "a_total", "other", "x=\"1\""), one);
    assert_ptr_not_equal(cv_counter_get(metrics, "a_total", "help", "x=\"2\""), one);
    assert_ptr_equal(cv_counter_get(metrics, "b_total", "", NULL), cv_counter_get(metrics, "b_total", "", ""));
}

static void one_name_has_one_kind(void **state)
{
    (void)state;
    assert_non_null(cv_counter_get(metrics, "a", NULL, NULL));
    assert_null(cv_gauge_get(metrics, "a", NULL, "x=\"1\""));
    assert_null(cv_histogram_get(metrics, "a", NULL, NULL, NULL, 0));
}

static void bad_names_and_labels_give_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"", "1a", "a-b", "a b", "\xC3\xA9"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_null(cv_counter_get(metrics, names[i], NULL, NULL));
    assert_null(cv_counter_get(metrics, NULL, NULL, NULL));
    static const char *const labels[] = {"a",        "a=",         "a=1",      "a=\"1",     "=\"1\"",
                                         "a=\"1\",", "1=\"1\"",    "le=\"1\"", "a:b=\"1\"", "a=\"\\x\"",
                                         "a=\"\n\"", "a=\"\xFF\"", "a=\"\\",   "a=\"1\" b", "{a=\"1\"}"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        assert_null(cv_counter_get(metrics, "a", NULL, labels[i]));
    assert_non_null(cv_counter_get(metrics, "a:b_1", NULL, "a=\"x\\\\y\\\"z\\n\",lee=\"\xC3\xA9\""));
}

static void bad_bounds_give_nothing(void **state)
{
    (void)state;
    const double falling[] = {2, 1}, same[] = {1, 1}, infinite[] = {1, INFINITY}, many[65] = {0};
    assert_null(cv_histogram_get(metrics, "a", NULL, NULL, falling, 2));
    assert_null(cv_histogram_get(metrics, "a", NULL, NULL, same, 2));
    assert_null(cv_histogram_get(metrics, "a", NULL, NULL, infinite, 2));
    assert_null(cv_histogram_get(metrics, "a", NULL, NULL, many, 65));
    assert_null(cv_histogram_get(metrics, "a", NULL, NULL, NULL, 1));
}

static void updates_through_null_do_nothing(void **state)
{
    (void)state;
    cv_counter_add(NULL, 1);
    cv_gauge_set(NULL, 1);
    cv_gauge_add(NULL, 1);
    cv_histogram_observe(NULL, 1);
    assert_int_equal(cv_counter_value(NULL), 0);
    assert_int_equal(cv_gauge_value(NULL), 0);
    assert_int_equal(cv_histogram_count(NULL), 0);
    assert_true(cv_histogram_sum(NULL) == 0);
    assert_true(isnan(cv_histogram_quantile(NULL, 0.5)));
    assert_null(cv_counter_get(NULL, "a", NULL, NULL));
    cv_metrics_expose(NULL, NULL);
    cv_metrics_free(NULL);
}

static void the_number_of_metrics_is_bounded(void **state)
{
    (void)state;
    char labels[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(labels, sizeof labels, "%d", i);
        char name[32];
        snprintf(name, sizeof name, "m%d", i / 100);
        snprintf(labels, sizeof labels, "i=\"%d\"", i);
        assert_non_null(cv_counter_get(metrics, name, NULL, labels));
    }
    assert_null(cv_counter_get(metrics, "m0", NULL, "i=\"x\""));
    assert_null(cv_counter_get(metrics, "fresh", NULL, NULL));
    assert_non_null(cv_counter_get(metrics, "m0", NULL, "i=\"0\""));
}

static void families_are_grouped_with_help_and_type(void **state)
{
    (void)state;
    cv_counter_add(cv_counter_get(metrics, "requests_total", "All\\of\nthem \"x\".", "method=\"GET\""), 2);
    cv_gauge_set(cv_gauge_get(metrics, "open", NULL, NULL), -3);
    cv_counter_add(cv_counter_get(metrics, "requests_total", NULL, "method=\"PO\\\"ST\""), UINT64_MAX);
    expect_exposition("# HELP requests_total All\\\\of\\nthem \"x\".\n"
                      "# TYPE requests_total counter\n"
                      "requests_total{method=\"GET\"} 2\n"
                      "requests_total{method=\"PO\\\"ST\"} 18446744073709551615\n"
                      "# TYPE open gauge\n"
                      "open -3\n");
}

static void histograms_are_exposed_cumulatively(void **state)
{
    (void)state;
    const double bounds[] = {0.1, 1, 2.5};
    cv_histogram *h = cv_histogram_get(metrics, "took_seconds", "Time.", "path=\"/\"", bounds, 3);
    const double observed[] = {0.05, 0.1, 0.5, 2, 100, NAN};
    for (size_t i = 0; i < 6; i++)
        cv_histogram_observe(h, observed[i]);
    assert_int_equal(cv_histogram_count(h), 5);
    cv_histogram_observe(cv_histogram_get(metrics, "bare", NULL, NULL, NULL, 0), INFINITY);
    expect_exposition("# HELP took_seconds Time.\n"
                      "# TYPE took_seconds histogram\n"
                      "took_seconds_bucket{path=\"/\",le=\"0.1\"} 2\n"
                      "took_seconds_bucket{path=\"/\",le=\"1\"} 3\n"
                      "took_seconds_bucket{path=\"/\",le=\"2.5\"} 4\n"
                      "took_seconds_bucket{path=\"/\",le=\"+Inf\"} 5\n"
                      "took_seconds_sum{path=\"/\"} 102.65\n"
                      "took_seconds_count{path=\"/\"} 5\n"
                      "# TYPE bare histogram\n"
                      "bare_bucket{le=\"+Inf\"} 1\n"
                      "bare_sum +Inf\n"
                      "bare_count 1\n");
}

static void quantiles_are_interpolated(void **state)
{
    (void)state;
    const double bounds[] = {10, 20, 40};
    cv_histogram *h = cv_histogram_get(metrics, "a", NULL, NULL, bounds, 3);
    assert_true(isnan(cv_histogram_quantile(h, 0.5)));
    for (int i = 0; i < 10; i++) {
        cv_histogram_observe(h, 5);
        cv_histogram_observe(h, 15);
    }
    assert_true(fabs(cv_histogram_quantile(h, 0) - 0) < 1e-9);
    assert_true(fabs(cv_histogram_quantile(h, 0.25) - 5) < 1e-9);
    assert_true(fabs(cv_histogram_quantile(h, 0.5) - 10) < 1e-9);
    assert_true(fabs(cv_histogram_quantile(h, 0.75) - 15) < 1e-9);
    assert_true(fabs(cv_histogram_quantile(h, 1) - 20) < 1e-9);
    assert_true(isnan(cv_histogram_quantile(h, 1.5)));
    assert_true(isnan(cv_histogram_quantile(h, NAN)));
    for (int i = 0; i < 100; i++)
        cv_histogram_observe(h, 1000);
    assert_true(fabs(cv_histogram_quantile(h, 0.9) - 40) < 1e-9);
    cv_histogram *bare = cv_histogram_get(metrics, "b", NULL, NULL, NULL, 0);
    cv_histogram_observe(bare, 1);
    assert_true(isnan(cv_histogram_quantile(bare, 0.5)));
}

static void quantiles_of_negative_and_late_buckets(void **state)
{
    (void)state;
    const double bounds[] = {-1, 0, 1};
    cv_histogram *h = cv_histogram_get(metrics, "a", NULL, NULL, bounds, 3);
    cv_histogram_observe(h, -5);
    assert_true(fabs(cv_histogram_quantile(h, 0.5) + 1) < 1e-9);
    cv_histogram *late = cv_histogram_get(metrics, "b", NULL, NULL, bounds, 3);
    cv_histogram_observe(late, 0.5);
    assert_true(fabs(cv_histogram_quantile(late, 0) + 1) < 1e-9);
    assert_true(fabs(cv_histogram_quantile(late, 1) - 1) < 1e-9);
}

static void the_latency_bounds_are_good_ones(void **state)
{
    (void)state;
    assert_true(fabs(cv_latency_bounds[0] - 1e-4) < 1e-12);
    assert_true(fabs(cv_latency_bounds[cv_latency_bound_count - 1] - 10) < 1e-12);
    assert_non_null(cv_histogram_get(metrics, "a", NULL, NULL, cv_latency_bounds, cv_latency_bound_count));
}

enum { THREADS = 4, ROUNDS = 5000 };

static void *update_many(void *arg)
{
    (void)arg;
    const double bounds[] = {1, 2};
    for (int i = 0; i < ROUNDS; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "i=\"%d\"", i % 50);
        cv_counter_add(cv_counter_get(metrics, "c_total", NULL, labels), 1);
        cv_histogram_observe(cv_histogram_get(metrics, "h", NULL, NULL, bounds, 2), 1.5);
        if (i % 500 == 0) {
            cv_buf out;
            cv_buf_init(&out, 0);
            cv_metrics_expose(metrics, &out);
            cv_buf_done(&out);
        }
    }
    return NULL;
}

static void no_update_of_any_thread_is_lost(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, update_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t total = 0;
    for (int i = 0; i < 50; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "i=\"%d\"", i);
        total += cv_counter_value(cv_counter_get(metrics, "c_total", NULL, labels));
    }
    const double bounds[] = {1, 2};
    cv_histogram *h = cv_histogram_get(metrics, "h", NULL, NULL, bounds, 2);
    assert_int_equal(total, THREADS * ROUNDS);
    assert_int_equal(cv_histogram_count(h), THREADS * ROUNDS);
    assert_true(fabs(cv_histogram_sum(h) - 1.5 * THREADS * ROUNDS) < 1e-6);
}

static void a_context_may_have_a_registry(void **state)
{
    (void)state;
    cv_ctx *cx = cv_ctx_new(0);
    assert_null(cv_ctx_metrics(cx));
    cx->metrics = metrics;
    assert_ptr_equal(cv_ctx_metrics(cx), metrics);
    cv_ctx_free(cx);
}

static void what_is_counted_elsewhere_is_raised(void **state)
{
    (void)state;
    cv_counter *counter = cv_counter_get_seconds(metrics, "cpu_seconds_total", NULL, NULL);
    cv_counter_raise(counter, 1250000000);
    cv_counter_raise(counter, 5);
    cv_counter_raise(NULL, 5);
    expect_exposition("# TYPE cpu_seconds_total counter\ncpu_seconds_total 1.25\n");
    assert_null(cv_counter_get(metrics, "cpu_seconds_total", NULL, NULL));
}

static void updates_of_one_thread_alone(void **state)
{
    (void)state;
    const double bounds[] = {1};
    cv_counter *counter = cv_counter_get(metrics, "a_total", NULL, NULL);
    cv_gauge *gauge = cv_gauge_get(metrics, "b", NULL, NULL);
    cv_histogram *h = cv_histogram_get(metrics, "c", NULL, NULL, bounds, 1);
    cv__counter_add_alone(counter, 2);
    cv__gauge_add_alone(gauge, -2);
    cv__histogram_observe_alone(h, 0.5);
    cv__histogram_observe_alone(h, 2);
    cv__histogram_observe_alone(h, NAN);
    cv__counter_add_alone(NULL, 1);
    cv__gauge_add_alone(NULL, 1);
    cv__histogram_observe_alone(NULL, 1);
    assert_int_equal(cv_counter_value(counter), 2);
    assert_int_equal(cv_gauge_value(gauge), -2);
    assert_int_equal(cv_histogram_count(h), 2);
    assert_true(cv_histogram_sum(h) == 2.5);
}

static void set_to_the_number_of_calls(void *arg)
{
    cv_gauge *gauge = cv_gauge_get(metrics, "calls", NULL, NULL);
    cv_gauge_set(gauge, ++*(int *)arg);
}

static void collectors_are_called_before_each_exposition(void **state)
{
    (void)state;
    int one = 0, other = 10;
    assert_int_equal(cv_metrics_on_collect(metrics, set_to_the_number_of_calls, &one), 0);
    expect_exposition("# TYPE calls gauge\ncalls 1\n");
    assert_int_equal(cv_metrics_on_collect(metrics, set_to_the_number_of_calls, &other), 0);
    expect_exposition("# TYPE calls gauge\ncalls 11\n");
    assert_int_equal(one, 2);
    assert_int_equal(cv_metrics_on_collect(NULL, set_to_the_number_of_calls, &one), CV_E_NOMEM);
}

/* ---- several registries ---- */

static void expect_sum(cv_metrics *const *list, size_t count, const char *wanted)
{
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_metrics_expose_all(list, count, &out);
    assert_int_equal(out.error, 0);
    assert_string_equal(cv_buf_str(&out).ptr ? cv_buf_str(&out).ptr : "", wanted);
    cv_buf_done(&out);
}

static void registries_are_summed_up(void **state)
{
    (void)state;
    const double bounds[] = {1, 2}, others[] = {1, 3};
    cv_metrics *second = cv_metrics_new(), *third = cv_metrics_new();
    cv_metrics *const list[] = {metrics, NULL, second, third};
    cv_counter_add(cv_counter_get(metrics, "a_total", "A.", "x=\"1\""), 1);
    cv_counter_add(cv_counter_get(second, "b_total", "B.", NULL), 5);
    cv_counter_add(cv_counter_get(second, "a_total", "A.", "x=\"2\""), 2);
    cv_counter_add(cv_counter_get(second, "a_total", "A.", "x=\"1\""), 3);
    cv_counter_add(cv_counter_get(third, "a_total", "A.", "x=\"2\""), 4);
    cv_gauge_set(cv_gauge_get(second, "g", NULL, NULL), 7);
    cv_gauge_set(cv_gauge_get(third, "g", NULL, NULL), -9);
    cv_gauge_set(cv_gauge_get(third, "b_total", NULL, NULL), 1000); /* another kind */
    cv_histogram_observe(cv_histogram_get(second, "h", NULL, NULL, bounds, 2), 1.5);
    cv_histogram_observe(cv_histogram_get(third, "h", NULL, NULL, bounds, 2), 0.5);
    cv_histogram_observe(cv_histogram_get(second, "i", NULL, NULL, bounds, 2), 1.5);
    cv_histogram_observe(cv_histogram_get(third, "i", NULL, NULL, others, 2), 0.5);
    expect_sum(list, 4,
               "# HELP a_total A.\n"
               "# TYPE a_total counter\n"
               "a_total{x=\"1\"} 4\n"
               "a_total{x=\"2\"} 6\n"
               "# HELP b_total B.\n"
               "# TYPE b_total counter\n"
               "b_total 5\n"
               "# TYPE g gauge\n"
               "g -2\n"
               "# TYPE h histogram\n"
               "h_bucket{le=\"1\"} 1\n"
               "h_bucket{le=\"2\"} 2\n"
               "h_bucket{le=\"+Inf\"} 2\n"
               "h_sum 2\n"
               "h_count 2\n"
               "# TYPE i histogram\n"
               "i_bucket{le=\"1\"} 0\n"
               "i_bucket{le=\"2\"} 1\n"
               "i_bucket{le=\"+Inf\"} 1\n"
               "i_sum 1.5\n"
               "i_count 1\n");
    expect_sum(list, 0, "");
    expect_sum(list + 1, 1, "");
    cv_metrics_free(second);
    cv_metrics_free(third);
}

static void prometheus_own_checker_accepts_the_text(void **state)
{
    (void)state;
    cv_counter_add(cv_counter_get(metrics, "requests_total", "All\\of\nthem \"x\".", "method=\"PO\\\"ST\""), 2);
    cv_counter_raise(cv_counter_get_seconds(metrics, "cpu_seconds_total", "Time.", NULL), 1);
    cv_gauge_set(cv_gauge_get(metrics, "open_sockets", "Open.", NULL), -1);
    cv_histogram *h =
        cv_histogram_get(metrics, "took_seconds", "Time.", "path=\"/\"", cv_latency_bounds, cv_latency_bound_count);
    cv_histogram_observe(h, 0.002);
    cv_buf out;
    cv_buf_init(&out, 0);
    cv_metrics_expose(metrics, &out);
    char *said;
    int found = promtool_check(cv_buf_str(&out), &said);
    cv_buf_done(&out);
    if (found < 0)
        skip_without_promtool();
    if (found > 0)
        fail_msg("%s", said);
    free(said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counters_and_gauges_hold_their_values),
        TEST(the_same_name_and_labels_are_the_same_metric),
        TEST(one_name_has_one_kind),
        TEST(bad_names_and_labels_give_nothing),
        TEST(bad_bounds_give_nothing),
        TEST(updates_through_null_do_nothing),
        TEST(the_number_of_metrics_is_bounded),
        TEST(families_are_grouped_with_help_and_type),
        TEST(histograms_are_exposed_cumulatively),
        TEST(quantiles_are_interpolated),
        TEST(quantiles_of_negative_and_late_buckets),
        TEST(the_latency_bounds_are_good_ones),
        TEST(no_update_of_any_thread_is_lost),
        TEST(a_context_may_have_a_registry),
        TEST(what_is_counted_elsewhere_is_raised),
        TEST(updates_of_one_thread_alone),
        TEST(collectors_are_called_before_each_exposition),
        TEST(registries_are_summed_up),
        TEST(prometheus_own_checker_accepts_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the floors above use to observe the process: its metrics, and its workers while they work. */
#ifndef COVET_SRC_RT_WATCH_H
#define COVET_SRC_RT_WATCH_H

#include <covet/metric.h>

/** Show the process in a registry: time, memory, descriptors, threads; read at each exposition. CV_E_NOMEM. */
CV_CHECKED int cv__process_metrics(cv_metrics *metrics);

#endif

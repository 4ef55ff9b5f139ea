/* All of Covet. */
#ifndef COVET_COVET_H
#define COVET_COVET_H

#include <covet/api.h>
#include <covet/app.h>
#include <covet/arena.h>
#include <covet/array.h>
#include <covet/config.h>
#include <covet/ctx.h>
#include <covet/db.h>
#include <covet/db_stats.h>
#include <covet/decimal.h>
#include <covet/error.h>
#include <covet/fault_proxy.h>
#include <covet/fiber.h>
#include <covet/files.h>
#include <covet/http.h>
#include <covet/json.h>
#include <covet/lane.h>
#include <covet/list.h>
#include <covet/listener.h>
#include <covet/log.h>
#include <covet/map.h>
#include <covet/metric.h>
#include <covet/middleware.h>
#include <covet/migrate.h>
#include <covet/model.h>
#include <covet/prepared.h>
#include <covet/query.h>
#include <covet/retry.h>
#include <covet/router.h>
#include <covet/runtime.h>
#include <covet/sandbox.h>
#include <covet/server.h>
#include <covet/sqlite.h>
#include <covet/str.h>
#include <covet/sync.h>
#include <covet/testing.h>
#include <covet/time.h>
#include <covet/transaction.h>
#include <covet/url.h>
#include <covet/uuid.h>
#include <covet/value.h>
#include <covet/web.h>
#include <covet/workers.h>

#endif

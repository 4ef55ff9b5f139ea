/* Notifications: short messages from session to session, told at the commit of their transaction (LISTEN and NOTIFY of
 * PostgreSQL). docs/notifications.md is the guide.
 *
 *     cv_subscription *jobs;
 *     CV_TRY(cv_listen(cx, db, "jobs", NULL, &jobs));
 *     cv_notification n;
 *     int rc;
 *     while ((rc = cv_notification_next(cx, jobs, &n)) > 0) {
 *         if (n.gap)
 *             ...read again what matters: something may have been missed
 *         else
 *             ...n.payload
 *     }
 *     cv_listen_end(jobs);
 *
 * All channels of a database share one connection, which is made with the first of them, beside those of the pool, and
 * looked after: when it is lost or the server falls silent, another one is made, and every subscription is told of the
 * gap. A database that is reached through a transaction pooler cannot listen (CV_E_UNSUPPORTED), but notify. Other
 * engines have no notifications: CV_E_UNSUPPORTED, cv_db_can(db, CV_CAN_NOTIFICATIONS).
 *
 * Source: https://www.postgresql.org/docs/15/sql-notify.html */
#ifndef COVET_NOTIFY_H
#define COVET_NOTIFY_H

#include <covet/db.h>

CV_BEGIN_DECLS

/** The longest name of a channel and the longest payload, in bytes: longer ones are CV_E_LIMIT. */
#define CV_NOTIFY_CHANNEL_MAX_BYTES 63
#define CV_NOTIFY_PAYLOAD_MAX_BYTES 7999

/** One listener of one channel. From cv_listen to cv_listen_end. */
typedef struct cv_subscription cv_subscription;

/** All zero is a good choice. */
typedef struct cv_listen_options {
    size_t queue_length; /* notifications that may wait for their reader, at most a million: 1,000 */
} cv_listen_options;

/** A notification, or news of a gap. */
typedef struct cv_notification {
    const char *channel; /* as it was given to cv_listen; lives as long as the subscription */
    cv_str payload;      /* "" when there is none; valid until the next call for the subscription */
    int sender;          /* the number of the server's process that sent it; 0 for a gap */
    bool gap;            /* no notification: some may have been missed before the next one */
    bool reconnected;    /* with gap: the connection was lost meanwhile, and nobody knows what was sent */
    uint64_t dropped;    /* with gap: so many came while the queue was full, and are lost */
} cv_notification;

/** Subscribe to a channel of a database (NULL: that of the context): whatever is committed after the call has returned
 *  is told, in the order of the commits. Any number of fibers may subscribe to the same channel, each gets everything.
 *  The name is any UTF-8 text of 1 to 63 bytes, taken as it is (capitals, spaces and quotes stay), and copied. NULL
 *  options take the defaults. `*ret_subscription` is the caller's until cv_listen_end, which must come even after the
 *  database was closed. Suspends, at most for the database's connect_timeout and the deadline.
 *
 *  CV_E_INVALID, CV_E_LIMIT (the name, the length of the queue), CV_E_UNSUPPORTED (another engine, a pooler in
 * between), CV_E_READ_ONLY (a standby has no notifications), CV_E_NO_DATABASE, CV_E_CLOSED, and the errors of
 * connecting. */
CV_API CV_CHECKED int cv_listen(cv_ctx *cx, cv_db *db, const char *channel, const cv_listen_options *options,
                                cv_subscription **ret_subscription);

/** Wait for the next notification, or for news of a gap: 1, never 0. `*ret_notification` is set only then; its payload
 * is valid until the next call for the subscription. Suspends until the deadline. CV_E_TIMEOUT and CV_E_CANCELLED leave
 * the subscription as it is; CV_E_STATE: another fiber waits for it; CV_E_CLOSED once the database was closed, or the
 *  subscription was ended, and everything that had come was handed out. A lost connection is no error: it is a gap,
 * once there is another. */
CV_API CV_CHECKED int cv_notification_next(cv_ctx *cx, cv_subscription *subscription,
                                           cv_notification *ret_notification);

/** Send a notification to all who listen to the channel of a database (NULL: that of the context), this program among
 *  them: as part of the context's transaction when there is one on this database, at whose commit it is told, otherwise
 *  at once. Several with the same channel and payload in one transaction may come as one. The payload is UTF-8 text
 *  without NUL bytes. Suspends. CV_E_LIMIT (the name, a payload of more than 7,999 bytes), CV_E_INVALID,
 *  CV_E_UNSUPPORTED, CV_E_NO_DATABASE, and the errors of a statement. */
CV_API CV_CHECKED int cv_notify(cv_ctx *cx, cv_db *db, const char *channel, cv_str payload);

/** End a subscription and free it: nothing comes any more, and a fiber that waits for it fails with CV_E_CLOSED. The
 * last one of a channel has the server forget it by and by. From the runtime's thread; does not suspend. NULL is
 * allowed. */
CV_API void cv_listen_end(cv_subscription *subscription);

CV_END_DECLS

#endif

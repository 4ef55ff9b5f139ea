/* A reader of PostgreSQL's log, for its own three files: what is said over the stream (stream.c), the connection, made
 * again by a fiber when it is lost (connector.c), and what the driver's functions do with both (changes.c).
 *
 * States:   streaming (conn) -> none -> connecting (the fiber runs) -> streaming
 *           any -> failed (the fiber found what only people can change), interrupted (the database is closed)
 *
 * A reader belongs to its user until close, and to the fiber while it runs: the last one frees it. As long as it lives
 * it counts as an errand of the database, whose shared state stays. */
#ifndef COVET_SRC_DB_POSTGRES_CHANGES_READER_H
#define COVET_SRC_DB_POSTGRES_CHANGES_READER_H

#include "db/postgres/changes/changes.h"

enum { CV__PG_SILENT_BEATS = 3, CV__PG_READER_NAME_BYTES = 64 };

typedef struct cv__pg_reader {
    cv_changes base; /* first */
    unsigned owners; /* the user, and the fiber */
    cv__pg_shared *shared;
    cv_ctx *main;
    char name[CV__PG_READER_NAME_BYTES], publication[CV__PG_READER_NAME_BYTES];
    cv__pg_slot slot;
    cv__pg_conn *conn; /* NULL: none */
    int former_pid;    /* of the connection before */
    cv__pgoutput *output;
    char *message; /* read last; libpq's */
    bool interrupted, closed;
    bool renewing; /* another connection is made, with a copy of the slot of this one */
    /* the log */
    uint64_t reached;                     /* behind the last transaction that was told, or had nothing to tell */
    uint64_t received;                    /* what the server has sent goes up to here */
    uint64_t acknowledged;                /* by the user */
    uint64_t told;                        /* of that, to the server */
    uint64_t relearned;                   /* `reached`, when types were last learned anew; 0: never */
    char position[CV__PG_POSITION_BYTES]; /* `reached` */
    /* the timer */
    cv__timer timer;
    int64_t beat_ns, silent_ns;
    int64_t sent_ns, heard_ns;
    bool waiting; /* for the server to say something */
    int64_t gather_ns;
    int reads; /* since then */
    /* the fiber that connects */
    cv_fiber *connector;
    bool connecting;
    cv__waiter *waiter;     /* somebody waits for it */
    cv__kept_error failure; /* what it found that does not pass */
} cv__pg_reader;

/* --- stream.c --- */

/** Begin with a connection on which the server streams; the timer runs from here on. Does not suspend. */
void cv__pg_stream_begin(cv__pg_reader *r, cv__pg_conn *conn, const cv__pg_log *log);

/** The next event of what has arrived: 1, or 0 when more has to come. Errors as cv__pgoutput_read, those of the
 *  connection, and what the server says at the end of its stream. Does not suspend, unless the server has ended it. */
CV_CHECKED int cv__pg_stream_read(cv_ctx *cx, cv__pg_reader *r, cv_change *ret_change);

/** Wait until more has arrived. CV_E_TIMEOUT and CV_E_CANCELLED change nothing; otherwise the connection is lost.
 *  Suspends. */
CV_CHECKED int cv__pg_stream_wait(cv_ctx *cx, cv__pg_reader *r);

/** `acknowledged` has grown: tell the server now, or soon when it was told a moment ago. Does not suspend. */
void cv__pg_stream_acknowledge(cv__pg_reader *r);

/** Tell the server what is acknowledged, if it does not know yet, and end the wait of whoever reads: the database is
 *  closed. Does not suspend. */
void cv__pg_stream_interrupt(cv__pg_reader *r);

/** End in order, so that the server lets go of the slot at once; as far as the deadline allows. Suspends. */
void cv__pg_stream_end(cv_ctx *cx, cv__pg_reader *r);

/** Forget the message read last, and stop the timer: the connection is about to be dropped. Does not suspend. */
void cv__pg_stream_forget(cv__pg_reader *r);

/* --- connector.c --- */

/** A name of its own for a slot that has none. */
void cv__pg_reader_make_name(char ret_name[CV__PG_READER_NAME_BYTES]);

/** Connect and begin to stream at the place reached; `options` at the first time, when the tables are published, NULL
 *  later. Errors as cv_changes_open. Suspends. */
CV_CHECKED int cv__pg_reader_connect(cv_ctx *cx, cv__pg_reader *r, const cv_changes_options *options);

/** Give the connection up; NULL: none. Does not suspend. */
void cv__pg_reader_disconnect(cv__pg_reader *r);

/** Whether an error may pass by itself, so that it is worth to try again. */
bool cv__pg_reader_is_passing(int code);

/** Have the fiber make a connection, and wait for a change: there is one, it has failed, or the reader is interrupted.
 *  CV_E_TIMEOUT and CV_E_CANCELLED leave the fiber to it. Suspends. */
CV_CHECKED int cv__pg_reader_await_connection(cv_ctx *cx, cv__pg_reader *r);

/** End the fiber, and the wait for it. Does not suspend. */
void cv__pg_reader_interrupt(cv__pg_reader *r);

/** One owner less; the last one frees the reader. Does not suspend. */
void cv__pg_reader_release(cv__pg_reader *r);

#endif

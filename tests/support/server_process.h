/* What the private servers of tests have in common: a folder, an unprivileged user, programs, processes. Whatever goes
 * wrong in here fails the present case. */
#ifndef COVET_TESTS_SUPPORT_SERVER_PROCESS_H
#define COVET_TESTS_SUPPORT_SERVER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#define TEST_FOLDER_BYTES 128
#define TEST_PATH_BYTES   192

/** Make a temporary folder that the servers' user owns, with an empty folder `inner` in it. */
void test_server_folder(const char *inner, char ret_folder[TEST_FOLDER_BYTES]);
/** The path of a file in it. */
void test_server_path(const char *folder, const char *name, char ret_path[TEST_PATH_BYTES]);
/** Write a file of it anew; readable by the servers' user alone. */
void test_server_file(const char *folder, const char *name, const char *text);
/** Remove it with all that is in it. */
void test_server_remove(const char *folder);

/** A port that is free now; another process may take it first. */
int test_server_port(void);

/** Run a program in the folder as the servers' user, which is nobody when this is root, to its end; its exit status. */
int test_server_program(const char *folder, const char *path, const char *const arguments[]);
/** Start one that goes on; its process, to be reaped. Its output goes to the file "out" of the folder. */
pid_t test_server_spawn(const char *folder, const char *path, const char *const arguments[]);

/** The number that a file of the folder begins with; 0: none. */
pid_t test_server_pid(const char *folder, const char *name);
pid_t test_process_parent(pid_t pid);
/** Whether it exists and is no zombie. */
bool test_process_is_running(pid_t pid);
/** Stop it (SIGSTOP), and wait until each of its threads stands still, which on a busy machine takes its time. */
void test_process_freeze(pid_t pid);
/** Wait until a child has ended, and reap it; its status as waitpid() has it. */
int test_process_reap(pid_t pid);
/** Wait until a process that may be nobody's child here has ended. */
void test_process_await_end(pid_t pid);

#endif

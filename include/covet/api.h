/* Attributes of public declarations. Every public header includes this one first. */
#ifndef COVET_API_H
#define COVET_API_H

#define CV_VERSION_MAJOR 0
#define CV_VERSION_MINOR 1
#define CV_VERSION_PATCH 0
#define CV_VERSION       "0.1.0"

/** Marks a symbol that the shared library exports. */
#define CV_API __attribute__((visibility("default")))

/** The caller must look at the result: everything fallible carries this. */
#define CV_CHECKED __attribute__((warn_unused_result))

/** The compiler checks the arguments of a printf-like function. */
#define CV_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* A name of its own per line, so that block macros nest without shadowing. */
#define CV__UNIQUE(name)        CV__PASTE(name, __LINE__)
#define CV__PASTE(left, right)  CV__PASTE_(left, right)
#define CV__PASTE_(left, right) left##right

#ifdef __cplusplus
#define CV_BEGIN_DECLS extern "C" {
#define CV_END_DECLS   }
#else
#define CV_BEGIN_DECLS
#define CV_END_DECLS
#endif

#endif

/* A hash map from byte strings to pointers. Keys are copied; values belong to the caller. Not for several threads at
 * once. Open addressing, keyed hash (cv_hash), so keys from outside are safe. Nothing here suspends. */
#ifndef COVET_MAP_H
#define COVET_MAP_H

#include <covet/str.h>

CV_BEGIN_DECLS

typedef struct cv_map cv_map;

/** Make a map of at most `max_entries` (0: 16 million). NULL without memory. Free with cv_map_free (NULL allowed). */
CV_API cv_map *cv_map_new(size_t max_entries);
CV_API void cv_map_free(cv_map *map);

CV_API size_t cv_map_count(const cv_map *map);

/** The value of the key, or NULL. */
CV_API void *cv_map_get(const cv_map *map, cv_str key);
CV_API bool cv_map_has(const cv_map *map, cv_str key);

/** Set the value; the former one is returned through `ret_old` (which may be NULL). CV_E_NOMEM or CV_E_LIMIT. */
CV_API CV_CHECKED int cv_map_set(cv_map *map, cv_str key, void *value, void **ret_old);

/** Remove the key and return its value, or NULL. */
CV_API void *cv_map_remove(cv_map *map, cv_str key);

/** Visit all entries in insertion order. `*position` starts at 0; false at the end. Removing the visited entry while
 *  iterating is allowed, adding is not. */
CV_API bool cv_map_next(const cv_map *map, size_t *position, cv_str *ret_key, void **ret_value);

CV_END_DECLS

#endif

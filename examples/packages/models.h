/* What is known of the machine's packages. Texts are views (cv_str): while importing they point into the file that is
 * read. */
#ifndef PACKAGES_MODELS_H
#define PACKAGES_MODELS_H

#include <covet/covet.h>

struct section {
    int64_t id;
    cv_str name;
};

struct maintainer {
    int64_t id;
    cv_str name;
    cv_str email;
};

struct package {
    int64_t id;
    cv_str name;
    cv_str architecture;
    cv_str version;
    cv_str status; /* dpkg's third word: "installed", "config-files"; "available" for lists of what can be had */
    cv_str priority;
    cv_str source;
    cv_str homepage;
    cv_str summary;
    cv_str description;
    cv_opt_i64 installed_size; /* KiB */
    int64_t section_id;
    struct section *section;
    int64_t maintainer_id;
    struct maintainer *maintainer;
};

/** One alternative of one entry of a relation field: `Depends: a (>= 1) | b, c` gives three, at (position, alternative)
 *  (0, 0), (0, 1) and (1, 0). The other package is a name: it may be virtual, or not known here. */
struct dependency {
    int64_t id;
    int64_t package_id;
    struct package *package;
    cv_str kind; /* "depends", "pre-depends", "recommends", ... */
    int32_t position;
    int32_t alternative;
    cv_str name;
    cv_str architecture; /* of "python3:any"; NULL without */
    cv_str relation;     /* "<<", "<=", "=", ">=", ">>"; NULL without */
    cv_str version;
};

CV_MODEL_DECLARE(section);
CV_MODEL_DECLARE(maintainer);
CV_MODEL_DECLARE(package);
CV_MODEL_DECLARE(dependency);

#endif

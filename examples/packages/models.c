#include "models.h"

CV_MODEL(section, "sections", CV_ID(id), CV_CHAR(name, .max_length = 100, .unique = true), CV_ORDERING("name"))

CV_MODEL(maintainer, "maintainers", CV_ID(id), CV_CHAR(name, .max_length = 200),
         CV_CHAR(email, .max_length = 200, .null = true), CV_UNIQUE_TOGETHER("name", "email"), CV_ORDERING("name"))

CV_MODEL(package, "packages", CV_ID(id), CV_CHAR(name, .max_length = 200), CV_CHAR(architecture, .max_length = 40),
         CV_CHAR(version, .max_length = 200), CV_CHAR(status, .max_length = 20),
         CV_CHAR(priority, .max_length = 20, .null = true), CV_CHAR(source, .max_length = 300, .null = true),
         CV_TEXT(homepage, .null = true), CV_TEXT(summary), CV_TEXT(description),
         CV_INTEGER(installed_size, .min = "0"), CV_FOREIGN_KEY(section, section),
         CV_FOREIGN_KEY(maintainer, maintainer), CV_UNIQUE_TOGETHER("name", "architecture"),
         CV_ORDERING("name", "architecture"))

CV_MODEL(dependency, "dependencies", CV_ID(id), CV_FOREIGN_KEY(package, package, .on_delete = CV_CASCADE),
         CV_CHAR(kind, .max_length = 20), CV_INTEGER(position), CV_INTEGER(alternative),
         CV_CHAR(name, .max_length = 200, .index = true), CV_CHAR(architecture, .max_length = 40, .null = true),
         CV_CHAR(relation, .max_length = 2, .null = true), CV_CHAR(version, .max_length = 200, .null = true),
         CV_ORDERING("kind", "position", "alternative"))

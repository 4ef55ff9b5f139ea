/* A C source with the texts of all migrations. The texts are arrays of numbers: a string literal may have 4,095 bytes
 * only (C17, 5.2.4.1), and a migration has more. */
#include "migrate/migrations.h"

#include <ctype.h>

static bool is_c_identifier(const char *symbol)
{
    if (!symbol || isdigit((unsigned char)*symbol))
        return false;
    for (const char *at = symbol; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_')
            return false;
    return *symbol && strlen(symbol) <= 200;
}

static void add_text(cv_buf *out, const cv__migration *migration, size_t number)
{
    cv_buf_printf(out, "\n/* %s/%s */\nstatic const unsigned char text_%zu[] = {", migration->label, migration->name,
                  number);
    for (size_t i = 0; i < migration->text.len; i++)
        cv_buf_printf(out, "%s%u,", i % 24 == 0 ? "\n" : "", (unsigned char)migration->text.ptr[i]);
    cv_buf_add_text(out, "\n0};\n");
}

int cv_migrations_embed(cv_ctx *cx, const cv_migrations *migrations, const char *symbol, cv_buf *out)
{
    if (!is_c_identifier(symbol))
        return cv_fail(cx, CV_E_INVALID, "\"%s\" is not a name in C", symbol ? symbol : "");
    cv_buf_add_text(out, "/* Made by \"covet embed\" from migration files; not to be edited. */\n"
                         "#include <covet/migrate.h>\n");
    for (size_t i = 0; i < migrations->count; i++)
        add_text(out, migrations->list[i], i);
    cv_buf_printf(out, "\nextern const cv_embedded_migration %s[];\nextern const size_t %s_count;\n", symbol, symbol);
    cv_buf_printf(out, "\nconst cv_embedded_migration %s[] = {\n", symbol);
    for (size_t i = 0; i < migrations->count; i++)
        cv_buf_printf(out, "    {\"%s\", \"%s\", (const char *)text_%zu, %zu},\n", migrations->list[i]->label,
                      migrations->list[i]->name, i, migrations->list[i]->text.len);
    if (migrations->count == 0)
        cv_buf_add_text(out, "    {0, 0, 0, 0},\n");
    cv_buf_printf(out, "};\nconst size_t %s_count = %zu;\n", symbol, migrations->count);
    if (out->error)
        return cv_fail(cx, out->error, "could not write the source: %s", cv_error_text(out->error));
    return 0;
}

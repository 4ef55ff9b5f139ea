#include "tls_files.h"
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

/* $1: the folder. */
static const char script[] =
    "set -e; cd \"$1\"; exec >log 2>&1\n"
    "key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "authority() { openssl req -x509 $key -keyout $1.key -out $1.crt -subj \"/CN=$1\" -days 30; }\n"
    /* NAME AUTHORITY COMMON-NAME DAYS */
    "certificate() {\n"
    "  openssl req $key -keyout $1.key -out $1.csr -subj \"/CN=$3\"\n"
    "  echo \"subjectAltName=DNS:$3\" >$1.ext\n"
    "  openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -days $4 -extfile $1.ext -out $1.crt\n"
    "}\n"
    "authority ca; authority other-ca\n"
    "certificate server ca localhost 30\n"
    "certificate elsewhere ca db.example.com 30\n"
    "certificate expired ca localhost -1\n"
    "certificate client ca app 30\n"
    "certificate stranger other-ca app 30\n"
    "openssl ec -in client.key -aes128 -passout 'pass:open sesame' -out locked.key\n"
    "touch index.txt; echo 01 >crlnumber\n"
    "printf '[ca]\\ndefault_ca=x\\n[x]\\ndatabase=index.txt\\ncrlnumber=crlnumber\\ndefault_md=sha256\\n"
    "default_crl_days=30\\n' >ca.conf\n"
    "openssl ca -config ca.conf -keyfile ca.key -cert ca.crt -revoke server.crt\n"
    "openssl ca -config ca.conf -keyfile ca.key -cert ca.crt -gencrl -out revoked.crl\n"
    "chmod 600 *.key\n";

static int run_script(const char *text, const char *folder)
{
    pid_t pid = fork();
    if (pid == 0) {
        unsetenv("LD_PRELOAD"); /* sanitizers are for the code under test */
        execl("/bin/sh", "sh", "-c", text, "sh", folder, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool test_tls_create(test_tls *tls)
{
    const char *tmp = getenv("TMPDIR");
    *tls = (test_tls){0};
    if (run_script("command -v openssl >/dev/null", "") != 0) {
        print_message("# skipped: there is no openssl program; tools/bootstrap test installs it\n");
        return false;
    }
    snprintf(tls->folder, sizeof tls->folder, "%s/covet-tls.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(tls->folder));
    if (run_script(script, tls->folder) != 0)
        fail_msg("the certificates could not be made: %s", test_tls_read(tls, "log"));
    return true;
}

void test_tls_destroy(test_tls *tls)
{
    if (tls->folder[0])
        assert_int_equal(run_script("rm -r -- \"$1\"", tls->folder), 0);
    tls->folder[0] = '\0';
}

const char *test_tls_read(const test_tls *tls, const char *name)
{
    static char text[16384];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", tls->folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* test_url.c - where requests may go, which addresses are private, what names and paths are taken. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "hub/hub_int.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static address_kind kind(const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return address_kind_of((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_kind_of((const struct sockaddr *)&v6);
}

static void addresses_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *text;
        address_kind want;
    } cases[] = {
        {"127.0.0.1", ADDRESS_LOOPBACK},
        {"127.255.0.9", ADDRESS_LOOPBACK},
        {"::1", ADDRESS_LOOPBACK},
        {"::ffff:127.0.0.1", ADDRESS_LOOPBACK},
        {"10.0.0.1", ADDRESS_PRIVATE},
        {"172.16.0.1", ADDRESS_PRIVATE},
        {"172.31.255.255", ADDRESS_PRIVATE},
        {"172.32.0.1", ADDRESS_PUBLIC},
        {"192.168.7.7", ADDRESS_PRIVATE},
        {"100.64.0.1", ADDRESS_PRIVATE},
        {"100.128.0.1", ADDRESS_PUBLIC},
        {"169.254.169.254", ADDRESS_LINK_LOCAL},
        {"::ffff:169.254.1.1", ADDRESS_LINK_LOCAL},
        {"64:ff9b::10.0.0.1", ADDRESS_PRIVATE},
        {"2002:0a00:0001::", ADDRESS_PRIVATE},
        {"0.0.0.0", ADDRESS_UNUSABLE},
        {"224.0.0.1", ADDRESS_UNUSABLE},
        {"255.255.255.255", ADDRESS_UNUSABLE},
        {"::", ADDRESS_UNUSABLE},
        {"ff02::1", ADDRESS_UNUSABLE},
        {"fe80::1", ADDRESS_LINK_LOCAL},
        {"fd00::1", ADDRESS_PRIVATE},
        {"fec0::1", ADDRESS_PRIVATE},
        {"2606:4700::1111", ADDRESS_PUBLIC},
        {"9.9.9.9", ADDRESS_PUBLIC},
        {"11.0.0.0", ADDRESS_PUBLIC},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (kind(cases[i].text) != cases[i].want) fail_msg("%s is kind %d", cases[i].text, (int)kind(cases[i].text));
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_int_equal(address_kind_of(&other), ADDRESS_UNUSABLE);
}

static void origins_are_scheme_host_and_port(void **state) {
    (void)state;
    url_origin a, b;
    OK(url_origin_of(&a, "https://Hub.Example/x/y?z"));
    OK(url_origin_of(&b, "https://hub.example:443/"));
    assert_true(url_origin_same(&a, &b));
    OK(url_origin_of(&b, "https://hub.example:444/"));
    assert_false(url_origin_same(&a, &b));
    OK(url_origin_of(&b, "http://hub.example:443/"));
    assert_false(url_origin_same(&a, &b));
    OK(url_origin_of(&b, "http://[::1]:8080/x"));
    assert_string_equal(b.host, "::1");
    assert_int_equal(b.port, 8080);
}

static void other_schemes_and_passwords_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"file:///etc/passwd", "ftp://a/b",    "gopher://a", "https://u:p@a/", "https://u@a/", "",
                                      "https://",           "javascript:x", "//a/b"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        url_origin o;
        if (!url_origin_of(&o, bad[i])) fail_msg("taken: '%s'", bad[i]);
    }
}

static lmm_status step(const char *from, const char *to, bool insecure) {
    url_origin a, b;
    if (from) OK(url_origin_of(&a, from));
    OK(url_origin_of(&b, to));
    return url_step_check(from ? &a : NULL, &b, insecure);
}

static void plain_http_stays_on_this_machine(void **state) {
    (void)state;
    OK(step(NULL, "http://127.0.0.1:80/", false));
    OK(step(NULL, "http://localhost/", false));
    OK(step(NULL, "http://[::1]/", false));
    OK(step(NULL, "http://0x7f000001/", false)); /* the same address, written by someone in a mood */
    OK(step(NULL, "http://hub.lan/", true));
    OK(step("http://hub.lan/", "http://cdn.lan/", true));
    OK(step("http://127.0.0.1/", "https://cdn.example/", false));
    assert_int_not_equal(step(NULL, "http://hub.lan/", false), LMM_OK);
    assert_int_not_equal(step(NULL, "http://localhost.evil.example/", false), LMM_OK);
    assert_int_not_equal(step("https://a/", "http://127.0.0.1/", false), LMM_OK);
    assert_int_not_equal(step("https://a/", "http://b/", true), LMM_OK);
}

static void locations_are_resolved(void **state) {
    (void)state;
    static const char *const cases[][3] = {{"https://h/a/b?c", "/x", "https://h/x"},
                                           {"https://h/a/b", "c?d=e", "https://h/a/c?d=e"},
                                           {"https://h/a/b", "https://cdn/x?s=1%2F2", "https://cdn/x?s=1%2F2"},
                                           {"https://h/a", "//other/x", "https://other/x"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *got = NULL;
        OK(url_resolve(&got, cases[i][0], cases[i][1]));
        assert_string_equal(got, cases[i][2]);
        free(got);
    }
}

static void next_page_is_found_in_the_header(void **state) {
    (void)state;
    char *next = url_link_next("<https://h/1>; rel=\"prev\", <https://h/3?a=b>; rel=\"next\"");
    assert_string_equal(next, "https://h/3?a=b");
    free(next);
    assert_null(url_link_next("<https://h/1>; rel=\"prev\""));
    assert_null(url_link_next("<https://h/1"));
    assert_null(url_link_next(""));
}

static void text_is_escaped(void **state) {
    (void)state;
    char *a = url_escape("refs/pr/1", false), *b = url_escape("a b/\xc3\xa9?#%", true);
    assert_string_equal(a, "refs%2Fpr%2F1");
    assert_string_equal(b, "a%20b/%C3%A9%3F%23%25");
    free(a);
    free(b);
}

static bool safe(const char *path) { return hub_path_is_safe(path, strlen(path)); }

static void paths_stay_inside(void **state) {
    (void)state;
    static const char *const good[] =
        {"a", "a/b", "..a", "a..", ".gitattributes", "a b/c\xc3\xa9", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"};
    static const char *const bad[] = {"",       "/a",   "a/",  "a//b", ".",    "..",   "../a",
                                      "a/../b", "a/..", "./a", "a/.",  "a\\b", "a\nb", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!safe(good[i])) fail_msg("refused: '%s'", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (safe(bad[i])) fail_msg("taken: '%s'", bad[i]);
    assert_false(hub_path_is_safe("a\0b", 3));
    char longest[257];
    memset(longest, 'x', 256);
    longest[256] = '\0';
    assert_false(safe(longest));
    longest[255] = '\0';
    assert_true(safe(longest));
}

static void names_are_taken_apart(void **state) {
    (void)state;
    hub_name n;
    OK(hub_name_parse(&n, "org/name.v1"));
    assert_string_equal(n.id, "org/name.v1");
    assert_string_equal(n.revision, "main");
    hub_name_free(&n);
    OK(hub_name_parse(&n, "hf://datasets/org/name@refs/pr/1"));
    assert_true(n.is_dataset);
    assert_string_equal(n.id, "org/name");
    assert_string_equal(n.revision, "refs/pr/1");
    hub_name_free(&n);
    OK(hub_name_parse(&n, "hf://org/name@v1:Q4_K_M"));
    assert_string_equal(n.id, "org/name");
    assert_string_equal(n.revision, "v1");
    assert_string_equal(n.quant, "Q4_K_M");
    hub_name_free(&n);
    static const char *const bad[] = {"a/b:", "a/b:x/y", "a/b:Q4:Q5", "a/b:.gguf", "a/b:@v1",      ":Q4",     "",      "a/b/c",
                                      "../b", "a/..",    "a--b/c",    "-a/b",      "a/b-",         ".a/b",    "a b/c", "a/",
                                      "/b",   "a/b@",    "a/b@../c",  "a/b@/etc",  "a/b@refs//pr", "a/b@x\\y"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (!hub_name_parse(&n, bad[i])) fail_msg("taken: '%s'", bad[i]);
}

static void quantisations_are_read_off_names(void **state) {
    (void)state;
    static const struct {
        const char *path, *quant;
        bool want;
    } cases[] = {
        {"model-Q4_K_M.gguf", "Q4_K_M", true},
        {"sub/model.q4_k_m.gguf", "Q4_K_M", true},
        {"model_Q8_0-00001-of-00002.gguf", "q8_0", true},
        {"UD-Q4_K_XL.GGUF", "Q4_K_XL", true},
        {"Q4_0.gguf", "Q4_0", true},
        {"model-Q4_K_M.gguf", "Q4_K", false},
        {"model-IQ4_0.gguf", "Q4_0", false},
        {"Q4_0/model-Q8_0.gguf", "Q4_0", false},
        {"model-Q4_0.safetensors", "Q4_0", false},
        {"mmproj-model-Q8_0.gguf", "Q8_0", false},
        {"model-mmproj-f16.gguf", NULL, false},
        {"model.gguf", NULL, true},
        {".gguf", NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (hub_file_is_quant(cases[i].path, cases[i].quant) != cases[i].want) fail_msg("%s as %s", cases[i].path, cases[i].quant);
}

static void one_projector_is_taken(void **state) {
    (void)state;
    static const struct {
        const char *path, *best;
        bool want;
    } cases[] = {
        {"mmproj-model-Q8_0.gguf", NULL, true},
        {"sub/model-mmproj.GGUF", NULL, true},
        {"mmproj-F16.gguf", "mmproj-model-Q8_0.gguf", true},
        {"mmproj-model-f16.gguf", "mmproj-F16.gguf", false},
        {"mmproj-model-Q8_0.gguf", "mmproj-F16.gguf", false},
        {"model-Q4_K_M.gguf", NULL, false},
        {"mmproj/model.gguf", NULL, false},
        {"mmproj.safetensors", NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (hub_file_is_projector(cases[i].path, cases[i].best) != cases[i].want) fail_msg("%s", cases[i].path);
}

static void waits_double_and_listen_to_the_server(void **state) {
    (void)state;
    for (int i = 1; i <= HTTP_RETRIES; i++) assert_true(http_retry_wait(i, 1, 0, 0) == (double)(1 << (i - 1)));
    assert_true(http_retry_wait(1, 1, 0, 1) == 1.25);
    assert_true(http_retry_wait(1, 1, 30, 0) == 30);
    assert_true(http_retry_wait(1, 1, 1e9, 0) == 300);
    assert_true(http_retry_wait(3, 1, -5, 0) == 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(origins_are_scheme_host_and_port),
        cmocka_unit_test(other_schemes_and_passwords_are_refused),
        cmocka_unit_test(plain_http_stays_on_this_machine),
        cmocka_unit_test(locations_are_resolved),
        cmocka_unit_test(next_page_is_found_in_the_header),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(paths_stay_inside),
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(quantisations_are_read_off_names),
        cmocka_unit_test(one_projector_is_taken),
        cmocka_unit_test(waits_double_and_listen_to_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

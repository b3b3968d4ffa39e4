/* test_gguf_projector.c - a LLaVA in two GGUF files, written with the names and keys of llama.cpp's converter, gives the logits of the folder it
 * was made from, bit for bit. */
#include "../engine/model_util.h"

#include <unistd.h>

#include "media/media.h"
#include "projector_util.h"
#include "../folder.h"

/* ---- both against each other ---- */

static float *logits_of(const lmm_model *m, const char *picture) {
    lmm_prompt *p = raw_prompt(m, "USER: <image>\nWhat is shown? ASSISTANT:", picture);
    lmm_session *s;
    OK(lmm_session_open(&s, m, &(lmm_session_opts){.context = 512}));
    OK(lmm_session_sync(s, p, NULL));
    size_t size = (size_t)m->net->dec.config.vocab * sizeof(float);
    float *copy = mem_new(1, size);
    memcpy(copy, lmm_session_logits(s), size);
    lmm_session_close(s);
    lmm_prompt_free(p);
    return copy;
}

static void convert(lmm_runtime *r, const char *from, const char *to) {
    char *report;
    OK(lmm_convert(r, from, to, &(lmm_convert_opts){.quiet = true}, &report));
    free(report);
}

static void check_pair(const char *dir, const variant *v) {
    static const char *const pictures[] = {PICTURE("wide.png"), PICTURE("tall.png")};
    char *text = in_folder("text.gguf"), *mmproj = in_folder("mmproj.gguf");
    opened o = open_tiny(dir, 2);
    lmm_model *pair;
    convert(o.runtime, dir, text);
    write_projector(o.model->net, mmproj, v);
    if (lmm_model_open_projected(&pair, o.runtime, text, mmproj)) fail_msg("%s", lmm_message());
    lmm_model_reference(o.model, LMM_REFERENCE_ORIGINAL);
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        float *a = logits_of(o.model, pictures[i]), *b = logits_of(pair, pictures[i]);
        assert_memory_equal(a, b, (size_t)pair->net->dec.config.vocab * sizeof *a);
        free(a);
        free(b);
    }
    lmm_model_close(pair);
    close_tiny(&o);
    free(text);
    free(mmproj);
}

static void llava_1_5_in_two_files_is_its_folder(void **state) {
    (void)state;
    check_pair(TINY("llava"), &(variant){.names_state = false, .kind = "mlp"});
    check_pair(TINY("llava"), &(variant){.names_state = true, .turned = true, .kind = "mlp"});
}

static void llava_1_6_in_two_files_is_its_folder(void **state) {
    (void)state;
    static const char dir[] = LMM_SHARED "/golden/checkpoints/llava_next";
    if (!file_is_dir(dir)) {
        print_message("skipped: no %s\n", dir);
        skip();
    }
    check_pair(dir, &(variant){.names_state = true, .kind = "mlp"});
}

static void refused(lmm_runtime *r, const char *text, const char *mmproj, const char *why) {
    lmm_model *m;
    if (!lmm_model_open_projected(&m, r, text, mmproj)) fail_msg("opened, should say: %s", why);
    if (!strstr(lmm_message(), why)) fail_msg("says '%s', should say: %s", lmm_message(), why);
}

static void what_does_not_fit_is_said(void **state) {
    (void)state;
    char *text = in_folder("text.gguf"), *mmproj = in_folder("mmproj.gguf"), *other = in_folder("other.gguf");
    opened o = open_tiny(TINY("llava"), 1), llama = open_tiny(TINY("llama"), 1);
    convert(o.runtime, TINY("llava"), text);
    convert(o.runtime, TINY("llama"), other);
    write_projector(o.model->net, mmproj, &(variant){.kind = "ldp"});
    refused(o.runtime, text, mmproj, "projectors of the type 'ldp' are not supported");
    write_projector(o.model->net, mmproj, &(variant){.kind = "mlp"});
    refused(o.runtime, text, text, "is no projector file: its architecture is 'llama', not 'clip'");
    refused(o.runtime, mmproj, mmproj, "and this one with --mmproj");
    refused(o.runtime, TINY("llava"), mmproj, "is no GGUF file, and only these have their projector");
    if (llama.model->net->dec.config.hidden != o.model->net->dec.config.hidden) refused(o.runtime, other, mmproj, "model needs");
    close_tiny(&llama);
    close_tiny(&o);
    free(text);
    free(mmproj);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llava_1_5_in_two_files_is_its_folder),
        cmocka_unit_test(llava_1_6_in_two_files_is_its_folder),
        cmocka_unit_test(what_does_not_fit_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

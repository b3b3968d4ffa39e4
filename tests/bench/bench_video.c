/* bench_video.c - from a video file to the logits of the first token, against its parts measured alone: decoding, and tower with prefill.
 *
 * The network is LLaVA-OneVision-shaped with random weights: SigLIP-B/16 at 224 pixels (49 rows a frame) and a decoder of 12 layers x 896. Making frames
 * ready for the tower is no part of either measure: it has to hide behind the decoding, which runs in another process. One JSON line.
 * usage: bench_video VIDEO [FRAMES [ROUNDS]] */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

static const char config_text[] =
    "{\"architectures\": [\"LlavaOnevisionForConditionalGeneration\"], \"model_type\": \"llava_onevision\", \"image_token_index\": 364,"
    " \"video_token_index\": 365, \"image_grid_pinpoints\": [[224, 224]], \"vision_aspect_ratio\": \"anyres_max_9\", "
    "\"vision_feature_layer\": -1,"
    " \"vision_feature_select_strategy\": \"full\", \"projector_hidden_act\": \"gelu\","
    " \"vision_config\": {\"model_type\": \"siglip_vision_model\", \"hidden_size\": 768, \"intermediate_size\": 3072, "
    "\"num_hidden_layers\": 12,"
    "   \"num_attention_heads\": 12, \"image_size\": 224, \"patch_size\": 16},"
    " \"text_config\": {\"model_type\": \"qwen2\", \"hidden_size\": 896, \"intermediate_size\": 4864, \"num_hidden_layers\": 12,"
    "   \"num_attention_heads\": 14, \"num_key_value_heads\": 2, \"vocab_size\": 384, \"max_position_embeddings\": 32768}}";
static const char processor_text[] = "{\"image_processor_type\": \"LlavaOnevisionImageProcessor\", \"size\": {\"height\": 224, \"width\": "
                                     "224}, \"image_mean\": [0.5, 0.5, 0.5],"
                                     " \"image_std\": [0.5, 0.5, 0.5], \"image_grid_pinpoints\": [[224, 224]]}";

static lmm_status open_random(lmm_model **out, lmm_runtime *runtime) {
    tree *config = NULL, *processor = NULL;
    preprocess_spec spec = {0};
    net *n = NULL;
    lmm_status st = tree_parse_json(&config, config_text, strlen(config_text), "config");
    if (!st) st = tree_parse_json(&processor, processor_text, strlen(processor_text), "processor");
    if (!st) st = preprocess_read(&spec, processor, "processor");
    if (!st) st = net_new(&n, config, &spec, &(net_start){.seed = 1}, "config");
    if (!st) st = model_wrap(out, runtime, n, LMM_SOURCE "/configs/length");
    tree_free(processor);
    tree_free(config);
    return st;
}

static lmm_status begin(void *arg, const video_frames *about) {
    *(int *)arg = about->count;
    return LMM_OK;
}

static lmm_status pass_by(void *arg, int place, const image *frame, double seconds) {
    (void)arg, (void)place, (void)frame, (void)seconds;
    return LMM_OK;
}

/* The road of `lmm chat`: prompt (decoding, frames made ready), then session (tower, prefill, logits). */
static lmm_status walk(double *prompt_s, double *session_s, const lmm_model *m, const char *video, int frames) {
    lmm_prompt *p = NULL;
    lmm_session *s = NULL;
    lmm_prompt_opts o = {.videos = &video, .video_count = 1, .video = {.frames = frames}};
    double start = time_now();
    lmm_status st = lmm_prompt_raw(&p, m, "<video>\nWhat?", 13, &o);
    double ready = time_now();
    if (!st) st = lmm_session_open(&s, m, &(lmm_session_opts){.context = lmm_prompt_length(p) + 1});
    if (!st) st = lmm_session_sync(s, p, NULL);
    if (!st) (void)lmm_session_logits(s);
    *prompt_s = ready - start;
    *session_s = time_now() - ready;
    lmm_session_close(s);
    lmm_prompt_free(p);
    return st;
}

static lmm_status decode_alone(double *seconds, int *count, const char *video, int frames) {
    frame_take take = {.rule = FRAMES_LINSPACE, .count = frames};
    double start = time_now();
    lmm_status st = video_stream_file(video, &take, NULL, &(video_sink){begin, pass_by, count});
    *seconds = time_now() - start;
    return st;
}

static double least(double a, double b) { return a && a < b ? a : b; }

/* The best of all rounds of each part; tower and prefill are measured on walks of their own. */
static lmm_status measure(const lmm_model *m, const char *video, int frames, int rounds) {
    double decode = 0, compute = 0, whole = 0, ready = 0;
    int count = 0;
    lmm_status st = LMM_OK;
    for (int i = 0; i < rounds && !st; i++) {
        double decode_s, prompt_s, session_s, whole_prompt_s, whole_session_s;
        st = decode_alone(&decode_s, &count, video, frames);
        if (!st) st = walk(&prompt_s, &session_s, m, video, frames);
        if (!st) st = walk(&whole_prompt_s, &whole_session_s, m, video, frames);
        if (st) return st;
        decode = least(decode, decode_s);
        compute = least(compute, session_s);
        ready = least(ready, whole_prompt_s);
        whole = least(whole, whole_prompt_s + whole_session_s);
    }
    printf("{\"frames\": %d, \"decode_s\": %.2f, \"tower_prefill_s\": %.2f, \"whole_s\": %.2f, \"whole_over_parts\": %.3f, "
           "\"frames_ready_over_decode\": %.3f}\n",
           count, decode, compute, whole, whole / (decode + compute), ready / decode);
    return st;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 4) return fprintf(stderr, "usage: bench_video VIDEO [FRAMES [ROUNDS]]\n"), 2;
    int frames = argc > 2 ? atoi(argv[2]) : 32, rounds = argc > 3 ? atoi(argv[3]) : 3;
    lmm_runtime *runtime = NULL;
    lmm_model *m = NULL;
    lmm_status st = lmm_runtime_open(&runtime, 0, NULL);
    if (!st) st = open_random(&m, runtime);
    if (!st) st = measure(m, argv[1], frames, rounds);
    if (st) return fprintf(stderr, "bench_video: %s\n", lmm_message()), 1;
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return 0;
}

/* Any bytes before the first NUL as tokenizer.json, those behind it as a text: no crash, no leak, and a stream of ids gives what the
 * whole gives. When the first part is no tokenizer, the text goes through one that is known. */
#include <stdlib.h>
#include <string.h>

#include "text/text.h"

/* A stream decodes its last 64 ids again with every new one, which is most of the time here: it goes just beyond them, and once or twice an input. */
enum { DECODED_MAX = 72 };

#define BYTES "\"Ġ\": 3, \"Ġa\": 4, \"ab\": 5, \"<0x41>\": 6, \"<0xE2>\": 7, \"▁\": 8, \"a</w>\": 9, \"##a\": 10, \"Ã\": 11, \"©\": 12"
static const char *const known[] = {
    "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"u\", \"fuse_unk\": true, \"vocab\": {\"u\": 0, \"a\": 1, \"b\": 2, " BYTES
    "}, \"merges\": [\"Ġ a\", \"a b\"]},"
    "\"added_tokens\": [{\"id\": 13, \"content\": \"<s>\", \"special\": true, \"lstrip\": true}, {\"id\": 14, \"content\": \"é\", "
    "\"normalized\": true, \"rstrip\": true}],"
    "\"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"decoder\": {\"type\": \"ByteLevel\"}}",
    "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"u\", \"byte_fallback\": true, \"vocab\": {\"u\": 0, \"a\": 1, \"b\": 2, " BYTES
    "}, \"merges\": [\"a b\"]},"
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKD\"}, {\"type\": \"Replace\", \"pattern\": {\"Regex\": "
    "\"\\\\s|x*\"}, \"content\": \"▁\"}]},"
    "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"first\"}, \"decoder\": {\"type\": \"Sequence\", \"decoders\": "
    "[{\"type\": \"Replace\", \"pattern\":"
    "{\"String\": \"▁\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" "
    "\", \"start\": 1, \"stop\": 1}]}}",
    "{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"u\", \"vocab\": {\"u\": 0, \"a\": 1, \"b\": 2, " BYTES
    "}}, \"normalizer\": {\"type\": \"BertNormalizer\"},"
    "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"decoder\": {\"type\": \"WordPiece\"}}",
    "{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\", \"vocab\": {\"u\": 0, \"a\": 1, \"b\": 2, " BYTES
    "}, \"merges\": []}, \"normalizer\": {\"type\": \"Strip\"},"
    "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\"}, {\"type\": \"Punctuation\", \"behavior\": "
    "\"MergedWithNext\"}, {\"type\": \"Whitespace\"}]},"
    "\"decoder\": {\"type\": \"BPEDecoder\"}}",
};

static void check_decoding(const tokenizer *t, const int *ids, int count, bool skip_special) {
    buf whole = {0}, streamed = {0};
    token_stream stream = {.skip_special = skip_special};
    bool good = !tokenizer_decode(t, ids, count, skip_special, &whole);
    for (int i = 0; i < count; i++) good &= !token_stream_push(&stream, t, ids[i], &streamed);
    good &= !token_stream_end(&stream, t, &streamed);
    if (good && (whole.size != streamed.size || (whole.size && memcmp(whole.data, streamed.data, whole.size)))) abort();
    token_stream_free(&stream);
    buf_free(&whole);
    buf_free(&streamed);
}

static void use(const tokenizer *t, const char *text, size_t size) {
    id_list ids = {0};
    for (int flags = 0; flags < 4; flags++) {
        ids.count = 0;
        if (tokenizer_encode(t, text, size, flags, &ids)) continue;
        for (int i = 0; i < ids.count; i++)
            if (!tokenizer_token(t, ids.at[i])) abort();
        if ((size_t)flags == size % 4) check_decoding(t, ids.at, min_int(ids.count, DECODED_MAX), flags & 1);
    }
    ids.count = 0;
    for (size_t i = 0; i < size && i < DECODED_MAX; i++) VEC_PUSH(&ids, (unsigned char)text[i] % (tokenizer_vocab_size(t) + 1));
    if (size % 3 == 0) check_decoding(t, ids.at, ids.count, size % 2);
    free(ids.at);
}

static tokenizer *known_tokenizer(size_t number) {
    tree *root = NULL;
    tokenizer *t = NULL;
    if (tree_parse_json(&root, known[number], strlen(known[number]), "known") || tokenizer_new(&t, root, NULL, "known")) abort();
    tree_free(root);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = memchr(data, '\0', size);
    size_t json_size = text ? (size_t)(text - (const char *)data) : size, text_size = text ? size - json_size - 1 : 0;
    tree *json = NULL;
    tokenizer *t = NULL;
    bool whole = !tree_parse_json(&json, (const char *)data, json_size, "fuzz") && !tokenizer_new(&t, json, json, "fuzz");
    if (!whole) t = known_tokenizer(size % COUNT_OF(known));
    use(t, text ? text + 1 : (const char *)data, text ? text_size : size);
    tokenizer_free(t);
    tree_free(json);
    return 0;
}
